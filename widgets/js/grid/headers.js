// The labels of row and column headers: shortened to what differs, fitted into their lines.

import { attributes, div, element } from "../core/dom.js";
import { distinguish } from "../captions/captions.js";
import { isolateBidi } from "../core/text.js";

// Pixels.
export const LINE = 16;
export const LETTER = 6.4;
const MAX_LABEL = 48; // characters

/**
 * Render the labels of a header, one line per axis, each with its note; outer labels share a line
 * where the header is too low.
 * @param {HTMLElement} head
 * @param {string[]} labels
 * @param {import("./layout.js").Header} header
 * @param {number} width
 * @param {number} height
 */
export function renderLabels(head, labels, { titles, notes }, width, height) {
  attributes(head, { "aria-label": titles.join(", ").replaceAll("\n", ", ") });
  head.title = titles.join("\n");
  const room = Math.max(1, Math.floor(height / LINE));
  const surplus = Math.max(0, labels.length - room);
  const blocks = labels.slice(surplus).map((label, i, all) => {
    const block = element("span", i < all.length - 1 ? "bcm-outer" : "bcm-inner");
    block.dir = "auto";
    const parts = i ? [label] : [...labels.slice(0, surplus), label];
    block.textContent = surplus ? parts.map(isolateBidi).join(" · ") : label;
    if (notes[surplus + i]) block.append(" ", element("span", "bcm-labelnote", `(${isolateBidi(notes[surplus + i])})`));
    return block;
  });
  // Spare lines go to the labels that need them, the innermost first.
  const lines = blocks.map(() => 1);
  const need = blocks.map((block) => ((block.textContent ?? "").length * LETTER * 1.25) / width);
  for (let spare = room - blocks.length; spare > 0; spare--) {
    const tooLong = need.map((n, i) => (n > lines[i] ? i : -1));
    const at = Math.max(...tooLong);
    if (at >= 0) lines[at]++;
  }
  blocks.forEach((block, i) => { block.style.webkitLineClamp = String(lines[i]); });
  head.append(...blocks);
}

/** Create the corner between the headers, with the names of the axes. @param {import("./layout.js").Table} table */
export function createCorner({ rowAxes, columnAxes }) {
  const corner = div("bcm-corner");
  attributes(corner, { role: "columnheader" });
  const names = (/** @type {string[]} */ axes, /** @type {string} */ arrow) =>
    (axes.length ? [element("span", "bcm-axis", `${axes.map(isolateBidi).join(" · ")} ${arrow}`)] : []);
  corner.append(...names(columnAxes, "→"), ...names(rowAxes, "↓"));
  corner.title = corner.textContent ?? "";
  return corner;
}

/**
 * Return the labels of headers, shortened to what differs on each axis where they are too long.
 * @param {import("./layout.js").Header[]} headers
 * @param {number} [width] pixels of each; by default labels are as long as they may be
 * @param {number} [height]
 * @returns {string[][]}
 */
export function shortenHeaders(headers, width = MAX_LABEL * LETTER, height = LINE) {
  const depth = headers[0]?.labels.length ?? 0;
  const lines = Math.max(1, Math.floor(height / LINE / depth));
  // Lines are broken between words, before the end of the line.
  const letters = Math.floor((width / LETTER) * (lines > 1 ? lines * 0.85 : 1));
  const byAxis = Array.from({ length: depth }, (_, a) => {
    const unique = [...new Set(headers.map(({ labels }) => labels[a]))];
    const shortened = distinguish(unique, Math.min(letters, MAX_LABEL));
    return new Map(unique.map((label, i) => [label, shortened[i]]));
  });
  return headers.map(({ labels }) => labels.map((label, a) => /** @type {string} */ (byAxis[a].get(label))));
}
