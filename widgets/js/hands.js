// What hands do with the cells: keys, pointers, selection.

import { focus, on } from "./dom.js";
import { commandFor, notebooks } from "./keys.js";
import { neighbour, rectangle } from "./layout.js";

/** @typedef {import("./view.js").View} View */
/** @typedef {import("./keys.js").Command} Command */

const HOLD = 500; // milliseconds of touch that select

export class Hands {
  /** The cell under the pointer. */
  hovered = -1;
  #touched = false;
  /** Whether the finger that is down has selected, so that lifting it does no more. */
  #held = false;
  /** @type {number | undefined} */
  #holding;

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    const { root, scroller: { node } } = view;
    on(root, "keydown", (event) => this.#onKey(event));
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
      if (!scroller.table.place(scroller.current) && choice.length && node.matches(":focus-visible")) {
        view.goTo(choice[0]);
      }
    });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (notebooks(event)) return;
    const { view } = this;
    const target = /** @type {HTMLElement} */ (event.target);
    const typed = target instanceof HTMLInputElement;
    const pressed = target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
    const command = typed || pressed ? null : commandFor(event, view.large.open ? "large" : "grid");
    // Tab leaves the grid; all other keys end here, or the notebook would act on them.
    if (event.key !== "Tab") event.stopPropagation();
    if (!command && !(typed && event.key === "Escape")) return;
    event.preventDefault();
    this.#obey(command ?? { name: "close" });
  }

  /** @param {Command} command */
  #obey(command) {
    const { view } = this;
    const { scroller, store } = view;
    const at = view.large.open ? view.large.cell : scroller.current;
    const { by = 0, down = 0 } = command;
    /** @type {Record<string, () => void>} */
    const acts = {
      move: () => this.#move(down, by, Boolean(command.extend)),
      page: () => this.#move(down * this.#page(), 0, false),
      edge: () => this.#move(0, by * 1e6, false),
      step: () => view.large.step(by),
      flicker: () => view.large.toggleFlicker(),
      copy: () => view.large.copy(command.what ?? "code"),
      open: () => view.openLarge([at < 0 ? view.choice[0] ?? -1 : at]),
      close: () => view.back(),
      play: () => view.play(!view.playing),
      frame: () => view.frame(by),
      help: () => view.help(),
      size: () => view.setSize(scroller.size + 16 * by),
      select: () => this.#select(at),
      stars: () => view.rate(this.#chosen(at), { stars: command.stars ?? 0 }),
      reject: () => view.rate(this.#chosen(at), { rejected: !store.mark(at).rejected }),
      tag: () => view.tagBox.show(this.#chosen(at)),
      find: () => view.find.focus(),
      full: () => view.full(),
      compare: () => view.compare(),
      again: () => store.again(this.#chosen(at)),
    };
    acts[command.name]();
  }

  /** Marks go to all selected cells when the current one is among them. @param {number} at */
  #chosen(at) {
    const { selected } = this.view.scroller;
    if (at < 0) return [];
    return !this.view.large.open && selected.has(at) ? [...selected] : [at];
  }

  #page() {
    const { node, geometry: { height, gap, headHeight } } = this.view.scroller;
    return Math.max(1, Math.floor((node.clientHeight - headHeight) / (height + gap)));
  }

  /** @param {number} down @param {number} by @param {boolean} extend */
  #move(down, by, extend) {
    const { table, current, selected } = this.view.scroller;
    const cell = table.place(current) ? neighbour(table, current, down, by) : this.view.choice[0] ?? -1;
    if (extend) this.selectThese([...selected, current, cell]);
    this.view.goTo(cell);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    const { view } = this;
    focus(view.scroller.node);
    this.#touched = event.pointerType === "touch";
    this.#held = false;
    clearTimeout(this.#holding);
    const cell = this.#touched ? cellAt(event) : -1;
    if (cell < 0) return;
    this.#holding = setTimeout(() => {
      this.#held = true;
      view.goTo(cell);
      this.#select(cell);
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
      this.selectThese([...scroller.selected, ...rectangle(scroller.table, last, cell)]);
    } else if (event.ctrlKey || event.metaKey || (this.#touched && scroller.selected.size)) this.#select(cell);
    else view.openLarge([cell]);
  }

  /** @param {number} cell */
  #select(cell) {
    if (cell < 0) return;
    const now = new Set(this.view.scroller.selected);
    if (!now.delete(cell)) now.add(cell);
    this.selectThese([...now]);
  }

  /** @param {number[]} cells */
  selectThese(cells) {
    const now = [...new Set(cells)].filter((cell) => cell >= 0).sort((a, b) => a - b);
    this.view.scroller.selected = new Set(now);
    this.view.scroller.markAll();
    this.view.save("_selected", now);
    this.view.say(`${now.length} selected`);
  }
}

/** @param {MouseEvent} event @returns {number} the cell under it, or -1 */
function cellAt(event) {
  const node = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest?.(".bcm-cell"));
  return node ? Number(node.dataset.cell) : -1;
}
