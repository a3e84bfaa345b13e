// Parses and evaluates the query language that filters cells, as the kit does in Python: shared test
// cases (tests/js/query_cases.json) hold both to the same results and messages.

import { didYouMean, quote } from "./suggest.js";

/**
 * What a query can read of a cell.
 * @typedef {{
 *   text: string, value: (name: string) => number | string | boolean | null | undefined,
 *   tags: string[], states: Set<string>,
 * }} Row
 * @typedef {{name: string, sign: string, values: string[], negated: boolean}} Term
 */

export const STATES = ["starred", "rejected", "broken", "draft", "failed", "generated", "missing"];

const NAME = /("[^"]*"|[^\s"<>=!:]+)([<>=!:]+|\s+[!]?[<>=]+[<>=!:]*)/.source;
// The word after a sign and a space is its value, unless it is a term itself.
const VALUES = /(?:\s+(?![^\s"<>=!:]*[<>=!:]))?((?:"[^"]*"|[^\s"])*)/.source;
const TERM = new RegExp(`(-)?(?:${NAME}${VALUES}|("[^"]*"|[^\\s"]+))`, "y");
const VALUE = /"([^"]*)"|([^,"]+)/g;
const SIGNS = [":", "=", "!=", "<", "<=", ">", ">="];
const AND = "all terms have to match, as in insect:bee seed:0";
const OR = "a comma separates values of which one has to match, as in insect:bee,moth";
const NOT = "a leading - negates a term, as in -bee";
/** What Python, pandas and search engines write between terms. @type {Record<string, string>} */
const OPERATORS = { and: AND, "&": AND, "&&": AND, or: OR, "|": OR, "||": OR, not: NOT };
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;

/** @type {Record<string, (a: number, b: number) => boolean>} */
const ORDER = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
};

/**
 * Parse a query.
 * @param {string} text
 * @param {string[]} names of values, besides `tag` and `is`
 * @returns {{terms: Term[], problem: string}} the first problem, or ""
 */
export function parse(text, names) {
  const known = new Map(names.map((name) => [name.toLowerCase(), name]));
  /** @type {Term[]} */
  const terms = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at++;
      continue;
    }
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (!match) return { terms, problem: `query: ${quote(text.slice(at))} has an unmatched quote.` };
    at = TERM.lastIndex;
    const negated = Boolean(match[1]);
    if (match[5] !== undefined) {
      const reason = negated ? "" : whyNoWord(match[5]);
      if (reason) return { terms, problem: `${match[5]}: ${reason}.` };
      const word = unquote(match[5]).toLowerCase();
      if (word) terms.push({ name: "", sign: ":", values: [word], negated });
      continue;
    }
    const name = unquote(match[2]).toLowerCase();
    const values = [...match[4].matchAll(VALUE)]
      .map(([, quoted, bare]) => (quoted ?? bare).trim().toLowerCase()).filter(Boolean);
    const sign = match[3].trim() === "==" ? "=" : match[3].trim();
    const problem = findProblem(match[0].trim(), name, sign, values, known)
      || findSingleQuote(match[0], match[2] + sign, match[4]);
    if (problem) return { terms, problem };
    terms.push({ name: known.get(name) ?? name, sign, values, negated });
  }
  return { terms, problem: "" };
}

/** Remove quotes around text. @param {string} text */
function unquote(text) {
  return text.replace(/^"+|"+$/g, "");
}

/** Return why a bare text can't be a word to search for; "" if it can. @param {string} text */
function whyNoWord(text) {
  const low = text.toLowerCase();
  if (Object.hasOwn(OPERATORS, low)) return `${OPERATORS[low]}; "${text}" in quotes searches for it`;
  return /^[<>=!:]+$/.test(text) ? "a name is missing before it, as in stars>=3" : "";
}

/**
 * Return what is wrong with a value in single quotes; "" if there is none.
 * @param {string} term
 * @param {string} start its name and sign
 * @param {string} values
 */
function findSingleQuote(term, start, values) {
  const bare = [...values.matchAll(VALUE)].map((found) => (found[2] ?? "").trim())
    .find((one) => one.startsWith("'"));
  if (!bare) return "";
  const right = `${start}"${bare.replace(/^'+|'+$/g, "") || bare}"`;
  return `${term}: quotes around a value are double, as in ${right}.`;
}

