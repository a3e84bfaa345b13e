// Words for headers, labels and times.

/**
 * Shorten labels to the words in which they differ: prompts of one axis often share most of
 * theirs.
 * @param {string[]} labels
 * @param {number} limit characters
 * @returns {string[]}
 */
export function varying(labels, limit = 48) {
  const long = labels.some((label) => label.length > limit);
  const words = labels.map((label) => label.split(/\s+/));
  let front = 0;
  let back = 0;
  if (long && labels.length > 1) {
    const least = Math.min(...words.map((w) => w.length)) - 1;
    const shared = (/** @type {(w: string[]) => string} */ pick) => new Set(words.map(pick)).size === 1;
    while (front < least && shared((w) => w[front])) front++;
    while (back < least - front && shared((w) => w[w.length - 1 - back])) back++;
    // A single shared word reads better than an ellipsis.
    if (front < 2) front = 0;
    if (back < 2) back = 0;
  }
  return words.map((w, i) => {
    if (!front && !back) return cut(labels[i], limit);
    const middle = w.slice(front, w.length - back).join(" ");
    return cut(`${front ? "… " : ""}${middle}${back ? " …" : ""}`, limit);
  });
}

/**
 * @param {string} text
 * @param {number} limit
 */
export function cut(text, limit) {
  return text.length <= limit ? text : `${text.slice(0, limit - 1).trimEnd()}…`;
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
 * @returns {string}
 */
export function summary(run, total) {
  if (!run) return `${total.toLocaleString("en")} ${total === 1 ? "clip" : "clips"}`;
  const count = (/** @type {string} */ status) => run.counts[status] ?? 0;
  const ready = count("done") + count("cached");
  const parts = [`${ready.toLocaleString("en")} of ${run.total.toLocaleString("en")}`];
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
