// Computes where cells go: pure functions without a DOM.

/** @typedef {import("../data/axes.js").Axis} Axis */

/**
 * @typedef {{key: number[], labels: string[], notes: string[], titles: string[]}} Header
 * @typedef {{
 *   flow: boolean, wrapped: boolean, rows: Header[], columns: Header[], rowAxes: string[], columnAxes: string[],
 *   at: (row: number, column: number) => number, position: (cell: number) => [number, number] | null,
 *   keys: (row: number, column: number) => [number[], number[]] | null,
 * }} Table keys: of the row and the column, on their axes; null beyond the end of a line
 * @typedef {{
 *   width: number, height: number, gap: number, columnGap: number, headWidth: number, headHeight: number,
 *   rows: number, columns: number,
 * }} Geometry
 * @typedef {{width: number, height: number, aspect: number, maximum: number, size?: number}} Room
 *   pixels for headers and cells, the cells' height / width, their largest width, and the width if set
 */

// Pixels: the narrowest cell, that of which details are seen, a wide gap of columns, and the
// headers until they are known.
const NARROWEST = 72;
const READABLE = 144;
const WIDEST_GAP = 32;
/** The headers' largest share of the width. */
export const MAX_HEAD = 0.32;
// Values of an axis that may wrap.
const LONG = 8;
// How much narrower a cell may be made for another line of them.
const SHRINK = 0.8;
const HEAD = { width: 150, height: 50 };
export const GAP = 6;
export const CAPTION = [0, 20, 36]; // by its number of lines

/**
 * Choose which axes are rows and which are columns.
 *
 * No axis is ever hidden: one that is on neither side is added to the rows. Axes that vary together
 * (bc.zip) stay on one side, or every row would have a single cell. If neither side is requested, the
 * axes keep their order, and are divided where most clips are seen as a whole. If even the innermost
 * one is too long for a line, as 40 seeds are, its lines wrap.
 *
 * @param {Axis[]} axes
 * @param {Int32Array} coords cells x axes
 * @param {string[]} rows
 * @param {string[]} columns
 * @param {string[]} [fixed] axes held at one value
 * @param {Room} [room] by default only the last axis goes across
 * @returns {{flow: boolean, wraps?: boolean, rows: number[], columns: number[]}} indices of axes
 */
export function chooseAxes(axes, coords, rows, columns, fixed = [], room = undefined) {
  const indexOf = (/** @type {string} */ name) =>
    fixed.includes(name) ? -1 : axes.findIndex((axis) => axis.name === name);
  const chosenRows = rows.map(indexOf).filter((a) => a >= 0);
  const chosenColumns = columns.map(indexOf).filter((a) => a >= 0 && !chosenRows.includes(a));
  const groups = groupAxes(axes, coords).filter((group) => !group.some((a) =>
    chosenRows.includes(a) || chosenColumns.includes(a) || fixed.includes(axes[a].name)));
  const requested = chosenRows.length + chosenColumns.length > 0;
  if (!requested && groups.length <= 1) return { flow: true, rows: [], columns: [] };
  if (!requested && room) return { flow: false, ...divide(axes, groups, room) };
  if (!columns.length && groups.length) chosenColumns.push(.../** @type {number[]} */ (groups.pop()));
  chosenRows.push(...groups.flat());
  return { flow: false, rows: chosenRows, columns: chosenColumns };
}

/**
 * Divide axes into rows and columns where most clips are seen as a whole, then where they are largest.
 * @param {Axis[]} axes
 * @param {number[][]} groups
 * @param {Room} room
 */
