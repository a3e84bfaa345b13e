// Decides which key presses are a surface's. A notebook in command mode cuts, deletes and converts cells by
// single letters, so a key that the user means for a surface must never reach it:
//
// 1. A key is the surface's if it is pressed with the focus inside it.
// 2. A key that the surface has a command for is its own while the pointer was last moved over it, too,
//    wherever the focus is.
// 3. If the focus is lost, as when the focused button is removed, keys stay with the surface used last.
//
// Text fields, menus and modal dialogs keep all keys, other controls those that operate them. No key gives the focus back to
// the notebook: the ways out are Tab and a press outside.

import { on } from "./dom.js";
import { isNotebookKey } from "./keys.js";

const FIELDS = "textarea, select, [contenteditable]:not([contenteditable=false])";
const NO_TEXT = ["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"];
const CONTROLS = "button, summary, a[href], input, [role=button], [role=menuitem], [role=option], "
  + "[role=slider], [role=tab], [role=treeitem]";
const MODAL = "dialog, [aria-modal=true], [role=menu], [role=menubar]";

/**
 * @typedef {object} Keys
 * @property {(event: KeyboardEvent) => void} onKey called for each key of the surface that isn't the host's
 * @property {(event: KeyboardEvent) => boolean} hasCommand
 * @property {(event: KeyboardEvent) => boolean} [isHostKey] whether a key belongs to the notebook
 */

/**
 * Call a surface for its keys, and keep them from its host.
 * @param {HTMLElement} root
 * @param {Keys} keys
 * @param {AbortSignal} signal ends it
 */
export function listenForKeys(root, { onKey, hasCommand, isHostKey = isNotebookKey }, signal) {
  // Captured, because Jupyter listens on the document.
  let used = false;
  let pointed = false;
  let place = "";
  const isInside = (/** @type {Event} */ event) => root.contains(/** @type {Node} */ (event.composedPath()[0]));
  for (const name of /** @type {const} */ (["focusin", "pointerdown"])) {
    on(window, name, (event) => { used = isInside(event); }, { capture: true, signal });
  }
  on(window, "pointermove", (event) => {
    const at = `${event.screenX},${event.screenY}`;
    // A page that scrolls under a pointer at rest makes the browser report a movement.
    if (event.pointerType === "touch" || place === at) return;
    place = at;
    pointed = isInside(event);
  }, { capture: true, signal });
  on(window, "keydown", (event) => {
    const target = /** @type {Element} */ (event.composedPath()[0]);
    if (isInside(event)) return guardShortcuts(event, root, isHostKey);
    if (event.isComposing || event.key === "Tab" || isHostKey(event)) return;
    if (target instanceof Element && isKeptBy(target, event.key)) return;
    const isLost = used && (target === document.body || target === document.documentElement);
    if (!isLost && !(pointed && root.matches(":hover") && hasCommand(event))) return;
    event.stopImmediatePropagation();
    onKey(event);
  }, { capture: true, signal });
  on(root, "keydown", (event) => {
    if (isHostKey(event)) return;
    // Tab leaves the surface; every other key stops here, or the host would act on it.
    if (event.key !== "Tab") event.stopPropagation();
    onKey(event);
  });
}

/** Return whether text is typed into a node. @param {unknown} node */
export function isTextField(node) {
  if (node instanceof HTMLInputElement) return !NO_TEXT.includes(node.type);
  return node instanceof HTMLElement && (node.isContentEditable || node.matches(FIELDS));
}

/** Return whether a focused node outside keeps a key. @param {Element} node @param {string} key */
export function isKeptBy(node, key) {
  if (isTextField(node) || node.closest(MODAL) !== null) return true;
  return (key === " " || key.length > 1) && node.matches(CONTROLS);
}

/**
 * Keep Jupyter from acting on a surface's keys, and let it act on its own. Its commands look for the
 * attribute on the focused element and its ancestors, and would otherwise insert a cell for every
 * `b`; but with the attribute, Shift+Enter would do nothing either.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} root
 * @param {(event: KeyboardEvent) => boolean} isHostKey
 */
function guardShortcuts(event, root, isHostKey) {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return;
  for (const node of [target, root]) {
    if (isHostKey(event)) node.removeAttribute("data-lm-suppress-shortcuts");
    else node.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}
