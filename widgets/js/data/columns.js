// The values by which cells are filtered and sorted, as Python sends them: one column per name.

import { STATES } from "../query.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("../query.js").Row} Row */
/** @typedef {number | string | null | undefined} Value */

/** Columns of values, requested on first use. */
export class Columns {
  /** Whether they were requested. */
  #requested = false;
  /** Whether they have arrived. */
  ready = false;
  /** @type {string[]} */
  #commonNames = [];
  /** @type {Map<string, Value[]>} */
  #values = new Map();
  /** @type {number[]} */
  #states = [];

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  /** Request them, once. */
  request() {
    if (this.#requested || !this.store.ready) return;
    this.#requested = true;
    this.store.send({ kind: "columns" });
  }

  /** Drop the columns of earlier cells; request them again if they were in use. */
  reset() {
    this.ready = false;
    this.#values.clear();
    this.#states = [];
    if (!this.#requested) return;
    this.#requested = false;
    this.request();
  }

  /** Handle the message with the columns. @param {any} content @param {DataView[]} buffers */
  onMessage(content, buffers) {
    if (!this.#requested) return;
    this.#commonNames = content.common;
    const cells = new Int32Array(copyBytes(buffers[0]));
    const states = new Int32Array(copyBytes(buffers[buffers.length - 1]));
    content.columns.forEach((/** @type {{name: string, texts?: string[]}} */ { name, texts }, /** @type {number} */ n) => {
      const column = this.#values.get(name) ?? [];
      this.#values.set(name, column);
      const data = copyBytes(buffers[n + 1]);
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
      this.store.onAnnotation(cell, {
        stars: Number(stars[cell] ?? 0), rejected: this.hasState(cell, "rejected"),
        tags: /** @type {string[]} */ (tags.get(cell) ?? []),
      });
    });
    this.ready = true;
  }

  /** Return whether Python reported a state of a cell. @param {number} cell @param {string} state */
  hasState(cell, state) {
    return Boolean((this.#states[cell] ?? 0) & (1 << STATES.indexOf(state)));
  }

  /** Return the names of all columns, axes first. */
  names() {
    const axes = this.store.axes.map((axis) => axis.name);
    return [...new Set([...axes, ...this.#commonNames, ...this.#values.keys()])];
  }

  /**
   * Return a value of a cell.
   * @param {number} cell
   * @param {string} name
   * @returns {Value}
   */
  value(cell, name) {
    const { axes, coords, annotations } = this.store;
    const a = axes.findIndex((axis) => axis.name === name);
    if (a >= 0) return axes[a].labels[coords[cell * axes.length + a]];
    if (name === "stars" && this.store.hasClip(cell)) return annotations.get(cell)?.stars ?? 0;
    return this.#values.get(name)?.[cell];
  }

  /**
   * Return a cell as a row for queries.
   * @param {number} cell
   * @returns {Row}
   */
  row(cell) {
    const { store } = this;
    const { axes, coords } = store;
    const { stars, rejected, tags } = store.annotation(cell);
    const labels = axes.map((axis, a) => axis.labels[coords[cell * axes.length + a]]);
    const states = new Set([store.hasClip(cell) ? "generated" : "missing"]);
    if (stars) states.add("starred");
    if (rejected) states.add("rejected");
    if (store.cells.get(cell)?.status === "failed") states.add("failed");
    for (const state of ["broken", "draft"]) if (this.hasState(cell, state)) states.add(state);
    return {
      text: [this.#values.get("prompt")?.[cell] ?? "", ...labels, ...tags].join("\n"),
      value: (name) => this.value(cell, name), tags, states,
    };
  }
}

/** Copy the bytes of a view, which may be unaligned for numbers. @param {DataView} view */
export function copyBytes(view) {
  return /** @type {ArrayBuffer} */ (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