function divide(axes, groups, room) {
  const headWidth = Math.min(HEAD.width, room.width * MAX_HEAD);
  const inner = { ...room, width: room.width - headWidth, height: room.height - HEAD.height };
  const count = (/** @type {number[][]} */ side) => side.reduce((n, [a]) => n * axes[a].labels.length, 1);
  const last = groups.slice(-1);
  // Rows that wrap are read across; anything else would be seen in part only.
  if (isTooLong(inner, count(last))) return { wraps: true, rows: groups.slice(0, -1).flat(), columns: last.flat() };
  let best = { rows: /** @type {number[]} */ ([]), columns: /** @type {number[]} */ ([]), whole: -1, size: 0 };
  for (let at = groups.length - 1; at > 0; at--) {
    const [rows, columns] = [groups.slice(0, at), groups.slice(at)];
    const size = room.size || fitTable(inner, count(rows), count(columns));
    const whole = countWhole(inner, count(rows), count(columns), size);
    if (whole > best.whole || (whole === best.whole && size > best.size)) {
      best = { rows: rows.flat(), columns: columns.flat(), whole, size };
    }
  }
  return { rows: best.rows, columns: best.columns };
}

/** Return whether not even narrow cells of a row fit side by side, and not for lack of room. @param {Room} room @param {number} columns */
function isTooLong({ width }, columns) {
  return columns > LONG && columns * (NARROWEST + GAP) > width;
}

/**
 * Return how many cells of a table are seen as a whole.
 * @param {Room} room without headers
 * @param {number} rows
 * @param {number} columns
 * @param {number} size width of a cell
 */
export function countWhole({ width, height, aspect }, rows, columns, size) {
  const fit = (/** @type {number} */ pixels, /** @type {number} */ cell, /** @type {number} */ count) =>
    Math.max(1, Math.min(count, Math.floor((pixels + GAP) / (cell + GAP))));
  return fit(width, size, columns) * fit(height, size * aspect, rows);
}

/**
 * Return the axes that vary, in groups that always vary together.
 * @param {Axis[]} axes
 * @param {Int32Array} coords
 * @returns {number[][]}
 */
function groupAxes(axes, coords) {
  const count = axes.length;
  /** @type {number[][]} */
  const groups = [];
  for (let a = 0; a < count; a++) {
    if (axes[a].labels.length < 2) continue;
    const group = groups.find(([b]) => {
      if (axes[b].labels.length !== axes[a].labels.length) return false;
      for (let i = 0; i < coords.length; i += count) if (coords[i + a] !== coords[i + b]) return false;
      return true;
    });
    if (group) group.push(a);
    else groups.push([a]);
  }
  return groups;
}

/**
 * Lay the cells out as a table. Only coordinates that occur become rows and columns, so that samples
 * and zipped axes leave no empty lines. Cells that share coordinates get rows of their own.
 *
 * @param {Axis[]} axes
 * @param {Int32Array} coords cells x axes
 * @param {number[]} cells to show
 * @param {{rows: number[], columns: number[]}} chosen
 * @returns {Table}
 */
export function pivot(axes, coords, cells, chosen) {
  const key = (/** @type {number} */ cell, /** @type {number[]} */ side) =>
    side.map((a) => coords[cell * axes.length + a]);
  /** @type {Map<string, number>} */
  const occurrences = new Map();
  /** @type {[number[], number[]][]} */
  const keys = [];
  for (const cell of cells) {
    const row = key(cell, chosen.rows);
    const column = key(cell, chosen.columns);
    const coordinates = `${row}|${column}`;
    const nth = occurrences.get(coordinates) ?? 0;
    occurrences.set(coordinates, nth + 1);
    keys.push([[...row, nth], column]);
  }
  const rows = distinct(keys.map(([row]) => row));
  const columns = distinct(keys.map(([, column]) => column));
  const cellAt = new Map();
  /** @type {Map<number, [number, number]>} */
  const positions = new Map();
  keys.forEach(([row, column], n) => {
    const r = /** @type {number} */ (rows.order.get(String(row)));
    const c = /** @type {number} */ (columns.order.get(String(column)));
    cellAt.set(r * columns.keys.length + c, cells[n]);
    positions.set(cells[n], [r, c]);
  });
  return {
    flow: false,
    wrapped: false,
    rows: rows.keys.map((k) => header(axes, chosen.rows, k)),
    columns: columns.keys.map((k) => header(axes, chosen.columns, k)),
    rowAxes: chosen.rows.map((a) => axes[a].name),
    columnAxes: chosen.columns.map((a) => axes[a].name),
    at: (row, column) => cellAt.get(row * columns.keys.length + column) ?? -1,
    position: (cell) => positions.get(cell) ?? null,
    keys: (row, column) => [rows.keys[row], columns.keys[column]],
  };
}

