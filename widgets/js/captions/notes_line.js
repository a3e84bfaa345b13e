// A line above the clips that says what of their sweep does not reach the model.

import { attributes, button, div, element, on } from "../core/dom.js";
import { CLOSE } from "../core/icons.js";

/** @typedef {import("../data/store.js").Store} Store */

/**
 * Create the line. A press shows all of it; dismissed, it stays away until the notes are others.
 * @param {Store} store
 * @param {() => void} onDismiss
 */
export function createNotes(store, onDismiss) {
  const text = /** @type {HTMLButtonElement} */ (element("button", "bcm-notetext"));
  text.type = "button";
  text.dir = "auto";
  const expand = (/** @type {boolean} */ open) => attributes(text, { "aria-expanded": open });
  on(text, "click", () => expand(text.getAttribute("aria-expanded") === "false"));
  expand(false);
  const node = div("bcm-notes", text, button(CLOSE, "dismiss the notes", onDismiss));
  attributes(node, { role: "note" });
  const refresh = () => {
    text.textContent = store.notes.join("\n");
    node.hidden = [store.dismissedNotes, ""].includes(text.textContent);
  };
  refresh();
  return { node, refresh };
}
