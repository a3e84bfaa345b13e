// The notes of the model on words, below the template and at the words themselves.

import { attributes, div, element } from "../../core/dom.js";
import { noteText } from "./words.js";

/** @typedef {import("./words.js").Note} Note */
/** @typedef {import("./words.js").Piece} Piece */

/** One line for each note; the first line is reserved if the model may have notes. */
export class NoteList {
  #shown = "";

  /** @param {boolean} reserve whether the model may have notes */
  constructor(reserve) {
    this.node = div("bcm-wordnotes");
    this.node.id = `bcm-${Math.random().toString(36).slice(2)}`;
    this.node.hidden = !reserve;
    attributes(this.node, { "aria-live": "polite" });
  }

  /** Show notes. @param {Note[]} notes */
  show(notes) {
    const now = notes.map(noteText);
    if (now.join("\n") === this.#shown) return;
    this.#shown = now.join("\n");
    // What is below must not move up and down while the user types.
    const isTyping = this.node.closest(".bcm-root")?.contains(document.activeElement);
    this.node.style.minHeight = isTyping ? `${this.node.offsetHeight}px` : "";
    this.node.replaceChildren(...now.map((text) => {
      const line = element("p", "bcm-wordnote", text);
      line.dir = "auto";
      return line;
    }));
  }
}

/** Return text nodes, with the unknown words underlined. @param {Piece[]} pieces @returns {Node[]} */
export function underlined(pieces) {
  return pieces.map(({ text, message }) => {
    if (!message) return document.createTextNode(text);
    const node = element("span", "bcm-unknownword", text);
    node.title = message;
    return node;
  });
}
