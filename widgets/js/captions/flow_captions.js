// The captions of cells that flow without headers: what each differs in from the others that are shown.

import { captioner, fits } from "./captions.js";

/** @typedef {import("../data/store.js").Store} Store */

const LETTER = 5.8; // pixels

/** Captions by the axes of the cells; of clips without axes by their prompts and seeds, as far as they are known. */
export class FlowCaptions {
  #store;
  /** @type {number[]} */
  #cells = [];
  #limit = 0;
  #known = 0;
  #pending = 0;
  /** @type {(labels: string[]) => string} */
  #caption = () => "";

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** Whether the captions come from the clips themselves, which arrive one after another. */
  get #byClip() {
    return !this.#store.axes.length;
  }

  /**
   * Make captions for cells that are shown together, in one line if they fit into it, or else in two.
   * @param {number[]} cells
   * @param {(lines: number) => number} width of a cell in pixels, if captions have so many lines
   * @returns {number} the number of lines
   */
  update(cells, width) {
    this.#cells = cells;
    const columns = this.#columns();
    const letters = (/** @type {number} */ lines) => Math.floor((lines * width(lines)) / LETTER);
    const lines = !this.#byClip && fits(columns, letters(1)) ? 1 : 2;
    // Lines are broken between words, before the end of the first one.
    this.#limit = Math.floor(letters(lines) * (lines > 1 ? 0.85 : 1));
    this.#caption = captioner(columns, this.#limit);
    return lines;
  }

  /** Return what the cells can differ in. @returns {import("./captions.js").Column[]} */
  #columns() {
    const { axes, coords, items } = this.#store;
    if (!this.#byClip) {
      const used = axes.map(() => /** @type {Map<string, number>} */ (new Map()));
      for (const cell of this.#cells) {
        axes.forEach(({ labels }, a) => {
          const at = coords[cell * axes.length + a];
          used[a].set(labels[at], at);
        });
      }
      return axes.map(({ name, notes }, a) => ({
        name, labels: [...used[a].keys()], notes: [...used[a].values()].map((at) => notes[at] ?? ""),
      }));
    }
    const known = this.#cells.flatMap((cell) => {
      const item = items.get(cell);
      return item?.prompt === undefined ? [] : [[item.prompt, String(item.seed)]];
    });
    this.#known = known.length;
    return ["prompt", "seed"].map((name, n) => ({ name, labels: [...new Set(known.map((one) => one[n]))] }));
  }

  /** Make captions again shortly, if more clips are known then. @param {() => void} show called if they are others */
  refreshSoon(show) {
    if (!this.#byClip) return;
    this.#pending ||= requestAnimationFrame(() => {
      this.#pending = 0;
      const before = this.#known;
      const columns = this.#columns();
      if (this.#known === before) return;
      this.#caption = captioner(columns, this.#limit);
      show();
    });
  }

  /** Return the caption of a cell. @param {number} cell */
  of(cell) {
    const { axes, coords, items } = this.#store;
    if (!this.#byClip) return this.#caption(axes.map(({ labels }, a) => labels[coords[cell * axes.length + a]]));
    const item = items.get(cell);
    return item?.prompt === undefined ? "" : this.#caption([item.prompt, String(item.seed)]);
  }
}
