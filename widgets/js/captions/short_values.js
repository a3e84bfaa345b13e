// Values of the table's columns, shortened to what they differ in where a column is too narrow.

import { distinguish } from "./captions.js";

// Pixels.
const LETTER = 6.6;
const DIGIT = 8;

// Numbers are not shortened: their columns are as wide as they need.
const NUMBER = /^-?[\d.]+(e[+-]?\d+)?$/i;
const MAX_NUMBER = 200; // pixels

/** The distinct values of each column and what is shown of them, made when a first one is needed. */
export class ShortValues {
  /** @type {Map<string, string[]>} distinct values by column */
  #distinct = new Map();
  /** @type {Map<string, Map<string, string>>} by column and value */
  #short = new Map();
  #made = "";
  #width;
  #values;

  /**
   * @param {(name: string) => number} width of a column in pixels
   * @param {(name: string) => string[]} values of a column, of all rows
   */
  constructor(width, values) {
    this.#width = width;
    this.#values = values;
  }

  /** Forget all, if what they were made for has changed. @param {string} [now] rows, columns and width; always by default */
  clear(now = "") {
    if (now && now === this.#made) return;
    this.#made = now;
    this.#distinct.clear();
    this.#short.clear();
  }

  /** @param {string} name */
  #distinctOf(name) {
    const found = this.#distinct.get(name) ?? [...new Set(this.#values(name))];
    this.#distinct.set(name, found);
    return found;
  }

  /** Return the least width of a column in pixels. @param {string} name @param {number} least */
  widthOf(name, least) {
    const numbers = this.#distinctOf(name).filter((text) => NUMBER.test(text));
    return Math.min(MAX_NUMBER, numbers.reduce((width, text) => Math.max(width, text.length * DIGIT), least));
  }

  /** Return a value as it is shown. @param {string} name of the column @param {string} value */
  of(name, value) {
    if (NUMBER.test(value)) return value;
    let short = this.#short.get(name);
    if (!short) {
      const distinct = this.#distinctOf(name);
      const texts = distinguish(distinct, Math.max(4, Math.floor(this.#width(name) / LETTER)));
      short = new Map(distinct.map((one, i) => [one, texts[i]]));
      this.#short.set(name, short);
    }
    return short.get(value) ?? value;
  }
}
