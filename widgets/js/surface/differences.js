// What compared clips differ in: their arguments and the words of their prompts, in a line for each.

import { captioner } from "../captions/captions.js";

/** @typedef {{prompt: string, arguments: [string, string][]}} Detail */

const ABSENT = "—";
const ALIKE = "the same shot";

/**
 * Describe what each of some clips differs in.
 * @param {Detail[]} details
 * @param {number} limit characters in a line
 * @returns {{line: string, title: string}[]} the title has all of it, in full
 */
export function describeDifferences(details, limit) {
  const tables = details.map((one) => new Map([...one.arguments, ["prompt", one.prompt]]));
  const names = [...new Set(tables.flatMap((table) => [...table.keys()]))];
  const columns = names.map((name) => ({ name, texts: tables.map((table) => table.get(name) || ABSENT) }))
    .filter(({ texts }) => new Set(texts).size > 1);
  if (!columns.length) return details.map(({ prompt }) => ({ line: ALIKE, title: prompt }));
  const caption = captioner(columns.map(({ name, texts }) => ({ name, labels: [...new Set(texts)] })), limit, true);
  return details.map((_, i) => ({
    line: caption(columns.map(({ texts }) => texts[i])),
    title: columns.map(({ name, texts }) => `${name}: ${texts[i]}`).join("\n"),
  }));
}
