// Words for headers, labels and times.

/**
 * Shorten labels to the words in which they differ: prompts of one axis often share most of
 * theirs.
 * @param {string[]} labels
 * @param {number} limit characters
 * @returns {string[]}
 */
export function varying(labels, limit = 48) {
  if (labels.length < 2 || labels.every((label) => label.length <= limit)) return labels;
  const words = labels.map((label) => label.split(/\s+/));
  const sets = words.map((some) => new Set(some));
  const shared = new Set(words[0].filter((word) => sets.every((set) => set.has(word))));
  return words.map((some) => cut(withoutRuns(some, shared).join(" "), limit));
}

/**
 * Put an ellipsis for three and more shared words in a row: fewer read better than an ellipsis.
 * @param {string[]} words
 * @param {Set<string>} shared
 */
function withoutRuns(words, shared) {
  /** @type {string[]} */
  const kept = [];
  for (let i = 0; i < words.length; ) {
    let end = i;
    while (end < words.length && shared.has(words[end])) end++;
    kept.push(...(end - i > 2 ? ["…"] : words.slice(i, Math.max(end, i + 1))));
    i = Math.max(end, i + 1);
  }
  return kept;
}

/**
 * @param {string} text
 * @param {number} limit
 */
export function cut(text, limit) {
  return text.length <= limit ? text : `${text.slice(0, limit - 1).trimEnd()}…`;
}

// Letters that are read from right to left, and characters that turn what follows them.
const TURNS = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * A text that leaves the order of what stands beside it alone.
 * @param {string} text
 */
export function isolated(text) {
  return TURNS.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069` : text;
}

/**
 * A cell's values in words.
 * @param {{axes: import("./layout.js").Axis[], coords: Int32Array}} store
 * @param {number} cell
 * @param {boolean} notes whether those of the values are said as well
 * @param {boolean} [bare] whether a text goes without the name of its axis: a number alone says little
 */
export function placeOf({ axes, coords }, cell, notes, bare = false) {
  const words = axes.map((axis, a) => {
    const at = coords[cell * axes.length + a];
    const label = axis.labels[at] ?? "";
    if (axis.labels.length < 2) return "";
    const name = bare && !/^[-\d., ]*$/.test(label) ? "" : `${isolated(axis.name)} `;
    const note = notes && axis.notes[at] ? ` (${isolated(axis.notes[at])})` : "";
    return name + isolated(label) + note;
  });
  return words.filter(Boolean).join(" · ");
}

/** @param {number} seconds how long something took */
export function brief(seconds) {
  if (seconds >= 60) return `${Math.round(seconds / 6) / 10} min`;
  return `${seconds < 10 ? Math.round(seconds * 100) / 100 : Math.round(seconds)} s`;
}

/**
 * @param {number | null} seconds
 * @returns {string}
 */
export function timeLeft(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 1) return "almost done";
  if (seconds < 60) return `about ${Math.ceil(seconds)} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  const hours = Math.floor(seconds / 3600);
  return `about ${hours} h ${Math.round((seconds - hours * 3600) / 60)} min left`;
}

/**
 * @param {{status: string, counts: Record<string, number>, total: number,
 *   seconds_left: number | null} | null} run
 * @param {number} total
 * @param {boolean} [drafts] whether the clips are not finished
 * @returns {string}
 */
export function summary(run, total, drafts = false) {
  if (!run) return `${total.toLocaleString("en")} ${total === 1 ? "clip" : "clips"}`;
  const count = (/** @type {string} */ status) => run.counts[status] ?? 0;
  const ready = count("done") + count("cached");
  const what = drafts ? (run.total === 1 ? " draft" : " drafts") : "";
  const parts = [`${ready.toLocaleString("en")} of ${run.total.toLocaleString("en")}${what}`];
  if (count("failed")) parts.push(`${count("failed")} failed`);
  if (run.status === "cancelled") parts.push("stopped");
  else if (count("cancelled")) parts.push(`${count("cancelled")} left out`);
  if (run.status === "pausing") parts.push("pausing");
  if (run.status === "paused") parts.push("paused");
  if (run.status === "running") {
    const left = timeLeft(run.seconds_left);
    if (left) parts.push(left);
    else if (!ready) parts.push("first clips on the way");
  }
  return parts.join(" · ");
}
