// Finds what compared clips differ in: their arguments and the words of their prompts.

/**
 * @typedef {{name: string, value: string}} Argument
 * @typedef {{prompt: string, arguments: [string, string][]}} Detail
 */

/**
 * Return the arguments in which some clips differ, for each clip.
 * @param {Detail[]} details
 * @returns {Argument[][]}
 */
export function differingArguments(details) {
  const names = [...new Set(details.flatMap((one) => one.arguments.map(([name]) => name)))];
  const tables = details.map((one) => new Map(one.arguments));
  const differing = names.filter((name) => new Set(tables.map((table) => table.get(name) ?? "")).size > 1);
  return tables.map((table) => differing.map((name) => ({ name, value: table.get(name) ?? "—" })));
}

/**
 * Return the words of each prompt, and whether all prompts share them.
 * @param {string[]} prompts
 * @returns {{word: string, shared: boolean}[][]}
 */
export function promptWords(prompts) {
  const split = prompts.map((prompt) => prompt.split(/\s+/).filter(Boolean));
  const normalize = (/** @type {string} */ word) => word.replace(/[.,;:!?]+$/, "").toLowerCase();
  const sets = split.map((words) => new Set(words.map(normalize)));
  return split.map((words) =>
    words.map((word) => ({ word, shared: sets.every((set) => set.has(normalize(word))) })));
}
