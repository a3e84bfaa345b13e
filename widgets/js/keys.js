// What a key means; what isn't ours is left alone.

/**
 * @typedef {{name: string, by?: number, down?: number, stars?: number, extend?: boolean,
 *   what?: "code" | "prompt" | "seed"}} Command
 * @typedef {{key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} Key
 */

/** Keys, what they do, and whether that makes clips. @type {[string, string, boolean?][]} */
export const HELP = [
  ["← ↑ → ↓", "move; with Shift select on the way"],
  ["Home and End", "first and last of the row"],
  ["Page ↑ and ↓", "a page on or back"],
  ["Enter", "large view of the clip"],
  ["1 to 5", "stars; 0 for none"],
  ["X", "reject, or take it back"],
  ["T", "tags"],
  ["S", "select, or take it back; by touch a long press"],
  ["C", "compare what is selected"],
  ["R", "make the clip once more with another seed", true],
  ["N", "make the next empty place", true],
  ["/", "find"],
  ["Space", "play or stop all"],
  [", and .", "a frame back, a frame on"],
  ["+ and −", "size of the cells"],
  ["F", "full screen"],
  ["P, S, Y", "in the large view: copy prompt, seed, code"],
  ["V", "side by side: one in place of the other"],
  ["Esc", "close; deselect; leave the grid"],
  ["?", "this help"],
];

/** @type {Record<string, Command>} */
const GRID = {
  ArrowLeft: { name: "move", by: -1, down: 0 },
  ArrowRight: { name: "move", by: 1, down: 0 },
  ArrowUp: { name: "move", by: 0, down: -1 },
  ArrowDown: { name: "move", by: 0, down: 1 },
  PageUp: { name: "page", down: -1 },
  PageDown: { name: "page", down: 1 },
  Home: { name: "edge", by: -1 },
  End: { name: "edge", by: 1 },
  Enter: { name: "open" },
  s: { name: "select" },
  c: { name: "compare" },
  n: { name: "next" },
  "/": { name: "find" },
  "+": { name: "size", by: 1 },
  "=": { name: "size", by: 1 },
  "-": { name: "size", by: -1 },
};

/** @type {Record<string, Command>} */
const LARGE = {
  ArrowLeft: { name: "step", by: -1 },
  ArrowRight: { name: "step", by: 1 },
  ArrowUp: { name: "step", by: -1 },
  ArrowDown: { name: "step", by: 1 },
  v: { name: "flicker" },
  y: { name: "copy", what: "code" },
  p: { name: "copy", what: "prompt" },
  s: { name: "copy", what: "seed" },
};

/** @type {Record<string, Command>} */
const BOTH = {
  " ": { name: "play" },
  x: { name: "reject" },
  t: { name: "tag" },
  f: { name: "full" },
  ",": { name: "frame", by: -1 },
  ".": { name: "frame", by: 1 },
  r: { name: "again" },
  "?": { name: "help" },
  Escape: { name: "close" },
};

/**
 * @param {Key} key
 * @param {"grid" | "large"} mode
 * @returns {Command | null} null: not ours
 */
export function commandFor(key, mode) {
  // Shift+Enter runs the cell, and everything with Ctrl or Cmd is the notebook's.
  if (notebooks(key)) return null;
  const name = key.key.length === 1 ? key.key.toLowerCase() : key.key;
  if (/^[0-5]$/.test(name)) return { name: "stars", stars: Number(name) };
  const command = (mode === "grid" ? GRID : LARGE)[name] ?? BOTH[name];
  if (!command) return null;
  return command.name === "move" && key.shiftKey ? { ...command, extend: true } : command;
}

/**
 * Whether a key belongs to the notebook and must reach it.
 * @param {Key} key
 */
export function notebooks(key) {
  return key.ctrlKey || key.metaKey || key.altKey || (key.shiftKey && key.key === "Enter");
}

/**
 * Whether a key belongs to the notebook while a text is typed: the field has undo, copy, paste and
 * moves by words of its own, and some keyboards type { with Ctrl and Alt.
 * @param {Key} key
 */
export function notebooksWhileTyping(key) {
  if (key.key === "Enter") return key.shiftKey || key.ctrlKey || key.metaKey || key.altKey;
  if (key.altKey || !(key.ctrlKey || key.metaKey)) return false;
  return key.key.length === 1 && !"zyacvx".includes(key.key.toLowerCase());
}

/**
 * Keep Jupyter from acting on our keys, and let it act on its own. Its commands look for the mark
 * on the element that has the focus and then on those around it, and would otherwise insert a cell
 * for every `b`; but with the mark Shift+Enter would do nothing either. Must be called before the
 * document hears of the key.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} root
 * @param {(event: KeyboardEvent) => boolean} theirs which keys are the notebook's
 */
export function guard(event, root, theirs = notebooks) {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement) || !root.contains(target)) return;
  for (const node of [target, root]) {
    if (theirs(event)) node.removeAttribute("data-lm-suppress-shortcuts");
    else node.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}
