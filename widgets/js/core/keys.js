// Maps keys to commands, and separates them from the notebook's own shortcuts.

/**
 * @typedef {{name: string, by?: number, down?: number, stars?: number, extend?: boolean,
 *   what?: "code" | "prompt" | "seed"}} Command
 * @typedef {{key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} Key
 */

/** Keys, what they do, and whether that needs a kernel to generate clips. @type {[string, string, boolean?][]} */
export const HELP = [
  ["← ↑ → ↓", "move; with Shift also select"],
  ["Home and End", "first and last clip of the row"],
  ["Page ↑ and ↓", "one page up or down"],
  ["Enter", "open the clip in the large view"],
  ["1 to 5", "stars; 0 for no stars"],
  ["X", "reject, or undo it"],
  ["T", "tags"],
  ["S", "select or deselect; a long press on touch screens"],
  ["C", "compare the selected clips side by side"],
  ["R", "generate the clip again with another seed", true],
  ["N", "generate the next empty cell", true],
  ["/", "find clips"],
  ["Space", "play or pause all clips"],
  [", and .", "one frame back or forward"],
  ["+ and −", "cell size"],
  ["F", "full screen"],
  ["P and Y", "in the large view: copy prompt, code"],
  ["V", "flicker between compared clips"],
  ["Esc", "close or deselect"],
  ["Tab", "leave the grid"],
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
};

/** @type {Record<string, Command>} */
const BOTH = {
  " ": { name: "play" },
  s: { name: "select" },
  x: { name: "reject" },
  t: { name: "tag" },
  f: { name: "full" },
  ",": { name: "frame", by: -1 },
  ".": { name: "frame", by: 1 },
  r: { name: "regenerate" },
  "?": { name: "help" },
  Escape: { name: "close" },
};

/**
 * Return the command of a key.
 * @param {Key} key
 * @param {"grid" | "large"} mode
 * @returns {Command | null} null if the key has no command
 */
export function commandFor(key, mode) {
  // Shift+Enter runs the cell; everything with Ctrl or Cmd belongs to the notebook.
  if (isNotebookKey(key)) return null;
  const name = key.key.length === 1 ? key.key.toLowerCase() : key.key;
  if (/^[0-5]$/.test(name)) return { name: "stars", stars: Number(name) };
  const command = (mode === "grid" ? GRID : LARGE)[name] ?? BOTH[name];
  if (!command) return null;
  return command.name === "move" && key.shiftKey ? { ...command, extend: true } : command;
}

/** Return whether a key has a command in any mode. @param {Key} key */
export function hasCommand(key) {
  return Boolean(commandFor(key, "grid") ?? commandFor(key, "large"));
}

/**
 * Return whether a key belongs to the notebook and must reach it.
 * @param {Key} key
 */
export function isNotebookKey(key) {
  return key.ctrlKey || key.metaKey || key.altKey || (key.shiftKey && key.key === "Enter");
}

/**
 * Return whether a key belongs to the notebook while text is typed: the field has its own undo, copy,
 * paste and word movement, and some keyboards type { with Ctrl and Alt.
 * @param {Key} key
 */
export function isNotebookKeyWhileTyping(key) {
  if (key.key === "Enter") return key.shiftKey || key.ctrlKey || key.metaKey || key.altKey;
  if (key.altKey || !(key.ctrlKey || key.metaKey)) return false;
  return key.key.length === 1 && !"zyacvx".includes(key.key.toLowerCase());
}
