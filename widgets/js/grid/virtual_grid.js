// The scrolling table of cells: sticky headers, and DOM nodes for the visible cells only.

import { attributes, div, on } from "../core/dom.js";
import { describeCell } from "../data/axes.js";
import { Tile } from "../surface/tile.js";
import { FlowCaptions } from "../captions/flow_captions.js";
import { LETTER, LINE, createCorner, renderLabels, shortenHeaders } from "./headers.js";
import {
  CAPTION, GAP, MAX_HEAD, chooseAxes, countWhole, fitFlow, fitGap, fitTable, flow, pivot, reveal, visible, wrap,
} from "./layout.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("./layout.js").Table} Table */

// Pixels.
const MAX_SPARE = 300; // tiles kept for reuse

let grids = 0;

/** Renders a table or a flow of cells, as far as it is in view. */
export class VirtualGrid {
  #content;
  #head;
  current = -1;
  /** @type {Set<number>} */
  selected = new Set();
  /** @type {Map<number, Tile>} */
  tiles = new Map();
  /** @type {Map<number, HTMLElement>} */
  #rowNodes = new Map();
  /** @type {Map<string, HTMLElement>} nodes of empty cells, by row and column */
  #emptyCells = new Map();
  /** @type {Tile[]} */
  #spare = [];
  /** @type {string[][]} */
  #rowLabels = [];
  /** @type {string[][]} */
  #columnLabels = [];
  size = 0;
  /** How many cells are seen as a whole. */
  whole = 0;
  #captions;
  #renderedRange = "";
  asleep = false;
  #pending = 0;

  /**
   * @param {Store} store
   * @param {{rows: () => string[], columns: () => string[], fixed: () => Record<string, string>,
   *   size: () => number, height: () => number, cells: () => number[], sorted: () => boolean,
   *   onVisible: (cells: number[]) => void}} options
   */
  constructor(store, options) {
    this.store = store;
    this.options = options;
    this.#captions = new FlowCaptions(store);
    this.id = `bcm${++grids}-${Math.random().toString(36).slice(2, 7)}`;
    this.node = div("bcm-scroll");
    this.node.tabIndex = 0;
    attributes(this.node, { role: "grid", "aria-multiselectable": "true" });
    this.#content = div("bcm-content");
    attributes(this.#content, { role: "presentation" });
    this.#head = div("bcm-head");
    attributes(this.#head, { role: "row", "aria-rowindex": "1" });
    this.#content.append(this.#head);
    this.node.append(this.#content);
    /** @type {Table} */
    this.table = flow([], 1);
    this.geometry = { width: 120, height: 120, gap: GAP, columnGap: GAP, headWidth: 0, headHeight: 0, rows: 0, columns: 0 };
    on(this.node, "scroll", () => {
      this.#pending ||= requestAnimationFrame(() => {
        this.#pending = 0;
        this.render();
      });
    }, { passive: true });
  }

  /** Lay out everything again after a change of cells, axes or size. */
  layout() {
    const { store, options } = this;
    const fixed = Object.keys(options.fixed());
    const sides = chooseAxes(store.axes, store.coords, options.rows(), options.columns(), fixed, this.room());
    // Sorted cells flow in lines, whatever axes they have.
    const chosen = options.sorted() ? { flow: true, rows: [], columns: [] } : sides;
    const cells = options.cells();
    // Without width, it is hidden by the notebook or not attached yet; a resize lays it out later.
    const room = this.node.clientWidth;
    if (!room || !store.ready) return;
    const table = chosen.flow ? null : pivot(store.axes, store.coords, cells, chosen);
    const wraps = Boolean(table && chosen.wraps);
    const heads = table ? this.#headSizes(table, room, wraps) : { headWidth: 0, headHeight: 0 };
    const inner = this.room(heads);
    const fit = (/** @type {number} */ lines) => options.size() || (table && !wraps
      ? fitTable(inner, table.rows.length, table.columns.length)
      : fitFlow(inner, table?.columns.length ?? cells.length, CAPTION[lines], table?.rows.length));
    const lines = table ? Number(wraps) : this.#captions.update(cells, fit);
    const size = fit(lines);
    const across = Math.floor(inner.width / (size + GAP));
    this.table = table ? (wraps ? wrap(table, across) : table) : flow(cells, across);
    const height = Math.round(size * inner.aspect) + CAPTION[lines];
    this.node.style.setProperty("--bcm-caption", `${CAPTION[lines]}px`);
    if (table) {
      // A row that wraps has its labels on each line.
      const repeats = this.table.rows.length / table.rows.length;
      this.#rowLabels = shortenHeaders(table.rows, heads.headWidth - 12, height)
        .flatMap((labels) => Array(repeats).fill(labels));
      this.#columnLabels = shortenHeaders(table.columns, size - 4, heads.headHeight - 8);
    }
    this.whole = Math.min(cells.length, countWhole(
      { ...inner, aspect: height / size }, this.table.rows.length, this.table.columns.length, size,
    ));
    this.geometry = {
      width: size, height, gap: GAP, columnGap: fitGap(inner.width, this.table.columns.length, size), ...heads,
      rows: this.table.rows.length, columns: this.table.columns.length,
    };
    this.size = size;
    this.#resize();
    this.#renderCorner();
    this.#clear();
    this.render();
  }

  /**
   * Return the pixels that cells may take, without headers of a size.
   * @returns {import("./layout.js").Room}
   */
  room({ headWidth, headHeight } = { headWidth: 0, headHeight: 0 }) {
    return {
      width: this.node.clientWidth - headWidth - 2, height: this.options.height() - headHeight,
      aspect: Math.max(0.3, Math.min(2.5, this.store.aspect)),
      maximum: document.fullscreenElement ? 640 : 320, size: this.options.size(),
    };
  }

  /**
   * Return the size of the headers.
   * @param {Table} table
   * @param {number} room pixels across
   * @param {boolean} wraps whether its columns have no headers
   */
  #headSizes(table, room, wraps) {
    const nameLength = (/** @type {string[]} */ axes) => axes.join(" · ").length + 2;
    const names = Math.max(nameLength(table.rowAxes), Math.min(26, nameLength(table.columnAxes)));
    const letters = (/** @type {import("./layout.js").Header[]} */ heads) => shortenHeaders(heads)
      .flatMap((labels, n) => labels.map((label, i) => label.length + heads[n].notes[i].length));
    const longest = Math.max(names, ...letters(table.rows));
    const headWidth = Math.min(room * MAX_HEAD, Math.max(64, Math.min(190, longest * LETTER + 20)));
    if (wraps) return { headWidth: Math.round(headWidth), headHeight: 38 };
    const size = this.options.size()
      || fitTable(this.room({ headWidth, headHeight: 38 }), table.rows.length, table.columns.length);
    const maxLines = table.columns.some((head) => head.notes.join("")) ? 3 : 2;
    const lines = Math.min(maxLines, Math.ceil(Math.max(1, ...letters(table.columns)) * LETTER / size));
    // The corner has a line for the axes of each side.
    const headHeight = Math.max(38, table.columnAxes.length * lines * LINE + 12);
    return { headWidth: Math.round(headWidth), headHeight };
  }