/**
 * Break the rows of a table into lines. Its columns have no headers then: cells say what they are.
 * @param {Table} table
 * @param {number} across cells in a line
 * @returns {Table}
 */
export function wrap(table, across) {
  const width = Math.max(1, Math.min(across, table.columns.length));
  const lines = Math.ceil(table.columns.length / width);
  const whole = (/** @type {number} */ row, /** @type {number} */ column) => (row % lines) * width + column;
  const isInside = (/** @type {number} */ row, /** @type {number} */ column) =>
    column < width && whole(row, column) < table.columns.length;
  return {
    ...table,
    wrapped: true,
    rows: table.rows.flatMap((head) => Array(lines).fill(head)),
    columns: Array.from({ length: width }, () => ({ key: [], labels: [], notes: [], titles: [] })),
    at: (row, column) => (isInside(row, column) ? table.at(Math.floor(row / lines), whole(row, column)) : -1),
    position: (cell) => {
      const found = table.position(cell);
      return found && [found[0] * lines + Math.floor(found[1] / width), found[1] % width];
    },
    keys: (row, column) => (isInside(row, column) ? table.keys(Math.floor(row / lines), whole(row, column)) : null),
  };
}

/**
 * Lay cells out one after another in lines of `columns`.
 * @param {number[]} cells
 * @param {number} columns
 * @returns {Table}
 */
export function flow(cells, columns) {
  const width = Math.max(1, Math.min(columns, cells.length || 1));
  const empty = () => ({ key: [], labels: [], notes: [], titles: [] });
  const order = new Map(cells.map((cell, n) => [cell, n]));
  return {
    flow: true,
    wrapped: false,
    keys: () => null,
    rows: Array.from({ length: Math.ceil(cells.length / width) }, empty),
    columns: Array.from({ length: width }, empty),
    rowAxes: [],
    columnAxes: [],
    at: (row, column) => (column < width ? cells[row * width + column] ?? -1 : -1),
    position: (cell) => {
      const n = order.get(cell);
      return n === undefined ? null : [Math.floor(n / width), n % width];
    },
  };
}

/**
 * Return the distinct keys, sorted, and the rank of each.
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
 * Return the header of a row or column.
 * @param {Axis[]} axes
 * @param {number[]} side axes of that side
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
 * Return the rows and columns inside a window.
 * @param {Geometry} geometry
 * @param {{left: number, top: number, width: number, height: number}} view
 * @param {number} overscan rows and columns to add around it
 * @returns {{row0: number, row1: number, column0: number, column1: number}} ends are exclusive
 */
export function visible(geometry, view, overscan = 1) {
  const { width, height, gap, columnGap, headWidth, headHeight } = geometry;
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
    view.left, view.left + Math.max(0, view.width - headWidth), width + columnGap, geometry.columns,
  );
  return { row0, row1, column0, column1 };
}

/**
 * Return the scroll position that shows a cell, as near as possible to the current one.
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
  const { width, height, gap, columnGap, headWidth, headHeight } = geometry;
  return {
    left: nearest(view.left, view.width - headWidth, column * (width + columnGap), width + columnGap),
    top: nearest(view.top, view.height - headHeight, row * (height + gap), height + gap),
  };
}

/**
 * Return the cell width of a table: at most that at which all columns fit, and narrower where more
 * cells are whole then, as far as details are still seen, or by little.
 * @param {Room} room without headers
 * @param {number} rows
 * @param {number} columns
 */
