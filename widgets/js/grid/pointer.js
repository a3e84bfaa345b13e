// Pointer, touch and movement keys on the cells of a grid.

import { focus, on } from "../core/dom.js";
import { openMenu } from "../core/menu.js";
import { neighbour, rectangle } from "./layout.js";

/** @typedef {import("./grid_view.js").GridView} GridView */
/** @typedef {import("../core/keys.js").Command} Command */

const LONG_PRESS = 500; // milliseconds of touch that select a clip

/** Handles hovering, clicks, long presses and cursor movement. */
export class Pointer {
  #place = "";
  #isTouch = false;
  #pressing = false;
  /** Whether the current touch has already selected, so that lifting the finger does nothing. */
  #longPressed = false;
  /** @type {number | undefined} */
  #pressTimer;

  /** @param {GridView} view */
  constructor(view) {
    this.view = view;
    const { grid: { node } } = view;
    on(node, "pointermove", (event) => this.#onMove(event));
    on(node, "pointerleave", () => view.unhover());
    on(node, "pointerdown", (event) => this.#onDown(event));
    // A finger that starts to scroll cancels its pointer.
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => clearTimeout(this.#pressTimer));
    on(node, "contextmenu", (event) => {
      if (!this.#isTouch) return;
      event.preventDefault();
      event.stopPropagation();
    });
    on(node, "click", (event) => this.#onClick(event));
    on(node, "focus", () => {
      const { grid, shown } = view;
      // A press determines its own cell: going to the first one would scroll it away.
      if (!this.#pressing && !grid.table.position(grid.current) && shown.length && node.matches(":focus-visible")) {
        view.goTo(shown[0]);
      }
    });
  }

  /** Return the actions of movement keys. @param {Command} command @returns {Record<string, () => void>} */
  actions({ by = 0, down = 0, extend = false }) {
    const { grid } = this.view;
    return {
      move: () => this.#move(down, by, extend), page: () => this.#move(down * this.#page(), 0, false),
      edge: () => this.#move(0, by * 1e6, false), size: () => this.view.setSize(grid.size + 16 * by),
      next: () => this.#generateNext(),
    };
  }

  /** Generate the next empty cell in reading order, wrapping around at the end. */
  #generateNext() {
    const { grid: { table, current, geometry: { rows, columns } }, grid, store } = this.view;
    if (!store.fills) return;
    const [row, column] = table.position(current) ?? [0, -1];
    for (let n = 1; n <= rows * columns; n++) {
      const at = (row * columns + column + n) % (rows * columns);
      const coords = grid.emptyCoords(Math.floor(at / columns), at % columns);
      if (coords) return store.fillEmpty([coords]);
    }
  }

  /** Return the number of rows in view. */
  #page() {
    const { node, geometry: { height, gap, headHeight } } = this.view.grid;
    return Math.max(1, Math.floor((node.clientHeight - headHeight) / (height + gap)));
  }

  /** Move the cursor. @param {number} down @param {number} by @param {boolean} extend whether to select on the way */
  #move(down, by, extend) {
    const { table, current, selected } = this.view.grid;
    const cell = table.position(current) ? neighbour(table, current, down, by) : this.view.shown[0] ?? -1;
    if (extend) this.view.select([...selected, current, cell]);
    this.view.goTo(cell);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    const { view } = this;
    this.#pressing = true;
    focus(view.grid.node);
    this.#pressing = false;
    this.#isTouch = event.pointerType === "touch";
    this.#longPressed = false;
    clearTimeout(this.#pressTimer);
    const cell = this.#isTouch ? cellAt(event) : -1;
    if (cell < 0) return;
    const { token } = view.store;
    this.#pressTimer = setTimeout(() => {
      if (token !== view.store.token) return;
      this.#longPressed = true;
      view.goTo(cell);
      view.toggleSelected(cell);
    }, LONG_PRESS);
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const place = `${event.screenX},${event.screenY}`;
    // Cells that scroll under a pointer at rest make the browser report a movement.
    if (event.pointerType === "touch" || place === this.#place) return;
    this.#place = place;
    const { view } = this;
    const cell = cellAt(event);
    if (cell !== view.hovered) view.unhover();
    const tile = view.grid.tiles.get(cell);
    if (!tile) return;
    if (view.hovered !== cell) {
      view.hover.refresh(cell);
      tile.face.append(view.hover.bar);
    }
    view.hovered = cell;
    const box = tile.face.getBoundingClientRect();
    // Without frames, a line over the reason would only hide it.
    if (view.store.imageOf(cell)) tile.scrubTo(Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width)));
    view.clock.wake();
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (this.#longPressed) return;
    const { view } = this;
    const { grid, store } = view;
    const target = /** @type {HTMLElement} */ (event.target);
    const head = /** @type {HTMLElement | null} */ (target.closest(".bcm-rowhead, .bcm-colhead"));
    // A label that is cut is read in full; a tooltip needs a mouse.
    if (head) return openMenu(head, head.title.split("\n").map((label) => ({ label })), view.root);
    const empty = /** @type {HTMLElement | null} */ (target.closest(".bcm-emptycell"));
    if (empty) {
      const [row, column] = (empty.dataset.position ?? "").split(",").map(Number);
      const coords = grid.emptyCoords(row, column);
      if (coords) store.fillEmpty([coords]);
      return;
    }
    const cell = cellAt(event);
    if (cell < 0) return;
    const last = grid.current;
    view.goTo(cell);
    if (event.shiftKey && last >= 0) {
      view.select([...grid.selected, ...rectangle(grid.table, last, cell)]);
    } else if (event.ctrlKey || event.metaKey || (this.#isTouch && grid.selected.size)) view.toggleSelected(cell);
    else view.openLarge([cell]);
  }
}

/** Return the cell under the pointer, or -1. @param {MouseEvent} event @returns {number} */
function cellAt(event) {
  const node = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest?.(".bcm-cell"));
  return node ? Number(node.dataset.cell) : -1;
}
