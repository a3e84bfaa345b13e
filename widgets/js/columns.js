// What cells can be filtered and sorted by, as Python tells it: plain values by name.

import { STATES } from "./query.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./query.js").Row} Row */
/** @typedef {number | string | null | undefined} Value */

export class Columns {
  /** Whether Python was asked for them. */
  #wanted = false;
  /** Whether it has answered. */
  ready = false;
  /** @type {string[]} */
  #usual = [];
  /** @type {Map<string, Value[]>} */
  #values = new Map();
  /** @type {number[]} */
  #states = [];

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  /** Ask for them, once. */
  want() {
    if (this.#wanted || !this.store.ready) return;
    this.#wanted = true;
    this.store.say({ kind: "columns" });
  }

  /** Other cells are shown: what was known is of no use, and is asked for again. */
  forget() {
    this.ready = false;
    this.#values.clear();
    this.#states = [];
    if (!this.#wanted) return;
    this.#wanted = false;
    this.want();
  }

  /** @param {any} content @param {DataView[]} buffers */
  hear(content, buffers) {
    if (!this.#wanted) return;
    this.#usual = content.usual;
    const cells = new Int32Array(copied(buffers[0]));
    const states = new Int32Array(copied(buffers[buffers.length - 1]));
    content.columns.forEach((/** @type {{name: string, texts?: string[]}} */ { name, texts }, /** @type {number} */ n) => {
      const column = this.#values.get(name) ?? [];
      this.#values.set(name, column);
      const data = copied(buffers[n + 1]);
      const numbers = texts ? new Int32Array(data) : new Float64Array(data);
      cells.forEach((cell, i) => {
        const value = numbers[i];
        column[cell] = texts ? texts[value] : Number.isNaN(value) ? null : value;
      });
    });
    const stars = this.#values.get("stars") ?? [];
    const tags = new Map(content.tags);
    cells.forEach((cell, i) => {
      this.#states[cell] = states[i];
      this.store.marks.set(cell, {
        stars: Number(stars[cell] ?? 0), rejected: this.has(cell, "rejected"),
        tags: /** @type {string[]} */ (tags.get(cell) ?? []),
      });
    });
    this.ready = true;
  }

  /** @param {number} cell @param {string} state */
  has(cell, state) {
    return Boolean((this.#states[cell] ?? 0) & (1 << STATES.indexOf(state)));
  }

  /** What can be asked for, axes first. */
  names() {
    const axes = this.store.axes.map((axis) => axis.name);
    return [...new Set([...axes, ...this.#usual, ...this.#values.keys()])];
  }

  /**
   * @param {number} cell
   * @param {string} name
   * @returns {Value}
   */
  value(cell, name) {
    const { axes, coords, marks } = this.store;
    const a = axes.findIndex((axis) => axis.name === name);
    if (a >= 0) return axes[a].labels[coords[cell * axes.length + a]];
    if (name === "stars" && this.store.made(cell)) return marks.get(cell)?.stars ?? 0;
    return this.#values.get(name)?.[cell];
  }

  /**
   * @param {number} cell
   * @returns {Row}
   */
  row(cell) {
    const { store } = this;
    const { axes, coords } = store;
    const { stars, rejected, tags } = store.mark(cell);
    const labels = axes.map((axis, a) => axis.labels[coords[cell * axes.length + a]]);
    const made = store.made(cell);
    const states = new Set([made ? "made" : "missing"]);
    if (stars) states.add("starred");
    if (rejected) states.add("rejected");
    if (store.cells.get(cell)?.status === "failed") states.add("failed");
    for (const state of ["broken", "draft"]) if (this.has(cell, state)) states.add(state);
    return {
      text: [this.#values.get("prompt")?.[cell] ?? "", ...labels, ...tags].join("\n"),
      value: (name) => this.value(cell, name), tags, states,
    };
  }
}

/** The bytes of a view, which need not lie where numbers may. @param {DataView} view */
function copied(view) {
  return /** @type {ArrayBuffer} */ (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
