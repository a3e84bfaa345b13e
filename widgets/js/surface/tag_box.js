// The dialog that adds and removes tags of clips.

import { attributes, button, div, element, focus, on } from "../core/dom.js";
import { CLOSE } from "../core/icons.js";

/** @typedef {import("../data/store.js").Store} Store */

/** Chips of the tags, and a field for a new one. */
export class TagBox {
  #actions;
  /** @type {number[]} */
  cells = [];
  #chips;
  #input;
  #suggestions;

  /**
   * @param {Store} store
   * @param {{annotate: (cells: number[], change: import("../data/store.js").AnnotationChange) => void, close: () => void}} actions
   */
  constructor(store, actions) {
    this.store = store;
    this.#actions = actions;
    this.node = div("bcm-tagbox");
    this.node.hidden = true;
    attributes(this.node, { role: "dialog", "aria-label": "tags" });
    this.#chips = div("bcm-group bcm-wrap");
    this.#input = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-query"));
    Object.assign(this.#input, { type: "text", placeholder: "tag, then Enter", autocomplete: "off", maxLength: 100 });
    this.#input.dir = "auto";
    attributes(this.#input, { "aria-label": "new tag" });
    this.#suggestions = /** @type {HTMLDataListElement} */ (element("datalist"));
    this.#suggestions.id = `bcm-tags-${Math.random().toString(36).slice(2)}`;
    attributes(this.#input, { list: this.#suggestions.id });
    on(this.#input, "keydown", (event) => this.#onKey(event));
    this.node.append(this.#chips, this.#input, this.#suggestions, button(CLOSE, "close (Esc)", actions.close));
  }

  /** Open the dialog for cells. @param {number[]} cells */
  show(cells) {
    this.cells = cells.filter((cell) => this.store.hasClip(cell));
    if (!this.cells.length) return;
    this.node.hidden = false;
    this.refresh();
    this.#input.value = "";
    focus(this.#input);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const tag = this.#input.value.split(/\s+/).filter(Boolean).join(" ");
    if (event.key === "Enter" && tag) {
      this.#actions.annotate(this.cells, { tag, on: true });
      this.#input.value = "";
    } else if (event.key === "Enter" || event.key === "Escape") this.#actions.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Show the current tags. */
  refresh() {
    if (this.node.hidden) return;
    const { store, cells } = this;
    const tags = [...new Set(cells.flatMap((cell) => store.annotation(cell).tags))].sort();
    const name = element("span", "bcm-zonename", cells.length === 1 ? "tags" : `tags of ${cells.length} clips`);
    this.#chips.replaceChildren(name, ...tags.map((tag) => {
      const chip = element("span", "bcm-axischip");
      const text = element("span", "bcm-chip", tag);
      text.dir = "auto";
      chip.append(text, button(CLOSE, `remove the tag ${tag}`, () => {
        this.#actions.annotate(cells, { tag, on: false });
        focus(this.#input);
      }));
      return chip;
    }));
    const all = new Set([...store.annotations.values()].flatMap((one) => one.tags));
    this.#suggestions.replaceChildren(...[...all].filter((tag) => !tags.includes(tag)).sort().map((tag) => {
      const option = /** @type {HTMLOptionElement} */ (element("option"));
      option.value = tag;
      return option;
    }));
  }
}
