// Rules for templates, values and costs: pure functions without a DOM.

import { pluralize } from "../../core/text.js";

/**
 * @typedef {{text: string, kind: "text" | "slot" | "variants" | "invalid", name: string}} Segment
 * @typedef {[any, string, string]} Row a value, its label and its note
 * @typedef {{name: string, kind: string, low: number | null, high: number | null,
 *   step: number | null, base: number, default: string, choices: string[], help: string,
 *   only_with: string[]}} Control
 */

// As a Python identifier: a letter or _, then letters, digits and _.
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const WILDCARD = /^__(?!_)([^\n{}|]{1,200}?)(?<!_)__(?!_)/;
const FILE_NAME = /^[\p{L}\p{N}_*.-][\p{L}\p{N}_*./ -]*$/u;
const TAG = /^<lora:(?:\\.|[^<>:|{}\n\\])+(?::\s*[-+]?[\d.]+(?:[eE][-+]?\d+)?\s*)?>/i;
const PUNCTUATION = /^\\[!-/:-@[-`{-~]/;
// What makes a choice of a single option: a count, a weight, a wildcard.
const COUNT = /^\s{0,9}(?:\d{1,6}|\d{0,6}\s{0,9}-\s{0,9}\d{0,6})\s{0,9}\$\$/;
const WEIGHT = /^\s{0,9}[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?\s{0,9}::/;
// Slots that `bc.sweep` takes for itself.
const RESERVED = ["prompt", "plain", "wildcards"];

/**
 * Return the braces of a template that are closed: for each its end and whether it holds a bar.
 * @param {string} template
 * @returns {Map<number, {end: number, bar: boolean}>}
 */
function findBraces(template) {
  /** @type {Map<number, {end: number, bar: boolean}>} */
  const found = new Map();
  /** @type {{start: number, bar: boolean}[]} */
  const opened = [];
  for (let at = 0; at < template.length; at += 1) {
    const last = opened.at(-1);
    if (template[at] === "\\") at += 1;
    else if (template[at] === "{") opened.push({ start: at, bar: false });
    else if (template[at] === "|" && last) last.bar = true;
    else if (template[at] === "}" && last) {
      opened.pop();
      found.set(last.start, { end: at, bar: last.bar });
    }
  }
  return found;
}

/**
 * Split a template into segments, as the kit parses it; joined, they are the whole text. The kit
 * decides what is valid: these only say what is a slot, a choice or text.
 * @param {string} template
 * @returns {Segment[]}
 */
export function segments(template) {
  /** @type {Segment[]} */
  const result = [];
  const braces = findBraces(template);
  let text = "";
  /** @param {Segment} segment */
  const add = (segment) => {
    if (text) result.push({ text, kind: "text", name: "" });
    text = "";
    result.push(segment);
  };
  for (let at = 0; at < template.length; ) {
    const rest = template.slice(at, at + 210);
    const brace = braces.get(at);
    const plain = rest.match(PUNCTUATION)?.[0] ?? rest.match(TAG)?.[0] ?? (/^(?:\{\{|\}\})/.test(rest) && !brace?.bar ? rest.slice(0, 2) : "");
    const wildcard = rest.match(WILDCARD);
    if (plain) {
      text += plain;
      at += plain.length;
    } else if (rest[0] === "{") {
      const end = brace ? brace.end + 1 : template.length;
      add(parseBraces(template.slice(at, end), brace));
      at = end;
    } else if (rest[0] === "}") {
      add({ text: "}", kind: "invalid", name: "" });
      at += 1;
    } else if (wildcard) {
      const valid = FILE_NAME.test(wildcard[1].trim()) && !wildcard[1].includes("..");
      add({ text: wildcard[0], kind: valid ? "variants" : "invalid", name: "" });
      at += wildcard[0].length;
    } else {
      text += rest[0];
      at += 1;
    }
  }
  if (text) result.push({ text, kind: "text", name: "" });
  return result;
}

/**
 * Return the segment of text in braces.
 * @param {string} text including the braces
 * @param {{bar: boolean} | undefined} brace undefined if it is never closed
 * @returns {Segment}
 */
function parseBraces(text, brace) {
  const body = text.slice(1, -1);
  const name = body.trim();
  if (!brace) return { text, kind: "invalid", name: "" };
  if (brace.bar || COUNT.test(body) || WEIGHT.test(body) || name.match(WILDCARD)?.[0] === name) return { text, kind: "variants", name: "" };
  if (!NAME.test(name) || RESERVED.includes(name)) return { text, kind: "invalid", name: "" };
  return { text, kind: "slot", name };
}

/**
 * Return the distinct slots that need values; `{seed}` gets the values of the seeds.
 * @param {string} template
 */
export function slotsOf(template) {
  const names = segments(template).filter((one) => one.kind === "slot").map((one) => one.name);
  return [...new Set(names)].filter((name) => name !== "seed");
}

/**
 * Return typed or pasted values as new rows, without those that exist already.
 * @param {string} text
 * @param {Row[]} rows
 * @param {boolean} [isLines] whether lines separate the values, as in pasted text; else commas
 * @returns {Row[]}
 */
export function newRows(text, rows, isLines = true) {
  const existing = new Set(rows.map((row) => String(row[0])));
  /** @type {Row[]} */
  const result = [];
  for (const line of isLines ? text.split(/\r\n|\r|\n/) : splitAtCommas(text)) {
    const value = line.trim();
    if (value && !existing.has(value)) result.push([value, "", ""]);
    existing.add(value);
  }
  return result;
}

/**
 * Split typed text at its commas, except in quotes, which are removed then, and in brackets: a value with a comma
 * is written as "dawn, seen from afar".
 * @param {string} text
 * @returns {string[]}
 */
export function splitAtCommas(text) {
  const parts = text.match(/(?:"[^"]*"|\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|[^,])+/g) ?? [];
  return parts.map((part) => part.trim().replace(/^"([^"]*)"$/, "$1"));
}

/**
 * Return a list with one item moved.
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to
 */
export function moveItem(list, from, to) {
  const others = list.filter((_, i) => i !== from);
  const at = Math.max(0, Math.min(others.length, to));
  return [...others.slice(0, at), list[from], ...others.slice(at)];
}

/**
 * Return the next value up or down that a control allows; null if the text is not a number.
 * @param {Control} control
 * @param {string} text empty for the default
 * @param {number} by 1 or -1
 * @returns {string | null}
 */
export function nextValue(control, text, by) {
  const now = Number(text.trim() || control.default);
  if (!Number.isFinite(now) || (!text.trim() && control.default === "")) return null;
  const step = control.step || 0.5;
  const places = (now - control.base) / step;
  // A value between two steps moves to the nearer end, not past it.
  const next = (by > 0 ? Math.floor(places + 1e-9) + 1 : Math.ceil(places - 1e-9) - 1) * step + control.base;
  const low = control.low ?? -Infinity;
  const high = control.high ?? Infinity;
  return String(Number(Math.max(low, Math.min(high, next)).toFixed(6)));
}

/**
 * Return what a control allows, such as `multiples of 8, 64 by default`.
 * @param {Control} control
 */
export function describeAllowed(control) {
  const { step, base, low, default: defaultText } = control;
  const parts = [];
  if (step && step > 1) parts.push(base ? `${step}k+${base}` : `multiples of ${step}`);
  else if (control.kind === "integer") parts.push(low && low > 0 ? "an integer over 0" : "an integer");
  if (defaultText !== "") parts.push(`${defaultText} by default`);
  return parts.join(", ");
}

/**
 * Return an estimated duration, such as `about 4 s`.
 * @param {number | null} seconds
 */
export function formatEstimate(seconds) {
  if (seconds === null || seconds === undefined) return "not timed yet";
  if (seconds < 1.5) return "about a second";
  if (seconds < 90) return `about ${Math.round(seconds)} s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${(seconds / 3600).toFixed(seconds < 36000 ? 1 : 0)} h`;
}

/**
 * Return the size and cost of a sweep in one line.
 * @param {{cells?: number, cached?: number, seconds?: number | null, shape?: [string, number][]}} summary
 */
export function describeCost(summary) {
  const { cells = 0, cached = 0, seconds = null, shape = [] } = summary;
  const total = shape.reduce((product, [, size]) => product * size, 1);
  const factors = shape.filter(([, size]) => size > 1);
  const format = (/** @type {number} */ n) => n.toLocaleString("en");
  let line = pluralize(cells, "clip");
  if (factors.length) {
    const product = factors.map(([name, size]) => `${size} ${name}`).join(" × ");
    line += cells < total ? ` drawn from ${format(total)}: ${product}` : ` = ${product}`;
  }
  if (cached === cells) return `${line} · all generated already`;
  const existing = cached ? ` · ${format(cached)} generated already` : "";
  return `${line}${existing} · ${formatEstimate(seconds)}`;
}

/**
 * Return the label of the run button.
 * @param {{cells?: number, cached?: number}} summary
 */
export function runLabel(summary) {
  const { cells = 0, cached = 0 } = summary;
  const left = cells - cached;
  if (!cells) return "Run";
  if (!left) return cells === 1 ? "Show the clip" : `Show ${pluralize(cells, "clip")}`;
  return `Generate ${pluralize(left, "clip")}`;
}
