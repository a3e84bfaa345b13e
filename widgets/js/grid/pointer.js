// What hands do with the cells: pointers, fingers, and keys that move.

import { focus, on } from "../core/dom.js";
import { neighbour, rectangle } from "./layout.js";

/** @typedef {import("./grid_view.js").GridView} GridView */
/** @typedef {import("../core/keys.js").Command} Command */

const HOLD = 500; // milliseconds of touch that select

export class Pointer {
  /** The cell under the pointer. */
  hovered = -1;
  #touched = false;
  #pressing = false;
  /** Whether the finger that is down has selected, so that lifting it does no more. */
  #held = false;
  /** @type {number | undefined} */
  #holding;

  /** @param {GridView} view */
  constructor(view) {
    this.view = view;
    const { grid: { node } } = view;
    on(node, "pointermove", (event) => this.#onPoint(event));
    on(node, "pointerleave", () => this.unhover());
    on(node, "pointerdown", (event) => this.#onDown(event));
    // A finger that scrolls cancels its pointer.
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => clearTimeout(this.#holding));
    on(node, "contextmenu", (event) => {
      if (!this.#touched) return;
      event.preventDefault();
      event.stopPropagation();
    });
    on(node, "click", (event) => this.#onClick(event));
    on(node, "focus", () => {
      const { grid, choice } = view;
      // A press says itself which cell is meant: going to the first would scroll it away.
      if (!this.#pressing && !grid.table.place(grid.current) && choice.length && node.matches(":focus-visible")) {
        view.goTo(choice[0]);
      }
    });
  }

  /** What keys do that move. @param {Command} command @returns {Record<string, () => void>} */
  moves({ by = 0, down = 0, extend = false }) {
    const { grid } = this.view;
    return {
      move: () => this.#move(down, by, extend), page: () => this.#move(down * this.#page(), 0, false),
      edge: () => this.#move(0, by * 1e6, false), size: () => this.view.setSize(grid.size + 16 * by),
      next: () => this.#makeNext(),
    };
  }

  /** Make the empty place after the cursor, as one reads; after the last one the first. */
  #makeNext() {
    const { grid: { table, current, geometry: { rows, columns } }, grid, store } = this.view;
    if (!store.fills) return;
    const [row, column] = table.place(current) ?? [0, -1];
    for (let n = 1; n <= rows * columns; n++) {
      const at = (row * columns + column + n) % (rows * columns);
      const coords = grid.missing(Math.floor(at / columns), at % columns);
      if (coords) return store.fillEmpty([coords]);
    }
  }

  #page() {
    const { node, geometry: { height, gap, headHeight } } = this.view.grid;
    return Math.max(1, Math.floor((node.clientHeight - headHeight) / (height + gap)));
  }

  /** @param {number} down @param {number} by @param {boolean} extend */
  #move(down, by, extend) {
    const { table, current, selected } = this.view.grid;
    const cell = table.place(current) ? neighbour(table, current, down, by) : this.view.choice[0] ?? -1;
    if (extend) this.view.select([...selected, current, cell]);
    this.view.goTo(cell);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    const { view } = this;
    this.#pressing = true;
    focus(view.grid.node);
    this.#pressing = false;
    this.#touched = event.pointerType === "touch";
    this.#held = false;
    clearTimeout(this.#holding);
    const cell = this.#touched ? cellAt(event) : -1;
    if (cell < 0) return;
    this.#holding = setTimeout(() => {
      this.#held = true;
      view.goTo(cell);
      view.toggle(cell);
    }, HOLD);
  }

  /** @param {PointerEvent} event */
  #onPoint(event) {
    if (event.pointerType === "touch") return;
    const cell = cellAt(event);
    if (cell !== this.hovered) this.unhover();
    const { view } = this;
    const tile = view.grid.tiles.get(cell);
    if (!tile) return;
    if (this.hovered !== cell) {
      view.hover.refresh(cell);
      tile.face.append(view.hover.bar);
    }
    this.hovered = cell;
    const box = tile.face.getBoundingClientRect();
    tile.scrubTo(Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width)));
    view.clock.wake();
  }

  unhover() {
    const { view } = this;
    view.grid.tiles.get(this.hovered)?.scrubTo(null);
    this.hovered = -1;
    view.hover.bar.remove();
    view.clock.wake();
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (this.#held) return;
    const { view } = this;
    const { grid, store } = view;
    const target = /** @type {HTMLElement} */ (event.target);
    const hole = /** @type {HTMLElement | null} */ (target.closest(".bcm-hole"));
    if (hole) {
      const [row, column] = (hole.dataset.spot ?? "").split(",").map(Number);
      const coords = grid.missing(row, column);
      if (coords) store.fillEmpty([coords]);
      return;
    }
    const cell = cellAt(event);
    if (cell < 0) return;
    const last = grid.current;
    view.goTo(cell);
    if (event.shiftKey && last >= 0) {
      view.select([...grid.selected, ...rectangle(grid.table, last, cell)]);
    } else if (event.ctrlKey || event.metaKey || (this.#touched && grid.selected.size)) view.toggle(cell);
    else view.openLarge([cell]);
  }
}

/** @param {MouseEvent} event @returns {number} the cell under it, or -1 */
function cellAt(event) {
  const node = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest?.(".bcm-cell"));
  return node ? Number(node.dataset.cell) : -1;
}
