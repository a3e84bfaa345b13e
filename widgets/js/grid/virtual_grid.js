// The scrolling table: headers that stay, and only as many cells on the page as are seen.

import { attributes, div, element, on } from "../core/dom.js";
import { chooseAxes, fitFlow, fitColumns, flow, pivot, reveal, visible } from "./layout.js";
import { isolateBidi, describeCell, shortenLabels } from "../core/text.js";
import { Tile } from "../large/tile.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("./layout.js").Table} Table */

const GAP = 6;
const CAPTION = 20;
const LINE = 16;
const LETTER = 6.4;

let grids = 0;

export class VirtualGrid {
  #field;
  #head;
  current = -1;
  /** @type {Set<number>} */
  selected = new Set();
  /** @type {Map<number, Tile>} */
  tiles = new Map();
  /** @type {Map<number, HTMLElement>} */
  #lines = new Map();
  /** @type {Map<string, HTMLElement>} places of the table without a cell, by row and column */
  #holes = new Map();
  /** @type {Tile[]} */
  #spare = [];
  /** @type {string[][]} */
  #rowLabels = [];
  /** @type {string[][]} */
  #columnLabels = [];
  size = 0;
  #window = "";
  asleep = false;
  #pending = 0;

  /**
   * @param {Store} store
   * @param {{rows: () => string[], columns: () => string[], fixed: () => Record<string, string>,
   *   size: () => number, height: () => number, cells: () => number[], ordered: () => boolean,
   *   seen: (cells: number[]) => void}} options
   */
  constructor(store, options) {
    this.store = store;
    this.options = options;
    this.id = `bcm${++grids}-${Math.random().toString(36).slice(2, 7)}`;
    this.node = div("bcm-scroll");
    this.node.tabIndex = 0;
    attributes(this.node, { role: "grid", "aria-multiselectable": "true" });
    this.#field = div("bcm-field");
    attributes(this.#field, { role: "presentation" });
    this.#head = div("bcm-head");
    attributes(this.#head, { role: "row", "aria-rowindex": "1" });
    this.#field.append(this.#head);
    this.node.append(this.#field);
    /** @type {Table} */
    this.table = flow([], 1);
    this.geometry = { width: 120, height: 120, gap: GAP, headWidth: 0, headHeight: 0, rows: 0, columns: 0 };
    on(this.node, "scroll", () => {
      this.#pending ||= requestAnimationFrame(() => {
        this.#pending = 0;
        this.fill();
      });
    }, { passive: true });
  }

  /** Lay everything out anew: other cells, other axes, another size. */
  layout() {
    const { store, options } = this;
    const fixed = Object.keys(options.fixed());
    const sides = chooseAxes(store.axes, store.coords, options.rows(), options.columns(), fixed);
    // What is ordered by a value stands in a line, whatever axes it has.
    const chosen = options.ordered() ? { flow: true, rows: [], columns: [] } : sides;
    const cells = options.cells();
    // Hidden by the notebook, or not attached yet: laid out again when there is room.
    const room = this.node.clientWidth;
    if (!room || !store.ready) return;
    const label = chosen.flow ? CAPTION : 0;
    const table = chosen.flow ? null : pivot(store.axes, store.coords, cells, chosen);
    const heads = table ? this.#headSizes(table, room) : { headWidth: 0, headHeight: 0 };
    const wide = room - heads.headWidth - 2;
    const size = options.size() || (table
      ? fitColumns(wide, table.columns.length, GAP, widest())
      : fitFlow({ width: wide, height: options.height() }, cells.length, store.aspect, GAP + CAPTION, widest()));
    this.table = table ?? flow(cells, Math.floor(wide / (size + GAP)));
    const height = Math.round(size * Math.max(0.3, Math.min(2.5, store.aspect))) + label;
    this.geometry = {
      width: size, height, gap: GAP, ...heads,
      rows: this.table.rows.length, columns: this.table.columns.length,
    };
    this.size = size;
    this.#resize();
    this.#drawHead();
    this.#clear();
    this.fill();
  }

  /** @param {Table} table @param {number} room */
  #headSizes(table, room) {
    const name = (/** @type {string[]} */ axes) => axes.join(" · ").length + 2;
    const names = Math.max(name(table.rowAxes), Math.min(26, name(table.columnAxes)));
    this.#rowLabels = shortenRows(table.rows.map((r) => r.labels));
    this.#columnLabels = shortenRows(table.columns.map((c) => c.labels));
    const letters = (/** @type {string[][]} */ rows, /** @type {import("./layout.js").Header[]} */ heads) =>
      rows.flatMap((labels, n) => labels.map((label, i) => label.length + heads[n].notes[i].length));
    const longest = Math.max(names, ...letters(this.#rowLabels, table.rows));
    const headWidth = Math.min(room * 0.32, Math.max(64, Math.min(190, longest * LETTER + 20)));
    const size = this.options.size() || fitColumns(room - headWidth, table.columns.length, GAP, widest());
    const most = table.columns.some((head) => head.notes.join("")) ? 3 : 2;
    const lines = Math.min(most, Math.ceil(Math.max(1, ...letters(this.#columnLabels, table.columns)) * LETTER / size));
    // The corner names the axes of both sides, a line each.
    const headHeight = Math.max(38, table.columnAxes.length * lines * LINE + 12);
    return { headWidth: Math.round(headWidth), headHeight };
  }

  #resize() {
    const { geometry: g } = this;
    this.#field.style.width = `${g.headWidth + g.columns * (g.width + GAP)}px`;
    const full = g.headHeight + g.rows * (g.height + GAP);
    this.#field.style.height = `${full}px`;
    this.node.style.height = `${Math.min(this.options.height(), full + 14)}px`;
    this.node.style.setProperty("--bcm-width", `${g.width}px`);
    this.node.style.setProperty("--bcm-height", `${g.height}px`);
    this.node.style.setProperty("--bcm-head-width", `${g.headWidth}px`);
    this.node.style.setProperty("--bcm-head-height", `${g.headHeight}px`);
    this.node.classList.toggle("bcm-flow", this.table.flow);
    this.node.classList.toggle("bcm-small", g.width < 84);
    this.node.classList.toggle("bcm-tight", g.width < 124 || g.height < 84);
    attributes(this.node, {
      "aria-rowcount": g.rows + (this.table.flow ? 0 : 1),
      "aria-colcount": g.columns + (this.table.flow ? 0 : 1),
    });
  }

  #drawHead() {
    this.#head.hidden = this.table.flow;
    const corner = div("bcm-corner");
    attributes(corner, { role: "columnheader" });
    const across = element("span", "bcm-axis", this.table.columnAxes.map(isolateBidi).join(" · ") + " →");
    const down = element("span", "bcm-axis", this.table.rowAxes.map(isolateBidi).join(" · ") + " ↓");
    if (this.table.columnAxes.length) corner.append(across);
    if (this.table.rowAxes.length) corner.append(down);
    corner.title = corner.textContent ?? "";
    this.#head.replaceChildren(corner);
  }

  #view() {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.node;
    return { left: scrollLeft, top: scrollTop, width: clientWidth, height: clientHeight };
  }

  #clear() {
    for (const tile of this.tiles.values()) this.#release(tile);
    this.tiles.clear();
    for (const line of this.#lines.values()) line.remove();
    this.#lines.clear();
    this.#holes.clear();
    this.#window = "";
  }

  /** @param {Tile} tile */
  #release(tile) {
    tile.node.remove();
    if (this.#spare.length < 300) this.#spare.push(tile);
  }

  /** Put on the page what is in the window, and take off what is not. */
  fill() {
    if (!this.store.ready || !this.node.clientWidth) return;
    const range = visible(this.geometry, this.#view());
    const now = JSON.stringify(range);
    if (now === this.#window) return this.#once();
    this.#window = now;
    /** @type {Set<number>} */
    const wanted = new Set();
    for (let row = range.row0; row < range.row1; row++) {
      for (let column = range.column0; column < range.column1; column++) {
        const cell = this.table.at(row, column);
        if (cell >= 0) wanted.add(cell);
      }
    }
    for (const [cell, tile] of this.tiles) {
      if (wanted.has(cell)) continue;
      this.tiles.delete(cell);
      this.#release(tile);
    }
    for (const [spot, hole] of this.#holes) {
      const [row, column] = spot.split(",").map(Number);
      if (row >= range.row0 && row < range.row1 && column >= range.column0 && column < range.column1) continue;
      this.#holes.delete(spot);
      hole.remove();
    }
    for (const [row, line] of this.#lines) {
      if (row >= range.row0 && row < range.row1) continue;
      this.#lines.delete(row);
      line.remove();
    }
    for (let row = range.row0; row < range.row1; row++) this.#fillRow(row, range.column0, range.column1);
    this.#fillHead(range.column0, range.column1);
    this.#once();
    this.see();
  }

  /** What rows below one another share is said once: at the first of them, and at the first in sight. */
  #once() {
    const { table: { rows, flow: bare }, geometry: { height }, node: { scrollTop } } = this;
    if (bare) return;
    const first = Math.ceil((scrollTop - GAP) / (height + GAP));
    for (const [row, line] of this.#lines) {
      const heads = /** @type {HTMLElement[]} */ ([...line.firstElementChild?.children ?? []]);
      for (const [i, head] of heads.slice(0, -1).entries()) {
        const shared = (/** @type {number} */ at) => String(rows[at].key.slice(0, rows[row].labels.length - heads.length + i + 1));
        head.style.visibility = row > Math.max(0, first) && shared(row) === shared(row - 1) ? "hidden" : "";
      }
    }
  }

  /** @param {number} row @param {number} from @param {number} to */
  #fillRow(row, from, to) {
    let line = this.#lines.get(row);
    if (!line) {
      line = this.#makeRow(row);
      this.#lines.set(row, line);
      this.#field.append(line);
    }
    for (let column = from; column < to; column++) {
      const cell = this.table.at(row, column);
      if (cell < 0) this.#fillHole(row, column, line);
      if (cell < 0 || this.tiles.has(cell)) continue;
      const tile = this.#spare.pop() ?? new Tile(this.store);
      tile.take(cell, this.labelOf(cell));
      tile.node.id = `${this.id}-${cell}`;
      tile.node.dataset.cell = String(cell);
      tile.node.style.left = `${this.geometry.headWidth + column * (this.geometry.width + GAP)}px`;
      attributes(tile.node, { "aria-colindex": column + (this.table.flow ? 1 : 2) });
      this.#mark(tile);
      this.tiles.set(cell, tile);
      line.append(tile.node);
    }
  }

  /** @param {number} row @param {number} column @param {HTMLElement} line */
  #fillHole(row, column, line) {
    const spot = `${row},${column}`;
    if (!this.store.fills || this.table.flow || this.#holes.has(spot) || !this.missing(row, column)) return;
    const hole = div("bcm-hole");
    attributes(hole, {
      role: "gridcell",
      "aria-label": "empty; press to make it",
      "aria-colindex": column + 2,
    });
    hole.title = "make this clip";
    hole.dataset.spot = spot;
    hole.style.left = `${this.geometry.headWidth + column * (this.geometry.width + GAP)}px`;
    this.#holes.set(spot, hole);
    line.append(hole);
  }

  /**
   * The coordinates of an empty place, or null where there is a cell, if only a hidden one.
   * @param {number} row
   * @param {number} column
   * @returns {number[] | null} on each axis
   */
  missing(row, column) {
    const { store, table } = this;
    if (table.flow || table.at(row, column) >= 0) return null;
    const fixed = this.options.fixed();
    const coords = store.axes.map((axis) => Math.max(0, axis.labels.indexOf(fixed[axis.name] ?? axis.labels[0])));
    table.rowAxes.forEach((name, i) => { coords[store.axes.findIndex((a) => a.name === name)] = table.rows[row].key[i]; });
    table.columnAxes.forEach((name, i) => { coords[store.axes.findIndex((a) => a.name === name)] = table.columns[column].key[i]; });
    return store.occupied.has(String(coords)) ? null : coords;
  }

  /** The coordinates of all empty places. */
  allMissing() {
    if (!this.store.fills || this.table.flow) return [];
    const { rows, columns } = this.table;
    return rows.flatMap((_, row) => columns.flatMap((_, column) => {
      const coords = this.missing(row, column);
      return coords ? [coords] : [];
    }));
  }

  /** @param {number} row */
  #makeRow(row) {
    const line = div("bcm-row");
    attributes(line, { role: "row", "aria-rowindex": row + (this.table.flow ? 1 : 2) });
    line.style.top = `${this.geometry.headHeight + row * (this.geometry.height + GAP)}px`;
    if (this.table.flow) return line;
    const head = div("bcm-rowhead");
    attributes(head, { role: "rowheader" });
    labelLines(head, this.#rowLabels[row], this.table.rows[row], this.geometry.headWidth - 12, this.geometry.height);
    line.append(head);
    return line;
  }

  /** @param {number} from @param {number} to */
  #fillHead(from, to) {
    if (this.table.flow) return;
    const corner = /** @type {HTMLElement} */ (this.#head.firstElementChild);
    const heads = [];
    for (let column = from; column < to; column++) {
      const head = div("bcm-colhead");
      attributes(head, { role: "columnheader", "aria-colindex": column + 2 });
      head.style.left = `${this.geometry.headWidth + column * (this.geometry.width + GAP)}px`;
      labelLines(head, this.#columnLabels[column], this.table.columns[column], this.geometry.width - 4, this.geometry.headHeight - 8);
      heads.push(head);
    }
    this.#head.replaceChildren(corner, ...heads);
  }

  /** Say which cells are in sight, as one reads; what is just outside comes last. */
  see() {
    const range = visible(this.geometry, this.#view(), 0);
    const rank = (/** @type {number} */ cell) => {
      const [row, column] = /** @type {[number, number]} */ (this.table.place(cell));
      const inside = row >= range.row0 && row < range.row1
        && column >= range.column0 && column < range.column1;
      return (inside ? 0 : 1e9) + row * this.geometry.columns + column;
    };
    const cells = this.asleep ? [] : [...this.tiles.keys()].sort((a, b) => rank(a) - rank(b));
    this.options.seen(cells);
  }

  /**
   * A cell's values in words.
   * @param {number} cell
   * @param {boolean} notes of the values as well; a flow has no headers that say them
   */
  labelOf(cell, notes = this.table.flow) {
    return describeCell(this.store, cell, notes, this.table.flow);
  }

  /** @param {Tile} tile */
  #mark(tile) {
    const selected = this.selected.has(tile.cell);
    tile.node.classList.toggle("bcm-current", tile.cell === this.current);
    tile.node.classList.toggle("bcm-selected", selected);
    attributes(tile.node, { "aria-selected": selected });
  }

  /** Show which cell is current and which are selected. */
  markAll() {
    for (const tile of this.tiles.values()) this.#mark(tile);
    const there = this.tiles.has(this.current);
    if (there) this.node.setAttribute("aria-activedescendant", `${this.id}-${this.current}`);
    else this.node.removeAttribute("aria-activedescendant");
  }

  /** @param {number} cell scroll as little as needed so that it is seen */
  reveal(cell) {
    const place = this.table.place(cell);
    if (!place) return;
    const { left, top } = reveal(this.geometry, this.#view(), ...place);
    this.node.scrollLeft = left;
    this.node.scrollTop = top;
    this.fill();
  }

  /** @param {number} seconds the clock */
  paint(seconds) {
    for (const tile of this.tiles.values()) tile.paint(seconds);
  }
}

/** How wide cells become by themselves: a screen of their own is to be used. */
const widest = () => (document.fullscreenElement ? 480 : 176);

/**
 * Put an axis below the other into a header, each with its note; outer ones share a line where there
 * are too few.
 * @param {HTMLElement} head
 * @param {string[]} labels
 * @param {import("./layout.js").Header} header
 * @param {number} width
 * @param {number} height
 */
function labelLines(head, labels, { titles, notes }, width, height) {
  attributes(head, { "aria-label": titles.join(", ").replaceAll("\n", ", ") });
  head.title = titles.join("\n");
  const room = Math.max(1, Math.floor(height / LINE));
  const over = Math.max(0, labels.length - room);
  const blocks = labels.slice(over).map((label, i, all) => {
    const block = element("span", i < all.length - 1 ? "bcm-outer" : "bcm-inner");
    block.dir = "auto";
    const parts = i ? [label] : [...labels.slice(0, over), label];
    block.textContent = over ? parts.map(isolateBidi).join(" · ") : label;
    if (notes[over + i]) block.append(" ", element("span", "bcm-noted", `(${isolateBidi(notes[over + i])})`));
    return block;
  });
  // Lines that are left go to those that need them, to the innermost first.
  const lines = blocks.map(() => 1);
  const need = blocks.map((block) => ((block.textContent ?? "").length * LETTER * 1.25) / width);
  for (let spare = room - blocks.length; spare > 0; spare--) {
    const short = need.map((n, i) => (n > lines[i] ? i : -1));
    const at = Math.max(...short);
    if (at >= 0) lines[at]++;
  }
  blocks.forEach((block, i) => { block.style.webkitLineClamp = String(lines[i]); });
  head.append(...blocks);
}

/**
 * Shorten the labels of each axis to the words in which they differ.
 * @param {string[][]} rows labels of each header
 * @returns {string[][]}
 */
function shortenRows(rows) {
  const depth = rows[0]?.length ?? 0;
  const byAxis = Array.from({ length: depth }, (_, a) => {
    const unique = [...new Set(rows.map((row) => row[a]))];
    const short = shortenLabels(unique);
    return new Map(unique.map((label, i) => [label, short[i]]));
  });
  return rows.map((row) => row.map((label, a) => /** @type {string} */ (byAxis[a].get(label))));
}
