// The field of the prompt template, which highlights slots while they are typed.

import { attributes, div, element, on } from "../core/dom.js";
import { segments } from "./slots.js";

const CLASSES = { text: "", slot: "", variants: "bcm-variants", faulty: "bcm-faulty" };

/**
 * A textarea over a copy of its text that paints the slots. The visible text is the field's own, so
 * that undo, selection and input methods are the browser's.
 */
export class TemplateField {
  #highlighted = "";
  #mirror;
  #area;

  /** @param {(template: string) => void} change */
  constructor(change) {
    this.node = div("bcm-template");
    this.#mirror = div("bcm-mirror");
    attributes(this.#mirror, { "aria-hidden": "true" });
    this.#area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-area"));
    Object.assign(this.#area, { rows: 1, spellcheck: false, dir: "auto", autocomplete: "off" });
    this.#area.placeholder = "a {insect} over {place}";
    attributes(this.#area, { "aria-label": "prompt; a name in braces, as in {insect}, is a slot" });
    on(this.#area, "input", () => {
      this.#highlight();
      change(this.#area.value);
    });
    this.node.append(this.#mirror, this.#area);
  }

  /** Show a template. @param {string} template */
  show(template) {
    // Setting the value clears the field's undo history: only if it differs.
    if (template !== this.#area.value) this.#area.value = template;
    this.#highlight();
  }

  #highlight() {
    const { value } = this.#area;
    if (this.#highlighted === value && value) return;
    this.#highlighted = value;
    this.#mirror.dir = "auto";
    this.#mirror.replaceChildren(
      ...segments(value).map(({ text, kind }) => element(kind === "text" ? "span" : "mark", CLASSES[kind], text)),
      // Gives a trailing empty line its height.
      document.createTextNode("\u200b"),
    );
  }
}
