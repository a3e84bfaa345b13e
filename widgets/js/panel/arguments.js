// The model's arguments: one field each, created from the descriptions that the model reports.

import { attributes, button, div, element, on, setButton } from "../core/dom.js";
import { CLOSE, PLUS } from "../core/icons.js";
import { option } from "./fields.js";
import { describeAllowed, nextValue } from "./text/slots.js";
import { Values } from "./values.js";
import { unknownWords } from "./text/words.js";

/** @typedef {import("./text/slots.js").Control} Control */

/** One argument: a field, or the chips of an axis. */
class Argument {
  #actions;
  /** Whether it is an axis. */
  #isAxis = false;
  /** The deck's reason for its value. */
  note = "";
  #field;
  #axisButton;
  #values;
  #problem;

  /**
   * @param {Control} control
   * @param {{change: (name: string, value: any) => void, hint: (text: string) => void,
   *   announce: (text: string) => void}} actions
   */
  constructor(control, actions) {
    this.control = control;
    this.#actions = actions;
    const { name } = control;
    this.node = div("bcm-argument");
    const id = `bcm-${Math.random().toString(36).slice(2)}`;
    const label = /** @type {HTMLLabelElement} */ (element("label", "bcm-fieldname", name));
    label.htmlFor = id;
    label.title = this.#help();
    this.#field = this.#createField(id);
    this.#axisButton = button(PLUS, "", () => this.#toggleAxis());
    this.#axisButton.classList.add("bcm-flat");
    this.#values = new Values(name, {
      change: (rows) => actions.change(name, rows.length ? { values: rows } : null),
      hint: (note) => actions.hint(note || this.#help()), announce: actions.announce,
      choices: control.kind === "choice" ? control.choices : control.kind === "flag" ? ["true", "false"] : undefined,
      placeholder: "values; Enter adds one",
    });
    const note = element("span", "bcm-hidden", this.#help());
    note.id = `${id}-help`;
    attributes(this.#field, { "aria-describedby": note.id });
    this.#problem = element("p", "bcm-fieldproblem");
    const row = div("bcm-argumentinput", this.#field, this.#values.node, this.#axisButton);
    this.node.append(label, row, note, this.#problem);
    for (const event of ["focusin", "pointerenter"]) this.node.addEventListener(event, () => actions.hint(this.#help()));
    for (const event of ["focusout", "pointerleave"]) this.node.addEventListener(event, () => actions.hint(""));
  }

  /** Return the help text: the deck's reason, the description, what is allowed. */
  #help() {
    const { control } = this;
    const help = control.help && !/[.!?…]$/.test(control.help) ? `${control.help}.` : control.help;
    const limits = describeAllowed(control);
    return [this.note, help, limits && `${limits[0].toUpperCase()}${limits.slice(1)}.`].filter(Boolean).join(" ");
  }

  /** Create the field. @param {string} id */
  #createField(id) {
    const { control } = this;
    const choices = control.kind === "choice" ? control.choices : control.kind === "flag" ? ["true", "false"] : null;
    const field = /** @type {HTMLInputElement | HTMLSelectElement} */ (element(choices ? "select" : "input", "bcm-input"));
    field.id = id;
    if (field instanceof HTMLSelectElement) {
      const defaultChoice = control.default.toLowerCase();
      field.append(option("", defaultChoice ? `${control.default} (default)` : "model's default"));
      field.append(...(choices ?? []).filter((one) => one.toLowerCase() !== defaultChoice).map((one) => option(one, one)));
      on(field, "change", () => this.#change(field.value));
      return field;
    }
    Object.assign(field, {
      type: "text", placeholder: control.default, autocomplete: "off", dir: "auto",
      inputMode: control.kind === "integer" ? "numeric" : control.kind === "number" ? "decimal" : "text",
    });
    on(field, "input", () => this.#change(field.value));
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
    this.#change(next);
  }

  /** Report a changed value. @param {string} text */
  #change(text) {
    this.#actions.change(this.control.name, text.trim() ? { value: text } : null);
  }

  /** Turn a value into an axis, or an axis into its first value. */
  #toggleAxis() {
    const { name } = this.control;
    this.#isAxis = !this.#isAxis;
    if (this.#isAxis) {
      const value = this.#field.value.trim() || this.control.default;
      this.#actions.change(name, value ? { values: [[value, "", ""]] } : null);
      this.#refresh();
      this.#values.input.focus();
    } else {
      const first = this.#values.rows[0];
      this.#actions.change(name, first ? { value: first[0] } : null);
      this.#refresh();
      this.#field.focus();
    }
  }

  /** Show a value. @param {any} value as requested; undefined for the default */
  show(value) {
    if (value?.values) this.#isAxis = true;
    else if (value) this.#isAxis = false;
    const rows = value?.values ?? [];
    this.#values.show(rows);
    const single = value && "value" in value ? value.value : "";
    const text = single !== null && typeof single === "object" ? value.label : String(single ?? "");
    // A field that the user is typing in keeps its text.
    if (document.activeElement !== this.#field || this.#field instanceof HTMLSelectElement) this.#field.value = text;
    this.node.classList.toggle("bcm-set", Boolean(value));
    this.#refresh();
  }

  #refresh() {
    const isAxis = this.#isAxis;
    this.#field.hidden = isAxis;
    this.#values.node.hidden = !isAxis;
    const { name } = this.control;
    const label = isAxis ? `one value of ${name}` : `several values of ${name}: an axis`;
    setButton(this.#axisButton, isAxis ? CLOSE : PLUS, label);
  }

  /** Underline words in the values. @param {Map<string, string>} unknown with their notes */
  showUnknown(unknown) {
    this.#values.showUnknown(unknown);
  }

  /** Show a problem; "" to end it. @param {string} text */
  showProblem(text) {
    this.#problem.textContent = text;
    this.#problem.hidden = !text;
    attributes(this.#field, { "aria-invalid": Boolean(text) });
  }
}

/** All arguments, in a fold whose summary names those that are set. */
export class Arguments {
  #hadProblems = false;
  #summary;

  /**
   * @param {Control[]} controls
   * @param {{change: (name: string, value: any) => void, announce: (text: string) => void}} actions
   */
  constructor(controls, actions) {
    this.node = /** @type {HTMLDetailsElement} */ (element("details", "bcm-section"));
    this.#summary = element("summary", "bcm-sectionhead");
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
   * Show the requested values.
   * @param {Record<string, any>} values by name
   * @param {string[]} slots of the template
   * @param {Record<string, string>} notes of the deck, by name
   */
  show(values, slots, notes) {
    for (const [name, argument] of this.all) {
      argument.note = name in values ? notes[name] ?? "" : "";
      argument.show(values[name]);
      // A slot named like an argument sets both; an argument that needs an image or a video is
      // hidden without one.
      const unusable = argument.control.only_with.length > 0 && !argument.control.only_with.some((one) => one in values);
      argument.node.hidden = slots.includes(name) || (unusable && !(name in values));
    }
    const set = Object.keys(values).filter((name) => !slots.includes(name));
    const texts = set.map((name) => {
      const { value, values: rows, label } = values[name];
      return `${name} ${rows ? rows.map((/** @type {any} */ row) => row[1] || String(row[0])).join(", ") : label ?? String(value)}`;
    });
    this.#summary.textContent = texts.length ? `Arguments: ${texts.join(" · ")}` : "Arguments";
  }

  /** Underline the words of notes. @param {import("./text/words.js").Note[]} notes */
  showNotes(notes) {
    for (const [name, argument] of this.all) argument.showUnknown(unknownWords(notes.filter((one) => one.argument === name)));
  }

  /** Show problems. @param {Map<string, string>} problems by argument */
  showProblems(problems) {
    for (const [name, argument] of this.all) argument.showProblem(problems.get(name) ?? "");
    if (problems.size && !this.#hadProblems) this.node.open = true;
    this.#hadProblems = problems.size > 0;
  }
}
