// The axes of a sweep, and the text that names a cell by its values on them.

import { isolateBidi } from "../core/text.js";

/** @typedef {{name: string, labels: string[], notes: string[]}} Axis */

/**
 * Return a cell's values as text, such as `insect bee · seed 1`.
 * @param {{axes: Axis[], coords: Int32Array}} store
 * @param {number} cell
 * @param {boolean} notes whether to append the notes of the values
 * @param {boolean} [bare] whether to omit axis names, except before numbers, which need them
 * @param {string[]} [only] names of the axes; by default all
 */
export function describeCell({ axes, coords }, cell, notes, bare = false, only = undefined) {
  const parts = axes.map((axis, a) => {
    const index = coords[cell * axes.length + a];
    const label = axis.labels[index] ?? "";
    if (axis.labels.length < 2 || (only && !only.includes(axis.name))) return "";
    const name = bare && !/^[-\d., ]*$/.test(label) ? "" : `${isolateBidi(axis.name)} `;
    const note = notes && axis.notes[index] ? ` (${isolateBidi(axis.notes[index])})` : "";
    return name + isolateBidi(label) + note;
  });
  return parts.filter(Boolean).join(" · ");
}