/**
 * Return what is wrong with a term, as a sentence; "" if it is valid.
 * @param {string} term
 * @param {string} name
 * @param {string} sign
 * @param {string[]} values
 * @param {Map<string, string>} known
 */
function findProblem(term, name, sign, values, known) {
  const names = [...known.keys(), "tag", "is"];
  if (!names.includes(name)) {
    const allowed = [...new Set([...known.values(), "tag", "is"])].sort().join(", ");
    return `${term}: no ${quote(name)} here.${didYouMean(name, names)} The names are ${allowed}.`;
  }
  if (!SIGNS.includes(sign)) {
    return `${term}: no ${quote(sign)} here; a comparison is one of ${SIGNS.join(" ")}.`;
  }
  if (!values.length) return `${term}: a value is missing after ${quote(sign)}.`;
  if (sign in ORDER && (name === "tag" || name === "is" || values.some((v) => number(v) === null))) {
    return `${term}: ${quote(sign)} is for numbers, as in stars>=3.`;
  }
  const unknown = name === "is" && values.find((value) => !STATES.includes(value));
  return unknown ? `${term}: is: takes one of ${STATES.join(", ")}.${didYouMean(unknown, STATES)}` : "";
}

/**
 * Return whether a row matches all terms.
 * @param {Term[]} terms
 * @param {Row} row
 */
export function matches(terms, row) {
  return terms.every((term) => matchesTerm(term, row) !== term.negated);
}

/**
 * Return cells sorted by one of their values, stably. Ascending, numbers come before strings; cells
 * without a value come last in both directions.
 * @param {number[]} cells
 * @param {string} by a name, with a leading "-" for descending; "" to keep the order
 * @param {(cell: number, name: string) => number | string | boolean | null | undefined} value
 */
export function sortCells(cells, by, value) {
  if (!by) return cells;
  const descending = by.startsWith("-");
  const name = descending ? by.slice(1) : by;
  /** @type {[number, number][]} */
  const numbers = [];
  /** @type {[number, string][]} */
  const texts = [];
  /** @type {number[]} */
  const none = [];
  for (const cell of cells) {
    const own = value(cell, name);
    const asNumber = own === null || own === undefined ? null : number(own);
    if (asNumber !== null) numbers.push([cell, asNumber]);
    else if (own === null || own === undefined) none.push(cell);
    else texts.push([cell, String(own).toLowerCase()]);
  }
  const direction = descending ? -1 : 1;
  numbers.sort((a, b) => direction * (a[1] - b[1]));
  texts.sort((a, b) => (a[1] === b[1] ? 0 : direction * (a[1] < b[1] ? -1 : 1)));
  const groups = [numbers, texts].map((group) => group.map(([cell]) => cell));
  return [...(descending ? groups.reverse() : groups).flat(), ...none];
}

/** Return whether a row matches a term, negation aside. @param {Term} term @param {Row} row */
function matchesTerm({ name, sign, values }, row) {
  if (!name) return row.text.toLowerCase().includes(values[0]);
  if (name === "is") return values.some((value) => row.states.has(value));
  if (name === "tag") {
    const own = row.tags.map((tag) => tag.toLowerCase());
    return values.some((value) => own.includes(value)) !== (sign === "!=");
  }
  const found = row.value(name);
  if (sign === "!=") return !values.some((value) => compare(found, value, "="));
  return values.some((value) => compare(found, value, sign));
}

/**
 * Compare a value of a row with one of a query.
 * @param {number | string | boolean | null | undefined} found
 * @param {string} value
 * @param {string} sign
 */
function compare(found, value, sign) {
  if (found === null || found === undefined) return false;
  const own = number(found);
  const wanted = number(value);
  if (sign in ORDER) return own !== null && wanted !== null && ORDER[sign](own, wanted);
  if (own !== null && wanted !== null) return own === wanted;
  const text = String(found).toLowerCase();
  return sign === ":" ? text.includes(value) : text === value;
}

/** Return a value as a number, or null. @param {number | string | boolean} value */
function number(value) {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "string") return NUMBER.test(value.trim()) ? Number(value) : null;
  return Number.isFinite(value) ? value : null;
}
