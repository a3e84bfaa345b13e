// Captions that tell clips apart: what all have in common is shortened first. The kit's
// export/captions.py does the same for static sheets; tests/js/caption_cases.json holds for both.
//
// Whatever has less room than its text gets it from here: a text that is only cut at its end loses
// what it differs in.

import { isolateBidi } from "../core/text.js";

/** @typedef {{name: string, labels: string[], notes?: string[]}} Column the distinct labels of some clips */

const SEPARATOR = " · ";
const NUMBER = /^[-+\d., e]*$/;
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const LONGEST_RUN = 2; // words that all labels share and that read better in full than as an ellipsis

/**
 * Return how to caption clips in a number of characters, so that captions differ where clips do.
 *
 * Columns with one label are left out, unless there is nothing else. If the captions are too long,
 * notes are left out, then what the labels of a column have in common, then names; at last the
 * columns share the characters.
 *
 * @param {Column[]} columns with distinct labels
 * @param {number} limit characters; wide ones, as in Chinese, count as two
 * @param {boolean} [tight] whether to leave out what is shared even if there is room for it
 * @returns {(labels: string[]) => string} from one label for each column
 */
export function captioner(columns, limit, tight = false) {
  const all = columns.map((column, at) => ({ ...column, at }));
  const varying = all.filter((column) => column.labels.length > 1);
  const shown = varying.length ? varying : all;
  const room = limit - SEPARATOR.length * (shown.length - 1);
  const shorter = shown.map(({ labels }) => (labels.length > 1 ? distinguish(labels, 0) : labels));
  /** @type {string[][][]} from the longest to the shortest: texts by column and label */
  const attempts = [
    shown.map(inFull),
    shown.map(({ name, labels }) => labels.map((label) => named(name, label))),
    shown.map(({ name }, c) => shorter[c].map((label) => named(name, label))),
    shorter.map((labels) => labels.map(isolateBidi)),
  ];
  const fitting = attempts.slice(tight ? 2 : 0).find((texts) => sum(widths(texts)) <= room);
  const texts = fitting ?? shares(widths(shorter), room).map((share, c) =>
    distinguish(shown[c].labels, share).map(isolateBidi));
  const found = shown.map(({ labels }, c) => new Map(labels.map((label, i) => [label, texts[c][i]])));
  return (labels) => shown.map(({ at }, c) => found[c].get(labels[at]) ?? labels[at])
    .filter(Boolean).join(SEPARATOR);
}

/**
 * Return whether captions have room for everything: names, labels and notes.
 * @param {Column[]} columns
 * @param {number} limit characters
 */
export function fits(columns, limit) {
  const varying = columns.filter((column) => column.labels.length > 1);
  return sum(widths(varying.map(inFull))) + SEPARATOR.length * (varying.length - 1) <= limit;
}

/** @param {Column} column */
function inFull({ name, labels, notes }) {
  return labels.map((label, i) => named(name, label) + (notes?.[i] ? ` (${isolateBidi(notes[i])})` : ""));
}

/** Return the length of the longest text of each column. @param {string[][]} columns */
function widths(columns) {
  return columns.map((texts) => texts.reduce((longest, text) => Math.max(longest, lengthOf(text)), 0));
}

/** Put the name of a column in front of numbers, which need it. @param {string} name @param {string} label */
function named(name, label) {
  return name && NUMBER.test(label) ? `${isolateBidi(name)} ${label}` : isolateBidi(label);
}

/**
 * Return how many characters each column gets: what it needs, or as much as the others.
 * @param {number[]} needed
 * @param {number} room
 */
function shares(needed, room) {
  const given = needed.map(() => 0);
  const order = needed.map((_, c) => c).sort((a, b) => needed[a] - needed[b]);
  let left = room;
  order.forEach((c, n) => {
    given[c] = Math.max(1, Math.min(needed[c], Math.floor(left / (order.length - n))));
    left -= given[c];
  });
  return given;
}

/**
 * Shorten distinct labels to what they differ in: words that all of them share become an ellipsis,
 * and labels that would be cut to the same text are cut before what differs instead.
 * @param {string[]} labels
 * @param {number} limit characters; 0 to leave out shared words only
 * @returns {string[]}
 */
