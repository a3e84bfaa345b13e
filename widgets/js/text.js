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
