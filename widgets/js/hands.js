// What hands do with the cells: pointers, fingers, and keys that move.

import { focus, on } from "./dom.js";
import { neighbour, rectangle } from "./layout.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./keys.js").Command} Command */

const HOLD = 500; // milliseconds of touch that select

export class Hands {
  /** The cell under the pointer. */
  hovered = -1;
  #touched = false;
  #pressing = false;
  /** Whether the finger that is down has selected, so that lifting it does no more. */
  #held = false;
  /** @type {number | undefined} */
  #holding;

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    const { scroller: { node } } = view;
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
      const { scroller, choice } = view;
      // A press says itself which cell is meant: going to the first would scroll it away.
      if (!this.#pressing && !scroller.table.place(scroller.current) && choice.length && node.matches(":focus-visible")) {
        view.goTo(choice[0]);
      }
    });
  }

  /** What keys do that move. @param {Command} command @returns {Record<string, () => void>} */
  moves({ by = 0, down = 0, extend = false }) {
    const { scroller } = this.view;
    return {
      move: () => this.#move(down, by, extend), page: () => this.#move(down * this.#page(), 0, false),
      edge: () => this.#move(0, by * 1e6, false), size: () => this.view.setSize(scroller.size + 16 * by),
      next: () => this.#makeNext(),
    };
  }

  /** Make the empty place after the cursor, as one reads; after the last one the first. */
  #makeNext() {
    const { scroller: { table, current, geometry: { rows, columns } }, scroller, store } = this.view;
    if (!store.fills) return;
    const [row, column] = table.place(current) ?? [0, -1];
    for (let n = 1; n <= rows * columns; n++) {
      const at = (row * columns + column + n) % (rows * columns);
      const coords = scroller.missing(Math.floor(at / columns), at % columns);
      if (coords) return store.fill([coords]);
    }
  }

  #page() {
    const { node, geometry: { height, gap, headHeight } } = this.view.scroller;
    return Math.max(1, Math.floor((node.clientHeight - headHeight) / (height + gap)));
  }

  /** @param {number} down @param {number} by @param {boolean} extend */
  #move(down, by, extend) {
    const { table, current, selected } = this.view.scroller;
    const cell = table.place(current) ? neighbour(table, current, down, by) : this.view.choice[0] ?? -1;
    if (extend) this.view.selectThese([...selected, current, cell]);
    this.view.goTo(cell);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    const { view } = this;
    this.#pressing = true;
    focus(view.scroller.node);
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
    const tile = view.scroller.tiles.get(cell);
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
    view.scroller.tiles.get(this.hovered)?.scrubTo(null);
    this.hovered = -1;
    view.hover.bar.remove();
    view.clock.wake();
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    if (this.#held) return;
    const { view } = this;
    const { scroller, store } = view;
    const target = /** @type {HTMLElement} */ (event.target);
    const hole = /** @type {HTMLElement | null} */ (target.closest(".bcm-hole"));
    if (hole) {
      const [row, column] = (hole.dataset.spot ?? "").split(",").map(Number);
      const coords = scroller.missing(row, column);
      if (coords) store.fill([coords]);
      return;
    }
    const cell = cellAt(event);
    if (cell < 0) return;
    const last = scroller.current;
    view.goTo(cell);
    if (event.shiftKey && last >= 0) {
      view.selectThese([...scroller.selected, ...rectangle(scroller.table, last, cell)]);
    } else if (event.ctrlKey || event.metaKey || (this.#touched && scroller.selected.size)) view.toggle(cell);
    else view.openLarge([cell]);
  }
}

/** @param {MouseEvent} event @returns {number} the cell under it, or -1 */
function cellAt(event) {
  const node = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest?.(".bcm-cell"));
  return node ? Number(node.dataset.cell) : -1;
}
