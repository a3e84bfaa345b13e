// The field of the prompt template, which highlights slots and unknown words while they are typed.

import { attributes, div, element, on } from "../../core/dom.js";
import { Completions } from "./completions.js";
import { underlined } from "./notes.js";
import { segments } from "./slots.js";
import { markWords, typedTemplateWord } from "./words.js";

const CLASSES = { text: "", slot: "", variants: "bcm-variants", invalid: "bcm-invalid" };

/**
 * A textarea over a copy of its text, which highlights slots and underlines unknown words. The visible
 * text is the field's own, so that undo, selection and input methods are the browser's.
 */
export class TemplateField {
  #highlighted = "";
  #mirror;
  #area;
  /** Unknown words with their notes. @type {Map<string, string>} */
  #unknown = new Map();

  /**
   * @param {(template: string) => void} change
   * @param {readonly string[]} words those that the model knows
   * @param {HTMLElement} notes the element that describes unknown words
   */
  constructor(change, words, notes) {
    this.node = div("bcm-template");
    this.#mirror = div("bcm-mirror");
    attributes(this.#mirror, { "aria-hidden": "true" });
    this.#area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-templateinput"));
    Object.assign(this.#area, { rows: 1, spellcheck: false, dir: "auto", autocomplete: "off" });
    this.#area.placeholder = "a {insect} over {place}";
    attributes(this.#area, { "aria-label": "prompt; a name in braces, as in {insect}, is a slot" });
    on(this.#area, "input", () => {
      this.#highlight();
      change(this.#area.value);
    });
    attributes(this.#area, { "aria-describedby": notes.id });
    // The field covers the underlined words and takes the pointer for them.
    on(this.#area, "pointermove", (event) => { this.#area.title = this.#noteAt(event); });
    if (words.length) new Completions(this.#area, { words, find: typedTemplateWord, locate: (start) => this.#locate(start) });
    this.node.append(this.#mirror, this.#area);
  }

  /** Show a template. @param {string} template */
  show(template) {
    // Setting the value clears the field's undo history: only if it differs.
    if (template !== this.#area.value) this.#area.value = template;
    this.#highlight();
  }

  /** Underline words. @param {Map<string, string>} unknown with their notes */
  showUnknown(unknown) {
    this.#unknown = unknown;
    this.#highlight();
  }

  /** Return the note on the word under the pointer, or "". @param {PointerEvent} event */
  #noteAt({ clientX: x, clientY: y }) {
    const words = /** @type {NodeListOf<HTMLElement>} */ (this.#mirror.querySelectorAll(".bcm-unknownword"));
    const found = [...words].find((word) => [...word.getClientRects()].some(
      (box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom));
    return found?.title ?? "";
  }

  /** Return where a character is on the page. @param {number} start */
  #locate(start) {
    const walker = document.createTreeWalker(this.#mirror, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    let left = start;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const { length } = /** @type {Text} */ (node);
      if (left < length) {
        range.setStart(node, left);
        range.setEnd(node, left + 1);
        return range.getBoundingClientRect();
      }
      left -= length;
    }
    return this.#area.getBoundingClientRect();
  }

  #highlight() {
    const { value } = this.#area;
    const now = JSON.stringify([value, ...this.#unknown]);
    if (this.#highlighted === now && value) return;
    this.#highlighted = now;
    this.#mirror.dir = "auto";
    this.#mirror.replaceChildren(
      ...segments(value).map(({ text, kind }) => {
        const node = element(kind === "text" ? "span" : "mark", CLASSES[kind]);
        node.append(...(kind === "text" || kind === "variants" ? underlined(markWords(text, this.#unknown, kind)) : [text]));
        return node;
      }),
      // Gives a trailing empty line its height.
      document.createTextNode("\u200b"),
    );
  }
}
