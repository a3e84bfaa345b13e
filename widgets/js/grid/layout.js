// Where cells go: pure functions, no page.

/**
 * @typedef {{name: string, labels: string[], notes: string[]}} Axis
 * @typedef {{key: number[], labels: string[], notes: string[], titles: string[]}} Header
 * @typedef {{
 *   flow: boolean, rows: Header[], columns: Header[], rowAxes: string[], columnAxes: string[],
 *   at: (row: number, column: number) => number, place: (cell: number) => [number, number] | null,
 * }} Table
 * @typedef {{
 *   width: number, height: number, gap: number, headWidth: number, headHeight: number,
 *   rows: number, columns: number,
 * }} Geometry
 */

/**
 * Choose which axes are rows and which are columns.
 *
 * Nothing is ever hidden: an axis that was given to neither side goes to the rows. Axes that move
 * together (bc.zip) stay on one side, or every row would have a single cell.
 *
 * @param {Axis[]} axes
 * @param {Int32Array} coords cells x axes
 * @param {string[]} rows
 * @param {string[]} columns
 * @param {string[]} [fixed] axes of which one value is shown only
 * @returns {{flow: boolean, rows: number[], columns: number[]}} indices of axes
 */
export function chooseAxes(axes, coords, rows, columns, fixed = []) {
  const place = (/** @type {string} */ name) =>
    fixed.includes(name) ? -1 : axes.findIndex((axis) => axis.name === name);
  const chosenRows = rows.map(place).filter((a) => a >= 0);
  const chosenColumns = columns.map(place).filter((a) => a >= 0 && !chosenRows.includes(a));
  const bundles = bundle(axes, coords).filter((together) => !together.some((a) =>
    chosenRows.includes(a) || chosenColumns.includes(a) || fixed.includes(axes[a].name)));
  const given = chosenRows.length + chosenColumns.length > 0;
  if (!given && bundles.length <= 1) return { flow: true, rows: [], columns: [] };
  if (!columns.length && bundles.length) chosenColumns.push(.../** @type {number[]} */ (bundles.pop()));
  chosenRows.push(...bundles.flat());
  return { flow: false, rows: chosenRows, columns: chosenColumns };
}

/**
 * Axes that vary, those that always move together in one group.
 * @param {Axis[]} axes
 * @param {Int32Array} coords
 * @returns {number[][]}
 */
function bundle(axes, coords) {
  const count = axes.length;
  /** @type {number[][]} */
  const groups = [];
  for (let a = 0; a < count; a++) {
    if (axes[a].labels.length < 2) continue;
    const same = groups.find(([b]) => {
      if (axes[b].labels.length !== axes[a].labels.length) return false;
      for (let i = 0; i < coords.length; i += count) if (coords[i + a] !== coords[i + b]) return false;
      return true;
    });
    if (same) same.push(a);
    else groups.push([a]);
  }
  return groups;
}

/**
 * Lay the cells out as a table. Only places that occur become rows and columns, so that samples
 * and zipped axes leave no empty lines. Where several cells share a place, more rows follow.
 *
 * @param {Axis[]} axes
 * @param {Int32Array} coords cells x axes
 * @param {number[]} cells those that are shown
 * @param {{rows: number[], columns: number[]}} chosen
 * @returns {Table}
 */
