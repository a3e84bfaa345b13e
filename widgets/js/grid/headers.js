// The labels of row and column headers: shortened to what differs, fitted into their lines.

import { attributes, element } from "../core/dom.js";
import { isolateBidi, shortenLabels } from "../core/text.js";

// Pixels.
export const LINE = 16;
export const LETTER = 6.4;

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

/**
 * Shorten the labels of each axis to the words in which they differ.
 * @param {string[][]} rows labels of each header
 * @returns {string[][]}
 */
export function shortenRows(rows) {
  const depth = rows[0]?.length ?? 0;
  const byAxis = Array.from({ length: depth }, (_, a) => {
    const unique = [...new Set(rows.map((row) => row[a]))];
    const shortened = shortenLabels(unique);
    return new Map(unique.map((label, i) => [label, shortened[i]]));
  });
  return rows.map((row) => row.map((label, a) => /** @type {string} */ (byAxis[a].get(label))));
}