  /** Apply the geometry to the DOM. */
  #resize() {
    const { geometry: g } = this;
    this.#content.style.width = `${g.headWidth + g.columns * (g.width + g.columnGap) - g.columnGap + GAP}px`;
    const full = g.headHeight + g.rows * (g.height + GAP);
    this.#content.style.height = `${full}px`;
    this.node.style.height = `${Math.min(this.options.height(), full + 14)}px`;
    this.node.style.setProperty("--bcm-width", `${g.width}px`);
    this.node.style.setProperty("--bcm-height", `${g.height}px`);
    this.node.style.setProperty("--bcm-head-width", `${g.headWidth}px`);
    this.node.style.setProperty("--bcm-head-height", `${g.headHeight}px`);
    this.node.classList.toggle("bcm-flow", this.table.flow || this.table.wrapped);
    this.node.classList.toggle("bcm-small", g.width < 84);
    this.node.classList.toggle("bcm-tight", g.width < 124 || g.height < 84);
    attributes(this.node, {
      "aria-rowcount": g.rows + (this.table.flow ? 0 : 1),
      "aria-colcount": g.columns + (this.table.flow ? 0 : 1),
    });
  }

  /** Render the corner; column headers are rendered with the cells. */
  #renderCorner() {
    this.#head.hidden = this.table.flow;
    this.#head.replaceChildren(createCorner(this.table));
  }

  /** The part of the field that is in view. */
  #view() {
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.node;
    return { left: scrollLeft, top: scrollTop, width: clientWidth, height: clientHeight };
  }

  /** Remove all nodes. */
  #clear() {
    for (const tile of this.tiles.values()) this.#release(tile);
    this.tiles.clear();
    for (const rowNode of this.#rowNodes.values()) rowNode.remove();
    this.#rowNodes.clear();
    this.#emptyCells.clear();
    this.#renderedRange = "";
  }

  /** Keep a tile for reuse. @param {Tile} tile */
  #release(tile) {
    tile.node.remove();
    if (this.#spare.length < MAX_SPARE) this.#spare.push(tile);
  }

  /** Add the nodes of cells in view, and remove those of cells out of view. */
  render() {
    if (!this.store.ready || !this.node.clientWidth) return;
    const range = visible(this.geometry, this.#view());
    const rangeKey = JSON.stringify(range);
    if (rangeKey === this.#renderedRange) return this.#hideRepeatedHeads();
    this.#renderedRange = rangeKey;
    /** @type {Set<number>} */
    const inView = new Set();
    for (let row = range.row0; row < range.row1; row++) {
      for (let column = range.column0; column < range.column1; column++) {
        const cell = this.table.at(row, column);
        if (cell >= 0) inView.add(cell);
      }
    }
    for (const [cell, tile] of this.tiles) {
      if (inView.has(cell)) continue;
      this.tiles.delete(cell);
      this.#release(tile);
    }
    for (const [position, node] of this.#emptyCells) {
      const [row, column] = position.split(",").map(Number);
      if (row >= range.row0 && row < range.row1 && column >= range.column0 && column < range.column1) continue;
      this.#emptyCells.delete(position);
      node.remove();
    }
    for (const [row, rowNode] of this.#rowNodes) {
      if (row >= range.row0 && row < range.row1) continue;
      this.#rowNodes.delete(row);
      rowNode.remove();
    }
    for (let row = range.row0; row < range.row1; row++) this.#renderRow(row, range.column0, range.column1);
    this.#renderHeads(range.column0, range.column1);
    this.#hideRepeatedHeads();
    this.reportVisible();
  }

  /** Show an outer label shared by several rows once: at the first of them, and at the first row in view. */
  #hideRepeatedHeads() {
    const { table: { rows, flow: isFlow }, geometry: { height }, node: { scrollTop } } = this;
    if (isFlow) return;
    const first = Math.ceil((scrollTop - GAP) / (height + GAP));
    for (const [row, rowNode] of this.#rowNodes) {
      const heads = /** @type {HTMLElement[]} */ ([...rowNode.firstElementChild?.children ?? []]);
      const isRepeated = row > Math.max(0, first) && rows[row] === rows[row - 1];
      if (isRepeated) heads.forEach((head) => { head.style.visibility = "hidden"; });
      else if (heads.length) heads[heads.length - 1].style.visibility = "";
      for (const [i, head] of isRepeated ? [] : heads.slice(0, -1).entries()) {
        const shared = (/** @type {number} */ at) => String(rows[at].key.slice(0, rows[row].labels.length - heads.length + i + 1));
        head.style.visibility = row > Math.max(0, first) && shared(row) === shared(row - 1) ? "hidden" : "";
      }
    }
  }

  /** @param {number} column */
  #left(column) {
    return `${this.geometry.headWidth + column * (this.geometry.width + this.geometry.columnGap)}px`;
  }

  /** Render the cells of a row. @param {number} row @param {number} from first column @param {number} to exclusive */
  #renderRow(row, from, to) {
    let rowNode = this.#rowNodes.get(row);
    if (!rowNode) {
      rowNode = this.#createRow(row);
      this.#rowNodes.set(row, rowNode);
      this.#content.append(rowNode);
    }
    for (let column = from; column < to; column++) {
      const cell = this.table.at(row, column);
      if (cell < 0) this.#renderEmptyCell(row, column, rowNode);
      if (cell < 0 || this.tiles.has(cell)) continue;
      const tile = this.#spare.pop() ?? new Tile(this.store);
      tile.assign(cell, this.labelOf(cell), this.#captionOf(cell));
      tile.node.id = `${this.id}-${cell}`;
      tile.node.dataset.cell = String(cell);
      tile.node.style.left = this.#left(column);
      attributes(tile.node, { "aria-colindex": column + (this.table.flow ? 1 : 2) });
      this.#updateState(tile);
      this.tiles.set(cell, tile);
      rowNode.append(tile.node);
    }
  }

  /** Return what the headers don't show of a cell. @param {number} cell */
  #captionOf(cell) {
    const { flow: isFlow, wrapped, columnAxes } = this.table;
    if (wrapped) return describeCell(this.store, cell, true, true, columnAxes);
    return isFlow ? this.#captions.of(cell) : "";
  }

  /** Render an empty cell that can be generated. @param {number} row @param {number} column @param {HTMLElement} rowNode */
  #renderEmptyCell(row, column, rowNode) {
    const position = `${row},${column}`;
    if (!this.store.fills || this.table.flow || this.#emptyCells.has(position) || !this.emptyCoords(row, column)) return;
    const node = div("bcm-emptycell");
    attributes(node, {
      role: "gridcell",
      "aria-label": "empty; press to generate it",
      "aria-colindex": column + 2,
    });
    node.title = "generate this clip";
    node.dataset.position = position;
    node.style.left = this.#left(column);
    this.#emptyCells.set(position, node);
    rowNode.append(node);
  }

  /**
   * Return the coordinates of an empty cell, or null if there is a clip, even a hidden one.
   * @param {number} row
   * @param {number} column
   * @returns {number[] | null} one index per axis
   */
  emptyCoords(row, column) {
    const { store, table } = this;
    const keys = table.at(row, column) < 0 ? table.keys(row, column) : null;
    if (!keys) return null;
    const fixed = this.options.fixed();
    const coords = store.axes.map((axis) => Math.max(0, axis.labels.indexOf(fixed[axis.name] ?? axis.labels[0])));
    table.rowAxes.forEach((name, i) => { coords[store.axes.findIndex((a) => a.name === name)] = keys[0][i]; });
    table.columnAxes.forEach((name, i) => { coords[store.axes.findIndex((a) => a.name === name)] = keys[1][i]; });
    return store.occupied.has(String(coords)) ? null : coords;
  }

  /** Return the coordinates of all empty cells. */
  allEmptyCoords() {
    if (!this.store.fills || this.table.flow) return [];
    const { rows, columns } = this.table;
    return rows.flatMap((_, row) => columns.flatMap((_, column) => {
      const coords = this.emptyCoords(row, column);
      return coords ? [coords] : [];
    }));
  }

  /** Create the node of a row with its header. @param {number} row */
  #createRow(row) {
    const rowNode = div("bcm-row");
    attributes(rowNode, { role: "row", "aria-rowindex": row + (this.table.flow ? 1 : 2) });
    rowNode.style.top = `${this.geometry.headHeight + row * (this.geometry.height + GAP)}px`;
    if (this.table.flow) return rowNode;
    const head = div("bcm-rowhead");
    attributes(head, { role: "rowheader" });
    renderLabels(head, this.#rowLabels[row], this.table.rows[row], this.geometry.headWidth - 12, this.geometry.height);
    rowNode.append(head);
    return rowNode;
  }

  /** Render column headers. @param {number} from first column @param {number} to exclusive */
  #renderHeads(from, to) {
    if (this.table.flow || this.table.wrapped) return;
    const corner = /** @type {HTMLElement} */ (this.#head.firstElementChild);
    const heads = [];
    for (let column = from; column < to; column++) {
      const head = div("bcm-colhead");
      attributes(head, { role: "columnheader", "aria-colindex": column + 2 });
      head.style.left = this.#left(column);
      renderLabels(head, this.#columnLabels[column], this.table.columns[column], this.geometry.width - 4, this.geometry.headHeight - 8);
      heads.push(head);
    }
    this.#head.replaceChildren(corner, ...heads);
  }

  /** Report the rendered cells in reading order; those just outside the view come last. */
  reportVisible() {
    const range = visible(this.geometry, this.#view(), 0);
    const rank = (/** @type {number} */ cell) => {
      const [row, column] = /** @type {[number, number]} */ (this.table.position(cell));
      const inside = row >= range.row0 && row < range.row1
        && column >= range.column0 && column < range.column1;
      return (inside ? 0 : 1e9) + row * this.geometry.columns + column;
    };
    const cells = this.asleep ? [] : [...this.tiles.keys()].sort((a, b) => rank(a) - rank(b));
    this.options.onVisible(cells);
  }

  /**
   * Return a cell's values as text.
   * @param {number} cell
   * @param {boolean} notes whether to append notes; a flow has no headers that show them
   */
  labelOf(cell, notes = this.table.flow) {
    return describeCell(this.store, cell, notes, this.table.flow);
  }

  /** Show what has changed in a cell. @param {number} cell */
  refresh(cell) {
    this.tiles.get(cell)?.refresh();
    if (!this.table.flow) return;
    this.#captions.refreshSoon(() => this.tiles.forEach((tile) => tile.caption(this.#captions.of(tile.cell))));
  }

  /** Show whether a cell is current and selected. @param {Tile} tile */
  #updateState(tile) {
    const selected = this.selected.has(tile.cell);
    tile.node.classList.toggle("bcm-current", tile.cell === this.current);
    tile.node.classList.toggle("bcm-selected", selected);
    attributes(tile.node, { "aria-selected": selected });
  }

  /** Show which cell is current and which are selected. */
  updateStates() {
    for (const tile of this.tiles.values()) this.#updateState(tile);
    const rendered = this.tiles.has(this.current);
    if (rendered) this.node.setAttribute("aria-activedescendant", `${this.id}-${this.current}`);
    else this.node.removeAttribute("aria-activedescendant");
  }

  /** Scroll as little as needed to show a cell. @param {number} cell */
  reveal(cell) {
    const position = this.table.position(cell);
    if (!position) return;
    const { left, top } = reveal(this.geometry, this.#view(), ...position);
    this.node.scrollLeft = left;
    this.node.scrollTop = top;
    this.render();
  }

  /** Paint all tiles at a time of the clock. @param {number} seconds */
  paint(seconds) {
    for (const tile of this.tiles.values()) tile.paint(seconds);
  }
}