export function pivot(axes, coords, cells, chosen) {
  const key = (/** @type {number} */ cell, /** @type {number[]} */ side) =>
    side.map((a) => coords[cell * axes.length + a]);
  /** @type {Map<string, number>} */
  const taken = new Map();
  /** @type {[number[], number[]][]} */
  const keys = [];
  for (const cell of cells) {
    const row = key(cell, chosen.rows);
    const column = key(cell, chosen.columns);
    const spot = `${row}|${column}`;
    const nth = taken.get(spot) ?? 0;
    taken.set(spot, nth + 1);
    keys.push([[...row, nth], column]);
  }
  const rows = distinct(keys.map(([row]) => row));
  const columns = distinct(keys.map(([, column]) => column));
  const places = new Map();
  /** @type {Map<number, [number, number]>} */
  const spots = new Map();
  keys.forEach(([row, column], n) => {
    const at = /** @type {number} */ (rows.order.get(String(row)));
    const across = /** @type {number} */ (columns.order.get(String(column)));
    places.set(at * columns.keys.length + across, cells[n]);
    spots.set(cells[n], [at, across]);
  });
  return {
    flow: false,
    rows: rows.keys.map((k) => header(axes, chosen.rows, k)),
    columns: columns.keys.map((k) => header(axes, chosen.columns, k)),
    rowAxes: chosen.rows.map((a) => axes[a].name),
    columnAxes: chosen.columns.map((a) => axes[a].name),
    at: (row, column) => places.get(row * columns.keys.length + column) ?? -1,
    place: (cell) => spots.get(cell) ?? null,
  };
}

/**
 * Lay cells out one after the other in lines of `columns`.
 * @param {number[]} cells
 * @param {number} columns
 * @returns {Table}
 */
export function flow(cells, columns) {
  const wide = Math.max(1, Math.min(columns, cells.length || 1));
  const empty = () => ({ key: [], labels: [], notes: [], titles: [] });
  const places = new Map(cells.map((cell, n) => [cell, n]));
  return {
    flow: true,
    rows: Array.from({ length: Math.ceil(cells.length / wide) }, empty),
    columns: Array.from({ length: wide }, empty),
    rowAxes: [],
    columnAxes: [],
    at: (row, column) => (column < wide ? cells[row * wide + column] ?? -1 : -1),
    place: (cell) => {
      const n = places.get(cell);
      return n === undefined ? null : [Math.floor(n / wide), n % wide];
    },
  };
}

/**
 * @param {number[][]} keys
 */
function distinct(keys) {
  const unique = [...new Map(keys.map((k) => [String(k), k])).values()];
  unique.sort((a, b) => {
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
    return 0;
  });
  return { keys: unique, order: new Map(unique.map((k, i) => [String(k), i])) };
}

/**
 * @param {Axis[]} axes
 * @param {number[]} side
 * @param {number[]} key
 * @returns {Header}
 */
function header(axes, side, key) {
  return {
    key,
    labels: side.map((a, i) => axes[a].labels[key[i]]),
    notes: side.map((a, i) => axes[a].notes[key[i]] ?? ""),
    titles: side.map((a, i) => {
      const note = axes[a].notes[key[i]];
      return `${axes[a].name}: ${axes[a].labels[key[i]]}${note ? `\n${note}` : ""}`;
    }),
  };
}

/**
 * Which rows and columns are in a window, with some more around it.
 * @param {Geometry} geometry
 * @param {{left: number, top: number, width: number, height: number}} view
 * @param {number} overscan rows and columns around what is seen
 * @returns {{row0: number, row1: number, column0: number, column1: number}} ends are exclusive
 */
export function visible(geometry, view, overscan = 1) {
  const { width, height, gap, headWidth, headHeight } = geometry;
  const range = (
    /** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ step,
    /** @type {number} */ count,
  ) => [
    Math.max(0, Math.min(count, Math.floor(from / step) - overscan)),
    Math.max(0, Math.min(count, Math.ceil(to / step) + overscan)),
  ];
  const [row0, row1] = range(
    view.top, view.top + Math.max(0, view.height - headHeight), height + gap, geometry.rows,
  );
  const [column0, column1] = range(
    view.left, view.left + Math.max(0, view.width - headWidth), width + gap, geometry.columns,
  );
  return { row0, row1, column0, column1 };
}

/**
 * Where to scroll so that a place is in view, moving as little as possible.
 * @param {Geometry} geometry
 * @param {{left: number, top: number, width: number, height: number}} view
 * @param {number} row
 * @param {number} column
 * @returns {{left: number, top: number}}
 */
