// Filters and sorts the cells of a store.

import { sortCells, matches, parse } from "../query.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {{filter: string, sort: string, fixed: Record<string, string>}} Criteria fixed: axes held at one value, by its label */

/**
 * Return the cells to show, in their order; all of them until the columns have arrived.
 * @param {Store} store
 * @param {Criteria} criteria
 * @returns {number[]}
 */
export function filterAndSort(store, { filter, sort, fixed }) {
  const { axes, coords, columns, total } = store;
  /** @type {[number, number][]} */
  const fixedAxes = [];
  axes.forEach((axis, a) => {
    const index = axis.name in fixed ? axis.labels.indexOf(fixed[axis.name]) : -1;
    if (index >= 0) fixedAxes.push([a, index]);
  });
  /** @type {number[]} */
  let cells = [];
  for (let cell = 0; cell < total; cell++) {
    if (fixedAxes.every(([a, index]) => coords[cell * axes.length + a] === index)) cells.push(cell);
  }
  if (!filter.trim() && !sort) return cells;
  columns.request();
  if (!columns.ready) return cells;
  // A query that became invalid because the cells changed hides nothing.
  const { terms, problem } = parse(filter, columns.names());
  if (terms.length && !problem) cells = cells.filter((cell) => matches(terms, columns.row(cell)));
  return sortCells(cells, sort, (cell, name) => columns.value(cell, name));
}
