// What clips that stand side by side differ in.

/**
 * @typedef {{name: string, value: string}} Argument
 * @typedef {{prompt: string, arguments: [string, string][]}} Detail
 */

/**
 * The arguments in which some clips differ, for each clip.
 * @param {Detail[]} details
 * @returns {Argument[][]}
 */
export function differingArguments(details) {
  const names = [...new Set(details.flatMap((one) => one.arguments.map(([name]) => name)))];
  const tables = details.map((one) => new Map(one.arguments));
  const some = names.filter((name) => new Set(tables.map((table) => table.get(name) ?? "")).size > 1);
  return tables.map((table) => some.map((name) => ({ name, value: table.get(name) ?? "—" })));
}

/**
 * The words of some prompts, each with whether all have it.
 * @param {string[]} prompts
 * @returns {{word: string, shared: boolean}[][]}
 */
export function words(prompts) {
  const split = prompts.map((prompt) => prompt.split(/\s+/).filter(Boolean));
  const bare = (/** @type {string} */ word) => word.replace(/[.,;:!?]+$/, "").toLowerCase();
  const sets = split.map((some) => new Set(some.map(bare)));
  return split.map((some) => some.map((word) => ({ word, shared: sets.every((set) => set.has(bare(word))) })));
}
