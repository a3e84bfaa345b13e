// A list of known words that complete what is typed in a field.

import { attributes, div, element, on } from "../../core/dom.js";
import { completionsOf } from "./words.js";

/** @typedef {import("./words.js").Typed} Typed */
/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

const GAP = 4; // pixels between the word and the list
const INDENT = 13; // pixels from the edge of the list to its text

/** Offers words while text is typed in a field; its keys reach nothing else while the list is open. */
export class Completions {
  #field;
  #settings;
  /** @type {HTMLElement | null} */
  #list = null;
  /** @type {Typed | null} */
  #typed = null;
  #active = -1;
  #accepting = false;

  /**
   * @param {Field} field
   * @param {{words: readonly string[], find: (text: string, caret: number) => Typed | null,
   *   locate?: (start: number) => DOMRect}} settings the known words, what finds the typed word, and
   *   where a character is on the page
   */
  constructor(field, settings) {
    this.#field = field;
    this.#settings = settings;
    attributes(field, { "aria-autocomplete": "list" });
    on(field, "input", (event) => this.#onInput(/** @type {InputEvent} */ (event)));
    on(field, "keydown", (event) => this.#onKey(event));
    on(field, "blur", () => this.#close());
    on(field, "pointerdown", () => this.#close());
  }

  /** @param {InputEvent} event */
  #onInput(event) {
    if (this.#accepting) return;
    const field = this.#field;
    const caret = field.selectionEnd ?? 0;
    const isTyping = !event.isComposing && field.selectionStart === caret;
    this.#typed = isTyping ? this.#settings.find(field.value, caret) : null;
    const { words, first } = this.#typed ? completionsOf(this.#typed.word, this.#settings.words) : { words: [], first: false };
    if (words.length) this.#open(words, first);
    else this.#close();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (!this.#list || event.isComposing) return;
    const { key } = event;
    const accepts = key === "Enter" || key === "Tab";
    const modified = event.shiftKey || event.ctrlKey || event.metaKey || event.altKey;
    if ((accepts && (modified || this.#active < 0)) || ["ArrowLeft", "ArrowRight", "Home", "End"].includes(key)) {
      this.#close(); // and the key does what it usually does
      return;
    }
    if (modified) return;
    const count = this.#list.children.length;
    if (key === "ArrowDown") this.#activate((this.#active + 1) % count);
    else if (key === "ArrowUp") this.#activate(this.#active <= 0 ? count - 1 : this.#active - 1);
    else if (key === "Escape") this.#close();
    else if (accepts) this.#accept(this.#active);
    else return;
    event.preventDefault();
    // Escape would leave the panel, and Enter would add a value.
    event.stopImmediatePropagation();
  }

  /** @param {string[]} words @param {boolean} first whether the first one is active */
  #open(words, first) {
    const root = /** @type {HTMLElement} */ (this.#field.closest(".bcm-root"));
    const list = this.#list ?? this.#createList();
    const length = this.#typed?.word.length ?? 0;
    list.replaceChildren(...words.map((word, i) => {
      const at = word.toLowerCase().indexOf(this.#typed?.word.toLowerCase() ?? "");
      const option = div("bcm-completion", word.slice(0, at), element("b", "", word.slice(at, at + length)), word.slice(at + length));
      option.id = `${list.id}-${i}`;
      attributes(option, { role: "option", "aria-selected": false });
      on(option, "click", () => this.#accept(i));
      return option;
    }));
    if (!this.#list) root.append(list);
    this.#list = list;
    attributes(this.#field, { "aria-controls": list.id });
    this.#activate(first ? 0 : -1);
    this.#place(list, root);
  }

  #createList() {
    const list = div("bcm-completions");
    list.id = `bcm-${Math.random().toString(36).slice(2)}`;
    attributes(list, { role: "listbox", "aria-label": "words that the model knows" });
    // The field keeps the focus.
    on(list, "mousedown", (event) => event.preventDefault());
    return list;
  }

  /** Place the list below the typed word, or above it where there is more room. @param {HTMLElement} list @param {HTMLElement} root */
  #place(list, root) {
    const field = this.#field;
    const word = this.#settings.locate?.(this.#typed?.start ?? 0) ?? locateInInput(field, this.#typed?.start ?? 0);
    const outside = root.getBoundingClientRect();
    const [above, below] = [word.top - outside.top - GAP, outside.bottom - word.bottom - GAP];
    list.style.maxHeight = "none";
    const { offsetHeight: height, offsetWidth: width } = list;
    const isBelow = height <= below || below >= above;
    list.style.maxHeight = `${Math.max(isBelow ? below : above, 80)}px`;
    list.style.top = `${isBelow ? word.bottom - outside.top + GAP : Math.max(0, word.top - outside.top - GAP - height)}px`;
    list.style.left = `${Math.max(0, Math.min(word.left - outside.left - INDENT, outside.width - width - 2))}px`;
  }

  /** Make an option the active one. @param {number} at -1 for none */
  #activate(at) {
    this.#active = at;
    const options = [...(this.#list?.children ?? [])];
    options.forEach((option, i) => attributes(option, { "aria-selected": i === at }));
    if (at < 0) this.#field.removeAttribute("aria-activedescendant");
    else attributes(this.#field, { "aria-activedescendant": options[at].id });
    const [list, option] = [this.#list, /** @type {HTMLElement | undefined} */ (options[at])];
    // Not scrollIntoView, which would scroll the notebook, too.
    if (list && option) list.scrollTop = Math.max(Math.min(list.scrollTop, option.offsetTop), option.offsetTop + option.offsetHeight - list.clientHeight);
  }

  /** Replace the typed word. @param {number} at */
  #accept(at) {
    const word = this.#list?.children[at]?.textContent ?? "";
    const typed = this.#typed;
    this.#close();
    if (!word || !typed) return;
    const field = this.#field;
    this.#accepting = true;
    field.focus({ preventScroll: true });
    field.setSelectionRange(typed.start, typed.end);
    // Unlike a new value, this can be undone with Ctrl+Z.
    if (!document.execCommand("insertText", false, word)) {
      field.setRangeText(word, typed.start, typed.end, "end");
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    this.#accepting = false;
  }

  #close() {
    this.#list?.remove();
    this.#list = null;
    this.#active = -1;
    for (const name of ["aria-activedescendant", "aria-controls"]) this.#field.removeAttribute(name);
  }
}

/** Return where a character of a single-line field is. @param {Field} field @param {number} start */
function locateInInput(field, start) {
  const box = field.getBoundingClientRect();
  const style = getComputedStyle(field);
  const context = document.createElement("canvas").getContext("2d");
  let left = box.left + parseFloat(style.paddingLeft) - field.scrollLeft;
  if (context && style.direction === "ltr") {
    context.font = style.font;
    left += context.measureText(field.value.slice(0, start)).width;
  }
  return new DOMRect(left, box.top, 0, box.height);
}
