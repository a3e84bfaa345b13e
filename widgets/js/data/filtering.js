// Filters and sorts the cells of a store.

import { sortCells, matches, parse } from "../query.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {{filter: string, sort: string, fixed: Record<string, string>}} Criteria fixed: axes fixedAxes at one value */

/**
 * Return the cells to show, in their order.
 * @param {Store} store
 * @param {Criteria} criteria
 * @returns {{cells: number[], waiting: boolean}} waiting: the columns have not arrived yet
 */
export function filterAndSort(store, { filter, sort, fixed }) {
  const { axes, coords, columns, total } = store;
  /** @type {[number, number][]} */
  const fixedAxes = [];
  axes.forEach((axis, a) => {
    const index = axis.name in fixed ? axis.labels.indexOf(fixed[axis.name]) : -1;
    if (index >= 0) fixedAxes.push([a, index]);
  });
  let cells = [];
  for (let cell = 0; cell < total; cell++) {
    if (fixedAxes.every(([a, index]) => coords[cell * axes.length + a] === index)) cells.push(cell);
  }
  if (!filter.trim() && !sort) return { cells, waiting: false };
  columns.request();
  if (!columns.ready) return { cells, waiting: true };
  // A query that became invalid because the cells changed hides nothing.
  const { terms, problem } = parse(filter, columns.names());
  if (terms.length && !problem) cells = cells.filter((cell) => matches(terms, columns.row(cell)));
  return { cells: sortCells(cells, sort, (cell, name) => columns.value(cell, name)), waiting: false };
}