export function distinguish(labels, limit) {
  if (labels.length < 2) return limit ? labels.map((label) => truncate(label, limit)) : labels;
  if (limit && labels.every((label) => lengthOf(label) <= limit)) return labels;
  const words = labels.map((label) => label.split(/\s+/).filter(Boolean));
  const shared = words.reduce((common, some) => {
    const own = new Set(some);
    return new Set([...common].filter((word) => own.has(word)));
  }, new Set(words[0]));
  let shorter = words.map((some) => collapseRuns(some, shared, LONGEST_RUN));
  const tooLong = (/** @type {string[]} */ texts) => texts.some((text) => lengthOf(text) > limit);
  if (tooLong(shorter)) shorter = words.map((some) => collapseRuns(some, shared, 0));
  // Labels that differ in the order of their words or in spaces have nothing left that differs.
  if (new Set(shorter).size < labels.length) shorter = labels;
  return limit && tooLong(shorter) ? cutApart(shorter, limit) : shorter;
}

/**
 * Replace runs of shared words with an ellipsis.
 * @param {string[]} words
 * @param {Set<string>} shared
 * @param {number} kept runs of so many words stay; with 0 those at either end go without an ellipsis
 */
function collapseRuns(words, shared, kept) {
  /** @type {string[]} */
  const result = [];
  for (let i = 0; i < words.length; ) {
    let end = i;
    while (end < words.length && shared.has(words[end])) end++;
    if (end - i > kept) {
      if (kept || (i && end < words.length)) result.push("…");
    } else result.push(...words.slice(i, end));
    if (end < words.length) result.push(words[end]);
    i = end + 1;
  }
  // A comma before what was left out would lead nowhere.
  return result.join(" ").replace(/[,;:]+(?= …|$)/g, "") || words.join(" ");
}

/**
 * Cut distinct texts, so that they stay distinct.
 * @param {string[]} texts
 * @param {number} limit characters
 */
function cutApart(texts, limit) {
  const result = texts.map((text) => truncate(text, limit));
  for (const same of groups(result)) {
    const characters = same.map((i) => [...texts[i]]);
    const [first] = characters;
    const start = commonStart(characters);
    const room = Math.floor((limit * first.length) / lengthOf(first.join("")));
    // What differs is shown with the beginning of its word, and after the beginning of the text.
    const from = Math.max(first.slice(0, start).lastIndexOf(" ") + 1, start - Math.floor(room / 4));
    const head = first.slice(0, Math.min(from, Math.floor(room / 3))).join("").replace(/[ …]+$/, "");
    same.forEach((i, n) => {
      result[i] = truncate(`${head}…${characters[n].slice(from).join("").replace(/^…+/, "")}`, limit);
    });
  }
  for (const same of groups(result)) {
    same.forEach((i, n) => {
      const number = ` #${n + 1}`;
      result[i] = truncate(result[i], Math.max(1, limit - number.length)) + number;
    });
  }
  return result;
}

/** Return the indices of equal texts, for each text that occurs more than once. @param {string[]} texts */
function groups(texts) {
  /** @type {Map<string, number[]>} */
  const found = new Map();
  texts.forEach((text, i) => {
    const same = found.get(text);
    if (same) same.push(i);
    else found.set(text, [i]);
  });
  return [...found.values()].filter((same) => same.length > 1);
}

/** Return how many characters all texts begin with. @param {string[][]} texts */
function commonStart(texts) {
  const [first] = texts;
  let at = 0;
  while (at < first.length && texts.every((text) => text[at] === first[at])) at++;
  return at;
}

/**
 * Truncate text to a number of characters, with an ellipsis.
 * @param {string} text
 * @param {number} limit
 */
export function truncate(text, limit) {
  if (lengthOf(text) <= limit) return text;
  let kept = "";
  let left = limit - 1;
  for (const character of text) {
    left -= lengthOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept.replace(/[ …,;:]+$/, "")}…`;
}

/** Return how many characters wide text is. @param {string} text */
function lengthOf(text) {
  let length = 0;
  for (const character of text) length += WIDE.test(character) ? 2 : 1;
  return length;
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, one) => total + one, 0);
}
