// Which cells are shown, and in what order.

import { inOrder, matches, parse } from "./query.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {{filter: string, sort: string, fixed: Record<string, string>}} Wish */

/**
 * @param {Store} store
 * @param {Wish} wish
 * @returns {{cells: number[], waiting: boolean}} waiting: Python has yet to say what is asked for
 */
export function choose(store, { filter, sort, fixed }) {
  const { axes, coords, columns, total } = store;
  /** @type {[number, number][]} */
  const held = [];
  axes.forEach((axis, a) => {
    const place = axis.name in fixed ? axis.labels.indexOf(fixed[axis.name]) : -1;
    if (place >= 0) held.push([a, place]);
  });
  let cells = [];
  for (let cell = 0; cell < total; cell++) {
    if (held.every(([a, place]) => coords[cell * axes.length + a] === place)) cells.push(cell);
  }
  if (!filter.trim() && !sort) return { cells, waiting: false };
  columns.want();
  if (!columns.ready) return { cells, waiting: true };
  // A line that makes no sense any more, because other cells are shown, hides nothing.
  const { terms, problem } = parse(filter, columns.names());
  if (terms.length && !problem) cells = cells.filter((cell) => matches(terms, columns.row(cell)));
  return { cells: inOrder(cells, sort, (cell, name) => columns.value(cell, name)), waiting: false };
}