export function fitTable(room, rows, columns) {
  const widest = Math.floor(room.width / Math.max(1, columns)) - GAP;
  let best = Math.max(NARROWEST, Math.min(room.maximum, widest));
  let most = countWhole(room, rows, columns, best);
  const narrowest = best > READABLE ? READABLE : Math.max(NARROWEST, best * SHRINK);
  for (let size = best - 1; size >= narrowest; size--) {
    const whole = countWhole(room, rows, columns, size);
    if (whole > most) [best, most] = [size, whole];
  }
  return best;
}

/**
 * Return the largest cell width at which all lines of a flow fit, within readable limits.
 * @param {Room} room
 * @param {number} count
 * @param {number} caption height of the lines below a cell
 * @param {number} [rows] that each have so many cells
 */
export function fitFlow({ width, height, aspect, maximum }, count, caption, rows = 1) {
  for (let size = maximum; size > 104; size -= 8) {
    const lines = rows * Math.ceil(count / Math.max(1, Math.floor(width / (size + GAP))));
    if (lines * (size * aspect + caption + GAP) <= height) return size;
  }
  return 104;
}

/**
 * Return the gap of columns at which they reach the right edge, or nearly where they are few.
 * @param {number} width
 * @param {number} columns
 * @param {number} size
 */
export function fitGap(width, columns, size) {
  const spare = Math.floor(width / Math.max(1, columns)) - size;
  return spare < GAP ? GAP : Math.min(Math.max(WIDEST_GAP, Math.floor(size * 0.3)), spare);
}

/**
 * Return the cell that an arrow key leads to, across the gaps of a sparse sweep and the short last
 * line of a flow.
 * @param {Table} table
 * @param {number} cell
 * @param {number} down rows to go
 * @param {number} right columns to go; clipped at the edge
 * @returns {number} the same cell if there is no other
 */
export function neighbour(table, cell, down, right) {
  const position = table.position(cell);
  if (!position || (!down && !right)) return cell;
  const [rows, columns] = [table.rows.length, table.columns.length];
  const within = (/** @type {number} */ x, /** @type {number} */ n) => Math.max(0, Math.min(n - 1, x));
  let row = within(position[0] + down, rows);
  let column = within(position[1] + right, columns);
  const clipped = row !== position[0] + down || column !== position[1] + right;
  // From a clipped position search backwards, otherwise forwards.
  const direction = clipped ? -1 : 1;
  const [rowStep, columnStep] = [direction * Math.sign(down), direction * Math.sign(right)];
  for (; row === within(row, rows) && column === within(column, columns); row += rowStep, column += columnStep) {
    if (table.at(row, column) >= 0) return table.at(row, column);
    // In a row with gaps, up and down lead to the nearest clip, so that every clip can be reached.
    for (let off = 1; down && off < columns; off++) {
      const near = [column - off, column + off].filter((x) => x === within(x, columns)).map((x) => table.at(row, x));
      const found = near.find((one) => one >= 0);
      if (found !== undefined && table.position(found)?.[0] !== position[0]) return found;
    }
  }
  return cell;
}

/**
 * Return the next or previous cell in reading order.
 * @param {Table} table
 * @param {number} cell
 * @param {number} by 1 or -1
 * @returns {number} -1 at the end
 */
export function nextCell(table, cell, by) {
  const position = table.position(cell);
  if (!position) return -1;
  const columns = table.columns.length;
  const count = table.rows.length * columns;
  for (let at = position[0] * columns + position[1] + by; at >= 0 && at < count; at += by) {
    const found = table.at(Math.floor(at / columns), at % columns);
    if (found >= 0) return found;
  }
  return -1;
}

/**
 * Return all cells in the rectangle between two cells.
 * @param {Table} table
 * @param {number} a
 * @param {number} b
 * @returns {number[]}
 */
export function rectangle(table, a, b) {
  const [from, to] = [table.position(a), table.position(b)];
  if (!from || !to) return [b];
  const cells = [];
  for (let row = Math.min(from[0], to[0]); row <= Math.max(from[0], to[0]); row++) {
    for (let column = Math.min(from[1], to[1]); column <= Math.max(from[1], to[1]); column++) {
      cells.push(table.at(row, column));
    }
  }
  return cells.filter((cell) => cell >= 0);
}
