// The model's own arguments: a field for each, made from what the model says of itself.

import { attributes, button, div, setButton, element, on } from "../core/dom.js";
import { option } from "./fields.js";
import { CLOSE, PLUS } from "../core/icons.js";
import { describeAllowed, nextValue } from "./slots.js";
import { Values } from "./values.js";

/** @typedef {import("./slots.js").Control} Control */

/** One argument: a field, or the chips of an axis. */
class Argument {
  #actions;
  /** Whether it is an axis. */
  #many = false;
  /** Why a deck suggests it. */
  note = "";
  #field;
  #several;
  #values;
  #problem;

  /**
   * @param {Control} control
   * @param {{change: (name: string, given: any) => void, hint: (text: string) => void,
   *   say: (text: string) => void}} actions
   */
  constructor(control, actions) {
    this.control = control;
    this.#actions = actions;
    const { name } = control;
    this.node = div("bcm-argument");
    const id = `bcm-${Math.random().toString(36).slice(2)}`;
    const label = /** @type {HTMLLabelElement} */ (element("label", "bcm-name", name));
    label.htmlFor = id;
    label.title = this.#help();
    this.#field = this.#makeField(id);
    this.#several = button(PLUS, "", () => this.#toggle());
    this.#several.classList.add("bcm-quiet");
    this.#values = new Values(name, {
      change: (rows) => actions.change(name, rows.length ? { many: rows } : null),
      hint: (note) => actions.hint(note || this.#help()), say: actions.say,
      choices: control.kind === "choice" ? control.choices : control.kind === "flag" ? ["true", "false"] : undefined,
      placeholder: "values: Enter adds one",
    });
    const note = element("span", "bcm-hidden", this.#help());
    note.id = `${id}-help`;
    attributes(this.#field, { "aria-describedby": note.id });
    this.#problem = element("p", "bcm-wrong");
    const row = div("bcm-holder", this.#field, this.#values.node, this.#several);
    this.node.append(label, row, note, this.#problem);
    for (const event of ["focusin", "pointerenter"]) this.node.addEventListener(event, () => actions.hint(this.#help()));
    for (const event of ["focusout", "pointerleave"]) this.node.addEventListener(event, () => actions.hint(""));
  }

  #help() {
    const { control } = this;
    const words = control.help && !/[.!?…]$/.test(control.help) ? `${control.help}.` : control.help;
    const limits = describeAllowed(control);
    return [this.note, words, limits && `${limits[0].toUpperCase()}${limits.slice(1)}.`].filter(Boolean).join(" ");
  }

  /** @param {string} id */
  #makeField(id) {
    const { control } = this;
    const choices = control.kind === "choice" ? control.choices : control.kind === "flag" ? ["true", "false"] : null;
    const field = /** @type {HTMLInputElement | HTMLSelectElement} */ (element(choices ? "select" : "input", "bcm-input"));
    field.id = id;
    if (field instanceof HTMLSelectElement) {
      const usual = control.default.toLowerCase();
      field.append(option("", usual ? `${control.default} (default)` : "as the model likes"));
      field.append(...(choices ?? []).filter((one) => one.toLowerCase() !== usual).map((one) => option(one, one)));
      on(field, "change", () => this.#put(field.value));
      return field;
    }
    Object.assign(field, {
      type: "text", placeholder: control.default, autocomplete: "off", dir: "auto",
      inputMode: control.kind === "integer" ? "numeric" : control.kind === "number" ? "decimal" : "text",
    });
    on(field, "input", () => this.#put(field.value));
    on(field, "keydown", (/** @type {any} */ event) => this.#onKey(event));
    return field;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by || this.control.kind === "text" || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = nextValue(this.control, this.#field.value, by);
    if (next === null) return;
    event.preventDefault();
    this.#field.value = next;
    this.#put(next);
  }

  /** @param {string} text */
  #put(text) {
    this.#actions.change(this.control.name, text.trim() ? { one: text } : null);
  }

  /** One value becomes an axis of it, and back to its first. */
  #toggle() {
    const { name } = this.control;
    this.#many = !this.#many;
    if (this.#many) {
      const value = this.#field.value.trim() || this.control.default;
      this.#actions.change(name, value ? { many: [[value, "", ""]] } : null);
      this.#refresh();
      this.#values.input.focus();
    } else {
      const first = this.#values.rows[0];
      this.#actions.change(name, first ? { one: first[0] } : null);
      this.#refresh();
      this.#field.focus();
    }
  }

  /** @param {any} given what is asked for, or undefined */
  show(given) {
    if (given?.many) this.#many = true;
    else if (given) this.#many = false;
    const rows = given?.many ?? [];
    this.#values.show(rows);
    const one = given && "one" in given ? given.one : "";
    const text = one !== null && typeof one === "object" ? given.label : String(one ?? "");
    // A field that is typed in has the last word.
    if (document.activeElement !== this.#field || this.#field instanceof HTMLSelectElement) this.#field.value = text;
    this.node.classList.toggle("bcm-set", Boolean(given));
    this.#refresh();
  }

  #refresh() {
    const many = Boolean(this.#many);
    this.#field.hidden = many;
    this.#values.node.hidden = !many;
    setButton(this.#several, many ? CLOSE : PLUS, many ? `one value of ${this.control.name}` : `several values of ${this.control.name}: an axis`);
  }

  /** @param {string} text */
  complain(text) {
    this.#problem.textContent = text;
    this.#problem.hidden = !text;
    attributes(this.#field, { "aria-invalid": Boolean(text) });
  }
}

export class Arguments {
  #complained = false;
  #summary;

  /**
   * @param {Control[]} controls
   * @param {{change: (name: string, given: any) => void, say: (text: string) => void}} actions
   */
  constructor(controls, actions) {
    this.node = /** @type {HTMLDetailsElement} */ (element("details", "bcm-fold"));
    this.#summary = element("summary", "bcm-foldhead");
    this.help = element("p", "bcm-helpline");
    const list = div("bcm-arguments");
    /** @type {Map<string, Argument>} */
    this.all = new Map(controls.map((control) => [control.name, new Argument(control, {
      ...actions, hint: (text) => { this.help.textContent = text; },
    })]));
    list.append(...[...this.all.values()].map((one) => one.node));
    this.node.append(this.#summary, list, this.help);
  }

  /**
   * @param {Record<string, any>} given
   * @param {string[]} slots
   * @param {Record<string, string>} notes of a deck
   */
  show(given, slots, notes) {
    for (const [name, argument] of this.all) {
      argument.note = name in given ? notes[name] ?? "" : "";
      argument.show(given[name]);
      // A slot that is called like an argument gives its value to both; what goes only with a
      // picture or a film is of no use without.
      const lacking = argument.control.with.length > 0 && !argument.control.with.some((one) => one in given);
      argument.node.hidden = slots.includes(name) || (lacking && !(name in given));
    }
    const set = Object.keys(given).filter((name) => !slots.includes(name));
    const words = set.map((name) => {
      const { one, many, label } = given[name];
      return `${name} ${many ? many.map((/** @type {any} */ row) => row[1] || String(row[0])).join(", ") : label ?? String(one)}`;
    });
    this.#summary.textContent = words.length ? `Arguments: ${words.join(" · ")}` : "Arguments";
  }
  /** @param {Map<string, string>} said what is wrong, by argument */
  complain(said) {
    for (const [name, argument] of this.all) argument.complain(said.get(name) ?? "");
    if (said.size && !this.#complained) this.node.open = true;
    this.#complained = said.size > 0;
  }
}
