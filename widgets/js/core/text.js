// Text for labels, counts and durations.

// Right-to-left letters, and control characters that change the direction of what follows.
const BIDI = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Wrap text in bidi isolates, so that it cannot reorder the text around it.
 * @param {string} text
 */
export function isolateBidi(text) {
  return BIDI.test(text) ? `\u2068${text.replace(/[\u2066-\u2069]/g, "")}\u2069` : text;
}

/** Return a count with its noun, such as `2 clips`. @param {number} count @param {string} noun in the singular */
export function pluralize(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Return a duration, such as `9.5 s`. @param {number} seconds */
export function formatDuration(seconds) {
  if (seconds >= 60) return `${Math.round(seconds / 6) / 10} min`;
  return `${seconds < 10 ? Math.round(seconds * 100) / 100 : Math.round(seconds)} s`;
}

/**
 * Return the remaining time, such as `about 3 min left`; "" while unknown.
 * @param {number | null} seconds
 * @returns {string}
 */
export function formatTimeLeft(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 1) return "almost done";
  if (seconds < 60) return `about ${Math.ceil(seconds)} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  const hours = Math.floor(seconds / 3600);
  return `about ${hours} h ${Math.round((seconds - hours * 3600) / 60)} min left`;
}

/**
 * Return the progress of a run in one line, or the number of clips without a run.
 * @param {{status: string, counts: Record<string, number>, total: number,
 *   seconds_left: number | null} | null} run
 * @param {number} total
 * @param {boolean} [drafts] whether the clips are drafts
 * @returns {string}
 */
export function summarizeRun(run, total, drafts = false) {
  if (!run) return pluralize(total, "clip");
  const count = (/** @type {string} */ status) => run.counts[status] ?? 0;
  const ready = count("done") + count("cached");
  const noun = drafts ? (run.total === 1 ? " draft" : " drafts") : "";
  const parts = [`${ready.toLocaleString("en")} of ${run.total.toLocaleString("en")}${noun}`];
  if (count("failed")) parts.push(`${count("failed")} failed`);
  if (run.status === "cancelled") parts.push("stopped");
  else if (count("cancelled")) parts.push(`${count("cancelled")} left out`);
  if (run.status === "pausing") parts.push("pausing");
  if (run.status === "paused") parts.push("paused");
  if (run.status === "running") {
    const left = formatTimeLeft(run.seconds_left);
    if (left) parts.push(left);
    else if (!ready) parts.push("generating the first clips");
  }
  return parts.join(" · ");
}
