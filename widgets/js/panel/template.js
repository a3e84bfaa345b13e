// The template, with its slots highlighted while it is typed.

import { attributes, div, element, on } from "../core/dom.js";
import { segments } from "./slots.js";

const CLASSES = { text: "", slot: "", variants: "bcm-variants", faulty: "bcm-faulty" };

/**
 * A textarea over a copy of its text that paints the slots. The text that is seen is the field's
 * own, so that undo, selection and input methods are the browser's.
 */
export class TemplateField {
  #painted = "";
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
      this.#paint();
      change(this.#area.value);
    });
    this.node.append(this.#mirror, this.#area);
  }

  /** @param {string} template */
  show(template) {
    // Putting a text in takes the field's undo away: only where it is another one.
    if (template !== this.#area.value) this.#area.value = template;
    this.#paint();
  }

  #paint() {
    const { value } = this.#area;
    if (this.#painted === value && value) return;
    this.#painted = value;
    this.#mirror.dir = "auto";
    this.#mirror.replaceChildren(
      ...segments(value).map(({ text, kind }) => element(kind === "text" ? "span" : "mark", CLASSES[kind], text)),
      // A last empty line has a height of its own.
      document.createTextNode("\u200b"),
    );
  }
}
