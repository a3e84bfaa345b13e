// Templates as they are typed: where slots are, and small rules for values. No page needed.

/**
 * @typedef {{text: string, kind: "text" | "slot" | "variants" | "faulty", name: string}} Segment
 * @typedef {[any, string, string]} Row a value, its label and its note
 * @typedef {{name: string, kind: string, low: number | null, high: number | null,
 *   step: number | null, base: number, default: string, choices: string[], help: string,
 *   with: string[]}} Control
 */

// As Python's: a letter or _, then letters, digits and _.
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;

/**
 * Cut a template into its parts, as the kit parses it; together they are the whole text.
 * @param {string} template
 * @returns {Segment[]}
 */
export function segments(template) {
  /** @type {Segment[]} */
  const found = [];
  let text = "";
  const flush = () => {
    if (text) found.push({ text, kind: "text", name: "" });
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
      found.push({ text: template.slice(at), kind: "faulty", name: "" });
      return found;
    } else if (template[at] === "{") {
      flush();
      found.push(inside(template.slice(at, end + 1)));
      at = end + 1;
    } else if (template[at] === "}") {
      flush();
      found.push({ text: "}", kind: "faulty", name: "" });
      at += 1;
    } else {
      text += template[at];
      at += 1;
    }
  }
  flush();
  return found;
}

/** @param {string} text with its braces @returns {Segment} */
function inside(text) {
  const body = text.slice(1, -1);
  const name = body.trim();
  if (body.includes("{")) return { text, kind: "faulty", name: "" };
  if (body.includes("|")) return { text, kind: "variants", name: "" };
  if (!NAME.test(name) || name === "prompt") return { text, kind: "faulty", name: "" };
  return { text, kind: "slot", name };
}

/**
 * The slots that need values, each once; `{seed}` takes those of the seeds.
 * @param {string} template
 */
export function slotsOf(template) {
  const names = segments(template).filter((one) => one.kind === "slot").map((one) => one.name);
  return [...new Set(names)].filter((name) => name !== "seed");
}

/**
 * What was pasted or typed as values: a line each, without those that are there.
 * @param {string} text
 * @param {Row[]} rows
 * @returns {Row[]}
 */
export function added(text, rows) {
  const there = new Set(rows.map((row) => String(row[0])));
  /** @type {Row[]} */
  const made = [];
  for (const line of text.split(/\r\n|\r|\n/)) {
    const value = line.trim();
    if (value && !there.has(value)) made.push([value, "", ""]);
    there.add(value);
  }
  return made;
}

/**
 * @template T
 * @param {T[]} list
 * @param {number} from
 * @param {number} to
 */
export function moved(list, from, to) {
  const others = list.filter((_, i) => i !== from);
  const at = Math.max(0, Math.min(others.length, to));
  return [...others.slice(0, at), list[from], ...others.slice(at)];
}

/**
 * The next value up or down that a control allows; null where the text is no number.
 * @param {Control} control
 * @param {string} text empty stands for the default
 * @param {number} by 1 or -1
 * @returns {string | null}
 */
export function nextValue(control, text, by) {
  const now = Number(text.trim() || control.default);
  if (!Number.isFinite(now) || (!text.trim() && control.default === "")) return null;
  const step = control.step || 0.5;
  const places = (now - control.base) / step;
  // From between two steps the next one is the nearer.
  const next = (by > 0 ? Math.floor(places + 1e-9) + 1 : Math.ceil(places - 1e-9) - 1) * step + control.base;
  const low = control.low ?? -Infinity;
  const high = control.high ?? Infinity;
  return String(Number(Math.max(low, Math.min(high, next)).toFixed(6)));
}

/**
 * What a control allows, in words.
 * @param {Control} control
 */
export function describeAllowed(control) {
  const { step, base, low, default: usual } = control;
  const parts = [];
  if (step && step > 1) parts.push(base ? `${step}k+${base}` : `multiples of ${step}`);
  else if (control.kind === "integer") parts.push(low && low > 0 ? "a whole number over 0" : "a whole number");
  if (usual !== "") parts.push(`${usual} by default`);
  return parts.join(", ");
}

/**
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
 * What a sweep will cost, in a line.
 * @param {{cells?: number, cached?: number, seconds?: number | null, shape?: [string, number][]}} found
 */
export function describeCost(found) {
  const { cells = 0, cached = 0, seconds = null, shape = [] } = found;
  const whole = shape.reduce((product, [, size]) => product * size, 1);
  const factors = shape.filter(([, size]) => size > 1);
  const figure = (/** @type {number} */ n) => n.toLocaleString("en");
  let line = `${figure(cells)} ${cells === 1 ? "clip" : "clips"}`;
  if (factors.length) {
    const product = factors.map(([name, size]) => `${size} ${name}`).join(" × ");
    line += cells < whole ? ` drawn from ${figure(whole)}: ${product}` : ` = ${product}`;
  }
  if (cached === cells) return `${line} · all made already`;
  const there = cached ? ` · ${figure(cached)} made already` : "";
  return `${line}${there} · ${formatEstimate(seconds)}`;
}

/**
 * What the button that runs says.
 * @param {{cells?: number, cached?: number}} found
 */
export function runLabel(found) {
  const { cells = 0, cached = 0 } = found;
  const left = cells - cached;
  if (!cells) return "Run";
  if (!left) return cells === 1 ? "Show the clip" : `Show ${cells.toLocaleString("en")} clips`;
  return left === 1 ? "Make 1 clip" : `Make ${left.toLocaleString("en")} clips`;
}
