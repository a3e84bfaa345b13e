// Suggests the nearest valid name in a message, as the kit's errors.py does with difflib.

/** Names that other tools use for an argument, after the argument; spelling doesn't lead to it. */
const ALIASES = [
  "fps frame_rate framerate", "guidance_scale cfg cfg_scale guidance",
  "image first_frame init_image start_image", "last_image end_image last_frame", "lora_weight lora_scale",
  "negative_prompt negative", "num_frames frames length n_frames video_length",
  "num_inference_steps inference_steps n_steps num_steps sampling_steps steps",
  "scheduler sampler", "seed generator",
].map((line) => line.split(" "));
const CUTOFF = 0.6;

/**
 * Return " Did you mean X?" for the nearest choice, or "".
 * @param {string} word
 * @param {readonly string[]} choices
 */
export function didYouMean(word, choices) {
  const alias = ALIASES.find(([name, ...others]) => choices.includes(name) && others.includes(word))?.[0];
  /** @type {[number, string][]} */
  const similar = choices.map((one) => [similarity([...one], [...word]), one]);
  // Of equally similar choices, difflib takes the last one in the alphabet.
  const [best] = similar.filter(([ratio]) => ratio >= CUTOFF).sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? 1 : -1));
  const match = alias ?? best?.[1];
  return match ? ` Did you mean ${match}?` : "";
}

/** Return the share of characters in matching blocks, 0 to 1. @param {string[]} a @param {string[]} b */
function similarity(a, b) {
  return (2 * countMatching(a, b)) / (a.length + b.length || 1);
}

/**
 * Return the number of characters in matching blocks: those of the longest one, and of the blocks before
 * and after it.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {number}
 */
function countMatching(a, b) {
  let [size, i, j] = [0, 0, 0];
  a.forEach((_, from) => b.forEach((_, at) => {
    let n = 0;
    while (from + n < a.length && a[from + n] === b[at + n]) n++;
    if (n > size) [size, i, j] = [n, from, at];
  }));
  return size && size + countMatching(a.slice(0, i), b.slice(0, j)) + countMatching(a.slice(i + size), b.slice(j + size));
}

/** Quote text as Python's repr does. @param {string} text */
export function quote(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return mark + text.replace(/[\\']/g, (one) => (one === mark || one === "\\" ? `\\${one}` : one)) + mark;
}
