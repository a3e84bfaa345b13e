// One clip's row in the table: its tile and its values.

import { attributes, div, focus, starRow } from "../core/dom.js";
import { formatDuration, isolateBidi } from "../core/text.js";
import { Tile } from "../surface/tile.js";

/** @typedef {import("./table.js").Table} Table */

// Pixels, as in the style sheet. All rows of all tables have one height: a table is scanned, and a
// clip is opened to be looked at.
export const POSTER_WIDTH = 68;
export const ROW_HEIGHT = 52;
const NUMBER = /^-?[\d.]+(e[+-]?\d+)?$/i;

/** Return a value as text for people. @param {string} name of the column @param {any} value */
export function formatValue(name, value) {
  if (value === null || value === undefined) return "";
  if (name === "created") return new Date(value * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  if (name === "seconds") return `took ${formatDuration(value)}`;
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  return String(value);
}

/** A row of the table. */
export class TableRow {
  #table;
  #stars;

  /**
   * @param {Table} table
   * @param {number} cell
   * @param {number} position in the table
   * @param {string[]} names of the columns
   */
  constructor(table, cell, position, names) {
    this.#table = table;
    this.cell = cell;
    this.names = names;
    this.node = div("bcm-tablerow");
    this.node.id = `${table.name}-row-${cell}`;
    this.node.dataset.cell = String(cell);
    attributes(this.node, { role: "row", "aria-rowindex": position + 2 });
    this.node.style.top = `${position * ROW_HEIGHT}px`;
    this.tile = new Tile(table.store);
    this.#stars = starRow((stars) => {
      table.annotate([cell], { stars });
      // The row is rendered again, which would remove the focused star.
      focus(table.focusTarget);
    });
    this.refresh();
  }

  /** Render the tile and the values. */
  refresh() {
    const { store } = this.#table;
    const { stars, rejected } = store.annotation(this.cell);
    this.tile.assign(this.cell, "");
    this.#stars.show(stars);
    this.#stars.row.hidden = !store.hasClip(this.cell);
    this.node.classList.toggle("bcm-rejected", rejected);
    this.node.replaceChildren(this.tile.node, ...this.names.map((name) => this.#createValue(name)));
  }

  /** @param {string} name */
  #createValue(name) {
    const { store } = this.#table;
    const node = div("bcm-value");
    attributes(node, { role: "gridcell" });
    if (name === "stars") {
      node.append(this.#stars.row);
      return node;
    }
    const text = name === "tags" ? store.annotation(this.cell).tags.map(isolateBidi).join(" · ")
      : formatValue(name, store.columns.value(this.cell, name));
    node.textContent = this.#table.shortened(name, text);
    node.title = text;
    node.dir = "auto";
    node.classList.toggle("bcm-number", NUMBER.test(text));
    return node;
  }
}
