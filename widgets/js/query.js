// Queries: the line that says which cells are shown. The same as kit/beecam/query.py, line by line;
// one list of cases holds both to the same answers.

/**
 * What can be asked of a cell.
 * @typedef {{
 *   text: string, value: (name: string) => number | string | boolean | null | undefined,
 *   tags: string[], states: Set<string>,
 * }} Row
 * @typedef {{name: string, sign: string, values: string[], negated: boolean}} Term
 */

export const STATES = ["starred", "rejected", "broken", "draft", "failed", "made", "missing"];

const TERM = /(-)?(?:("[^"]*"|[^\s"<>=!:]+)(<=|>=|!=|<|>|=|:)((?:"[^"]*"|[^\s"])*)|("[^"]*"|[^\s"]+))/y;
const VALUE = /"([^"]*)"|([^,"]+)/g;
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;

/** @type {Record<string, (a: number, b: number) => boolean>} */
const ORDER = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
};

/**
 * @param {string} text what was typed
 * @param {string[]} names what can be asked for, apart from tag and is
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
    const found = TERM.exec(text);
    if (!found) return { terms, problem: `${text.slice(at)} has a quote without its other.` };
    at = TERM.lastIndex;
    const negated = Boolean(found[1]);
    if (found[5] !== undefined) {
      const word = unquoted(found[5]).toLowerCase();
      if (word) terms.push({ name: "", sign: ":", values: [word], negated });
      continue;
    }
    const name = unquoted(found[2]).toLowerCase();
    const values = [...found[4].matchAll(VALUE)]
      .map(([, quoted, bare]) => (quoted ?? bare).trim().toLowerCase()).filter(Boolean);
    const problem = wrong(found[0], name, found[3], values, known);
    if (problem) return { terms, problem };
    terms.push({ name: known.get(name) ?? name, sign: found[3], values, negated });
  }
  return { terms, problem: "" };
}

/** @param {string} text */
function unquoted(text) {
  return text.replace(/^"+|"+$/g, "");
}

/**
 * @param {string} term
 * @param {string} name
 * @param {string} sign
 * @param {string[]} values
 * @param {Map<string, string>} known
 */
function wrong(term, name, sign, values, known) {
  if (!known.has(name) && name !== "tag" && name !== "is") {
    const there = [...new Set([...known.values(), "tag", "is"])].sort().join(", ");
    return `${term}: no “${name}” here. There are ${there}.`;
  }
  if (!values.length) return `${term}: a value is missing after “${sign}”.`;
  if (sign in ORDER && (name === "tag" || name === "is" || values.some((v) => number(v) === null))) {
    return `${term}: “${sign}” is for numbers, as in stars>=3.`;
  }
  if (name === "is" && values.some((value) => !STATES.includes(value))) {
    return `${term}: is: goes with ${STATES.join(", ")}.`;
  }
  return "";
}

/**
 * @param {Term[]} terms
 * @param {Row} row
 */
export function matches(terms, row) {
  return terms.every((term) => suits(term, row) !== term.negated);
}

/**
 * Cells ordered by one of their values. Numbers come before texts, and what has no value comes
 * last, whichever way it goes; equal ones stay in their order.
 * @param {number[]} cells
 * @param {string} by a name, with a leading "-" for descending; "" for the order as it is
 * @param {(cell: number, name: string) => number | string | boolean | null | undefined} value
 */
export function inOrder(cells, by, value) {
  if (!by) return cells;
  const falling = by.startsWith("-");
  const name = falling ? by.slice(1) : by;
  /** @type {[number, number][]} */
  const numbers = [];
  /** @type {[number, string][]} */
  const texts = [];
  /** @type {number[]} */
  const none = [];
  for (const cell of cells) {
    const found = value(cell, name);
    const asNumber = found === null || found === undefined ? null : number(found);
    if (asNumber !== null) numbers.push([cell, asNumber]);
    else if (found === null || found === undefined) none.push(cell);
    else texts.push([cell, String(found).toLowerCase()]);
  }
  const way = falling ? -1 : 1;
  numbers.sort((a, b) => way * (a[1] - b[1]));
  texts.sort((a, b) => (a[1] === b[1] ? 0 : way * (a[1] < b[1] ? -1 : 1)));
  const groups = [numbers, texts].map((some) => some.map(([cell]) => cell));
  return [...(falling ? groups.reverse() : groups).flat(), ...none];
}

/** @param {Term} term @param {Row} row */
function suits({ name, sign, values }, row) {
  if (!name) return row.text.toLowerCase().includes(values[0]);
  if (name === "is") return values.some((value) => row.states.has(value));
  if (name === "tag") {
    const own = row.tags.map((tag) => tag.toLowerCase());
    return values.some((value) => own.includes(value)) !== (sign === "!=");
  }
  const found = row.value(name);
  if (sign === "!=") return !values.some((value) => like(found, value, "="));
  return values.some((value) => like(found, value, sign));
}

/**
 * @param {number | string | boolean | null | undefined} found
 * @param {string} value
 * @param {string} sign
 */
function like(found, value, sign) {
  if (found === null || found === undefined) return false;
  const own = number(found);
  const wanted = number(value);
  if (sign in ORDER) return own !== null && wanted !== null && ORDER[sign](own, wanted);
  if (own !== null && wanted !== null) return own === wanted;
  const text = String(found).toLowerCase();
  return sign === ":" ? text.includes(value) : text === value;
}

/** @param {number | string | boolean} value */
function number(value) {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "string") return NUMBER.test(value.trim()) ? Number(value) : null;
  return Number.isFinite(value) ? value : null;
}
