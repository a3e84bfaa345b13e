// The values of one axis: chips that are typed, pasted, moved, labelled and removed.

import { attributes, button, div, element, focus, on } from "../core/dom.js";
import { CLOSE, NEXT, PREVIOUS } from "../core/icons.js";
import { Completions } from "./text/completions.js";
import { option } from "./fields.js";
import { underlined } from "./text/notes.js";
import { newRows, moveItem } from "./text/slots.js";
import { markValue, typedWord } from "./text/words.js";

/** @typedef {import("./text/slots.js").Row} Row */

/** Chips of the values, a field to add more, and an editor for one of them. */
export class Values {
  #actions;
  /** @type {Row[]} */
  rows = [];
  #rendered = "";
  #open = -1;
  #dragged = -1;
  #changing = false;
  #list;
  #editor;
  #name;
  /** Unknown words with their notes. @type {Map<string, string>} */
  #unknown = new Map();

  /**
   * @param {string} name
   * @param {{change: (rows: Row[]) => void, hint: (note: string) => void, choices?: string[],
   *   placeholder?: string, announce: (text: string) => void, words?: readonly string[]}} actions
   *   `choices` are the only values, `words` those that the model knows
   */
  constructor(name, actions) {
    this.#name = name;
    this.#actions = actions;
    this.node = div("bcm-values");
    this.#list = div("bcm-valuechips");
    attributes(this.#list, { role: "group", "aria-label": `values of ${name}` });
    this.input = this.#createInput();
    this.#editor = div("bcm-valueeditor");
    this.#editor.hidden = true;
    this.node.append(this.#list, this.#editor);
    this.#list.append(this.input);
    on(this.node, "keydown", (event) => this.#onKey(event));
  }

  #createInput() {
    if (this.#actions.choices) {
      const select = /** @type {HTMLSelectElement} */ (element("select", "bcm-input"));
      select.append(option("", "add …"), ...this.#actions.choices.map((one) => option(one, one)));
      attributes(select, { "aria-label": `add a value to ${this.#name}` });
      on(select, "change", () => {
        this.#add(select.value);
        select.value = "";
      });
      return select;
    }
    const input = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-add"));
    Object.assign(input, { type: "text", spellcheck: false, autocomplete: "off", dir: "auto" });
    attributes(input, { "aria-label": `add values to ${this.#name}, with commas between them: Enter adds them` });
    on(input, "paste", (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (!/[\r\n]/.test(text.trim())) return; // a single line is pasted as text
      event.preventDefault();
      this.#add(text);
    });
    // Text that is typed and left counts as a value, too.
    on(input, "blur", () => this.#addTyped());
    this.#complete(input);
    return input;
  }

  /** Offer known words in a field. @param {HTMLInputElement} input */
  #complete(input) {
    const { words = [] } = this.#actions;
    if (words.length) new Completions(input, { words, find: typedWord });
  }

  /** Underline words in the values. @param {Map<string, string>} unknown with their notes */
  showUnknown(unknown) {
    if (JSON.stringify([...unknown]) === JSON.stringify([...this.#unknown])) return;
    this.#unknown = unknown;
    const words = /** @type {NodeListOf<HTMLElement>} */ (this.#list.querySelectorAll(".bcm-chiptext"));
    this.rows.forEach((row, i) => words[i] && this.#fillChip(words[i], row));
  }

  /** Set the text of a chip and its tooltip: the value if it has a label, and notes. @param {HTMLElement} word @param {Row} row */
  #fillChip(word, [value, label, note]) {
    const text = String(value ?? "None");
    const isText = typeof value === "string";
    const pieces = isText ? markValue(text, label, this.#unknown) : [{ text: label || text, message: "" }];
    const messages = new Set(pieces.map((one) => one.message));
    word.replaceChildren(...underlined(pieces));
    word.title = [label ? String(value) : "", note, ...messages].filter(Boolean).join("\n");
  }

  /** Show values. @param {Row[]} rows */
  show(rows) {
    attributes(this.input, {
      placeholder: rows.length ? "add" : this.#actions.placeholder ?? "bee, moth: Enter adds them",
    });
    const now = JSON.stringify(rows);
    if (now === this.#rendered) return;
    const opened = this.rows[this.#open]?.[0];
    this.#rendered = now;
    this.rows = rows;
    const at = [...this.#list.children].indexOf(/** @type {Element} */ (document.activeElement?.closest(".bcm-valuechip")));
    for (const chip of this.#list.querySelectorAll(".bcm-valuechip")) chip.remove();
    this.input.before(...rows.map((row, i) => this.#createChip(row, i)));
    // A value replaced from elsewhere is no longer the one being edited.
    if (this.#open >= 0 && !this.#changing && rows[this.#open]?.[0] !== opened) this.#edit(-1);
    if (at >= 0) this.#focus(at);
  }

  /** @param {Row} row @param {number} i */
  #createChip([value, label, note], i) {
    const text = label || String(value ?? "None");
    const chip = element("span", "bcm-valuechip");
    const word = /** @type {HTMLButtonElement} */ (element("button", "bcm-chiptext"));
    word.type = "button";
    word.dir = "auto";
    word.tabIndex = -1;
    this.#fillChip(word, [value, label, note]);
    const place = `${i + 1} of ${this.rows.length}`;
    attributes(word, {
      "aria-label": `${text}, ${place}${note ? `. ${note}` : ""}`,
      "aria-haspopup": "true",
    });
    on(word, "click", () => this.#edit(this.#open === i ? -1 : i));
    const remove = button(CLOSE, `remove ${text}`, () => this.#remove(i));
    remove.classList.add("bcm-remove");
    remove.tabIndex = -1;
    chip.append(word, remove);
    for (const event of ["pointerenter", "focusin"]) {
      chip.addEventListener(event, () => this.#actions.hint(note && `${text}: ${note}`));
    }
    for (const event of ["pointerleave", "focusout"]) {
      chip.addEventListener(event, () => this.#actions.hint(""));
    }
    this.#makeDraggable(chip, i);
    return chip;
  }

  /** @param {HTMLElement} chip @param {number} i */
  #makeDraggable(chip, i) {
    chip.draggable = true;
    on(chip, "dragstart", (event) => {
      this.#dragged = i;
      event.dataTransfer?.setData("text/plain", String(this.rows[i][0]));
      event.stopPropagation();
    });
    on(chip, "dragend", () => { this.#dragged = -1; });
    on(chip, "dragover", (event) => {
      if (this.#dragged >= 0) event.preventDefault();
    });
    on(chip, "drop", (event) => {
      if (this.#dragged < 0) return;
      event.preventDefault();
      event.stopPropagation();
      this.#move(this.#dragged, i);
    });
  }

  // --- changes --------------------------------------------------------------------------------

  /** Add values. @param {string} text one per line @param {boolean} [isLines] or with commas between them */
  #add(text, isLines = true) {
    const rows = newRows(text, this.rows, isLines);
    if (rows.length) this.#change([...this.rows, ...rows]);
    if (rows.length > 1) this.#actions.announce(`${rows.length} values added to ${this.#name}`);
    else this.#actions.announce(rows.length ? `${rows[0][0]} added to ${this.#name}` : `${text.trim()} is already there`);
  }

  /** Add the typed value; return whether there was one. */
  #addTyped() {
    const { input } = this;
    if (!(input instanceof HTMLInputElement) || !input.value.trim()) return false;
    this.#add(input.value, false);
    input.value = "";
    return true;
  }

  /** @param {number} i */
  #remove(i) {
    this.#actions.announce(`${this.rows[i][0]} removed`);
    this.#edit(-1);
    this.#change(this.rows.filter((_, at) => at !== i));
    this.#focus(Math.min(i, this.rows.length - 1));
  }

  /** @param {number} from @param {number} to */
  #move(from, to) {
    if (to < 0 || to >= this.rows.length) return;
    const open = this.#open === from;
    this.#change(moveItem(this.rows, from, to));
    this.#edit(open ? to : -1);
    this.#actions.announce(`${this.rows[to][0]} is now ${to + 1} of ${this.rows.length}`);
  }

  /** @param {Row[]} rows */
  #change(rows) {
    this.#changing = true;
    this.#actions.change(rows);
    this.show(rows);
    this.#changing = false;
  }

  /** Focus a chip. @param {number} i -1 or beyond the last one for the input */
  #focus(i) {
    const words = this.#list.querySelectorAll(".bcm-chiptext");
    const target = /** @type {HTMLElement | undefined} */ (words[i]) ?? this.input;
    focus(target);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { target, key } = event;
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const words = [...this.#list.querySelectorAll(".bcm-chiptext")];
    const at = words.indexOf(/** @type {Element} */ (target));
    const hasText = target === this.input && this.input instanceof HTMLInputElement && this.input.value !== "";
    const inInput = target === this.input && !hasText;
    /** @type {(() => void) | null} */
    let action = null;
    if (target === this.input && key === "Enter") action = () => { this.#addTyped(); };
    else if (inInput && (key === "ArrowLeft" || key === "Backspace") && words.length) action = () => this.#focus(words.length - 1);
    else if (at >= 0 && key === "ArrowLeft") action = () => this.#focus(Math.max(0, at - 1));
    else if (at >= 0 && key === "ArrowRight") action = () => this.#focus(at + 1);
    else if (at >= 0 && key === "Home") action = () => this.#focus(0);
    else if (at >= 0 && key === "End") action = () => this.#focus(-1);
    else if (at >= 0 && (key === "Delete" || key === "Backspace")) action = () => this.#remove(at);
    else if (this.#open >= 0 && key === "Escape") {
      const open = this.#open;
      action = () => { this.#edit(-1); this.#focus(open); event.stopPropagation(); };
    }
    if (!action) return;
    event.preventDefault();
    action();
  }

  // --- one value, with its label and note -----------------------------------------------------

  /** Open the editor of a value. @param {number} i -1 to close it */
  #edit(i) {
    this.#open = i;
    this.#editor.hidden = i < 0;
    this.#editor.replaceChildren();
    for (const [at, chip] of [...this.#list.querySelectorAll(".bcm-valuechip")].entries()) {
      chip.classList.toggle("bcm-editing", at === i);
    }
    if (i < 0) return;
    attributes(this.#editor, { role: "group", "aria-label": `value ${i + 1} of ${this.#name}` });
    const fields = ["value", "label", "note"].map((what, part) => {
      const label = element("label", "bcm-labelled", what);
      const input = /** @type {HTMLInputElement} */ (element("input", "bcm-input"));
      Object.assign(input, { type: "text", dir: "auto", autocomplete: "off", value: this.#text(i, part) });
      if (what === "label") input.placeholder = "as the value";
      if (what === "note") input.placeholder = "for learners";
      if (typeof this.rows[i][part] === "object") input.disabled = true;
      if (what === "value") this.#complete(input);
      on(input, "change", () => this.setPart(i, part, input.value));
      on(input, "keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing || event.shiftKey) return;
        event.preventDefault();
        this.setPart(i, part, input.value);
        this.#edit(-1);
        this.#focus(i);
      });
      label.append(input);
      return label;
    });
    const buttons = div("bcm-group",
      button(PREVIOUS, "move to the left", () => this.#move(i, i - 1)),
      button(NEXT, "move to the right", () => this.#move(i, i + 1)),
      button(CLOSE, "remove the value", () => this.#remove(i)),
    );
    this.#editor.append(...fields, buttons);
    focus(fields[0].querySelector("input"));
  }

  /** Return a part of a row as text. @param {number} i @param {number} part 0: value, 1: label, 2: note */
  #text(i, part) {
    const value = this.rows[i][part];
    return value !== null && typeof value === "object" ? this.rows[i][1] : String(value ?? "");
  }

  /** Change a part of a row. @param {number} i @param {number} part @param {string} text */
  setPart(i, part, text) {
    const value = text.trim();
    if (!this.rows[i] || value === this.#text(i, part) || (part === 0 && !value)) return;
    if (part === 0 && this.rows.some((row) => String(row[0]) === value)) {
      this.#actions.announce(`${value} is already there`);
      return;
    }
    const rows = /** @type {Row[]} */ (this.rows.map((row, at) => (at === i ? row.map((old, p) => (p === part ? value : old)) : row)));
    this.#change(rows);
    this.#list.querySelectorAll(".bcm-valuechip")[i]?.classList.add("bcm-editing");
  }
}