export function reveal(geometry, view, row, column) {
  const nearest = (
    /** @type {number} */ now, /** @type {number} */ room, /** @type {number} */ start,
    /** @type {number} */ size,
  ) => {
    if (start < now || size > room) return start;
    return start + size > now + room ? start + size - room : now;
  };
  const { width, height, gap, headWidth, headHeight } = geometry;
  return {
    left: nearest(view.left, view.width - headWidth, column * (width + gap), width + gap),
    top: nearest(view.top, view.height - headHeight, row * (height + gap), height + gap),
  };
}

/**
 * The width of a cell that shows all columns, within what is good to look at.
 * @param {number} room pixels for all columns
 * @param {number} columns
 * @param {number} gap
 * @param {number} most
 */
export function fitColumns(room, columns, gap, most = 176) {
  const width = Math.floor(room / Math.max(1, columns)) - gap;
  return Math.max(72, Math.min(most, width));
}

/**
 * The width of cells in lines: the largest that shows all at once, within what is good to look at.
 * @param {{width: number, height: number}} room
 * @param {number} count
 * @param {number} aspect height over width
 * @param {number} more pixels around a cell
 * @param {number} most
 */
export function fitFlow(room, count, aspect, more, most = 176) {
  for (let size = most; size > 104; size -= 8) {
    const lines = Math.ceil(count / Math.max(1, Math.floor(room.width / (size + more))));
    if (lines * (size * aspect + more) <= room.height) return size;
  }
  return 104;
}

/**
 * The cell that a step leads to, over the holes of a sparse sweep and the short last line of a flow.
 * @param {Table} table
 * @param {number} cell
 * @param {number} down rows to go
 * @param {number} right columns to go; beyond the edge is the edge
 * @returns {number} the same cell when there is none
 */
export function neighbour(table, cell, down, right) {
  const place = table.place(cell);
  if (!place || (!down && !right)) return cell;
  const [rows, columns] = [table.rows.length, table.columns.length];
  const within = (/** @type {number} */ x, /** @type {number} */ n) => Math.max(0, Math.min(n - 1, x));
  let row = within(place[0] + down, rows);
  let column = within(place[1] + right, columns);
  const clipped = row !== place[0] + down || column !== place[1] + right;
  // Beyond the edge the way leads back, else on.
  const way = clipped ? -1 : 1;
  for (; row === within(row, rows) && column === within(column, columns); row += way * Math.sign(down), column += way * Math.sign(right)) {
    if (table.at(row, column) >= 0) return table.at(row, column);
    // No clip of a row with gaps is out of reach: up and down lead to the nearest one.
    for (let off = 1; down && off < columns; off++) {
      const near = [column - off, column + off].filter((x) => x === within(x, columns)).map((x) => table.at(row, x));
      const found = near.find((one) => one >= 0);
      if (found !== undefined && table.place(found)?.[0] !== place[0]) return found;
    }
  }
  return cell;
}

/**
 * The next cell as one reads, forwards or backwards.
 * @param {Table} table
 * @param {number} cell
 * @param {number} by 1 or -1
 * @returns {number} -1 at the end
 */
export function nextCell(table, cell, by) {
  const place = table.place(cell);
  if (!place) return -1;
  const columns = table.columns.length;
  const count = table.rows.length * columns;
  for (let at = place[0] * columns + place[1] + by; at >= 0 && at < count; at += by) {
    const found = table.at(Math.floor(at / columns), at % columns);
    if (found >= 0) return found;
  }
  return -1;
}

/**
 * All cells in the rectangle between two.
 * @param {Table} table
 * @param {number} a
 * @param {number} b
 * @returns {number[]}
 */
export function rectangle(table, a, b) {
  const [from, to] = [table.place(a), table.place(b)];
  if (!from || !to) return [b];
  const cells = [];
  for (let row = Math.min(from[0], to[0]); row <= Math.max(from[0], to[0]); row++) {
    for (let column = Math.min(from[1], to[1]); column <= Math.max(from[1], to[1]); column++) {
      cells.push(table.at(row, column));
    }
  }
  return cells.filter((cell) => cell >= 0);
}
