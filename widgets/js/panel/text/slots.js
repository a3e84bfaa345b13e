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

/**
 * Split a template into segments, as the kit parses it; joined, they are the whole text.
 * @param {string} template
 * @returns {Segment[]}
 */
export function segments(template) {
  /** @type {Segment[]} */
  const result = [];
  let text = "";
  const flush = () => {
    if (text) result.push({ text, kind: "text", name: "" });
    text = "";
  };
  for (let at = 0; at < template.length; ) {
    const two = template.slice(at, at + 2);
    const end = template.indexOf("}", at);
    if (two === "{{" || two === "}}") {
      text += two;
      at += 2;
    } else if (template[at] === "{" && end < 0) {
      flush();
      result.push({ text: template.slice(at), kind: "invalid", name: "" });
      return result;
    } else if (template[at] === "{") {
      flush();
      result.push(parseBraces(template.slice(at, end + 1)));
      at = end + 1;
    } else if (template[at] === "}") {
      flush();
      result.push({ text: "}", kind: "invalid", name: "" });
      at += 1;
    } else {
      text += template[at];
      at += 1;
    }
  }
  flush();
  return result;
}

/** Return the segment of text in braces. @param {string} text including the braces @returns {Segment} */
function parseBraces(text) {
  const body = text.slice(1, -1);
  const name = body.trim();
  if (body.includes("{")) return { text, kind: "invalid", name: "" };
  if (body.includes("|")) return { text, kind: "variants", name: "" };
  if (!NAME.test(name) || name === "prompt") return { text, kind: "invalid", name: "" };
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
