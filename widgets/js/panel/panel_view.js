// One view of the panel: deck, prompt, axes, arguments, cost, run.

import { attributes, div, element, focus, on } from "../core/dom.js";
import { KERNEL_GONE, applyTheme, observeHost } from "../core/host.js";
import { isTextField, listenForKeys } from "../core/keyboard.js";
import { isNotebookKey, isNotebookKeyWhileTyping } from "../core/keys.js";
import { Arguments } from "./arguments.js";
import { DeckPicker } from "./deck_picker.js";
import { labelledRow, problemLine } from "./fields.js";
import { Code, Footer } from "./footer.js";
import { NoteList } from "./text/notes.js";
import { Seeds } from "./seeds.js";
import { slotsOf } from "./text/slots.js";
import { TemplateField } from "./text/template.js";
import { Values } from "./values.js";
import { unknownWords } from "./text/words.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

/** The form. */
export class PanelView {
  /** Aborted when the view is closed; ends its listeners and observers. */
  lifetime = new AbortController();
  #status = "";
  #choices;
  #liveRegion;
  /** @type {Map<string, {node: HTMLElement, values: Values, problem: HTMLElement}>} */
  #axes = new Map();
  #deckPicker;
  #templateProblem;
  #axisList;
  #seeds;
  #arguments;
  #footer;
  #gridStyle;
  #root;
  #template;
  #notes;
  /** Unknown words with their notes. @type {Map<string, string>} */
  #unknown = new Map();

  /** @param {PanelStore} store @param {any} model @param {HTMLElement} host */
  constructor(store, model, host) {
    this.store = store;
    this.model = model;
    this.host = host;
    this.#choices = model.get("_choices");
    this.#liveRegion = div("bcm-hidden");
    attributes(this.#liveRegion, { "aria-live": "polite" });
    const announce = (/** @type {string} */ text) => { this.#liveRegion.textContent = text; };
    this.announce = announce;
    this.#deckPicker = new DeckPicker(store, this.#choices);
    this.#notes = new NoteList(this.#choices.notes);
    this.#template = new TemplateField(
      (text) => store.change((state) => { state.template = text; }), this.#choices.words, this.#notes.node);
    this.#templateProblem = problemLine();
    this.#axisList = div("bcm-axes");
    this.#seeds = new Seeds(store);
    this.#arguments = new Arguments(this.#choices.controls, {
      announce,
      change: (name, value) => store.change((state) => {
        if (value) state.arguments[name] = value;
        else delete state.arguments[name];
      }),
    });
    this.#footer = new Footer(store);
    this.code = new Code();
    this.#gridStyle = element("style");
    this.#root = div("bcm-root bcm-panel");
    this.#root.tabIndex = -1;
    attributes(this.#root, { role: "form", "aria-label": `explore ${this.#choices.model}` });
    this.#root.append(
      this.#gridStyle, this.#deckPicker.node, this.#deckPicker.notes,
      labelledRow("Prompt", this.#template.node, this.#notes.node, this.#templateProblem), this.#axisList, this.#seeds.node,
      this.#arguments.node, this.#footer.node, this.code.node, this.#liveRegion,
    );
    host.append(this.#root);
    this.#listen();
    this.#showState();
    this.#showSummary();
    this.#deckPicker.showHistory(model.get("_history") ?? []);
    if (store.connection) this.#showConnection();
  }

  // --- events of the store, the model and the page --------------------------------------------

  #listen() {
    const { model, store, lifetime: { signal } } = this;
    store.addEventListener("state", () => this.#showState(), { signal });
    store.addEventListener("connection", () => this.#showConnection(), { signal });
    /** @type {[string, () => void][]} */
    const traits = [
      ["_summary", () => this.#showSummary()], ["_run", () => this.#showSummary()],
      ["_history", () => this.#deckPicker.showHistory(model.get("_history"))],
      ["_choices", () => this.#deckPicker.updateDecks(model.get("_choices"))],
    ];
    for (const [name, listener] of traits) {
      model.on(`change:${name}`, listener);
      on(signal, "abort", () => model.off(`change:${name}`, listener));
    }
    const onMessage = (/** @type {any} */ content) => this.#onMessage(content);
    model.on("msg:custom", onMessage);
    on(signal, "abort", () => model.off("msg:custom", onMessage));
    const isHostKey = (/** @type {KeyboardEvent} */ event) =>
      (isTextField(event.composedPath()[0]) ? isNotebookKeyWhileTyping(event) : isNotebookKey(event));
    listenForKeys(this.#root, {
      isHostKey, hasCommand: () => false,
      // Esc leaves a field; a key after the focused button has gone stays in the form. The key that
      // removes a value's button also moves the focus, which stays there.
      onKey: (event) => {
        const { activeElement } = /** @type {Document | ShadowRoot} */ (this.#root.getRootNode());
        if (event.key === "Escape" || !this.#root.contains(activeElement)) focus(this.#root);
      },
    }, signal);
    on(this.#root, "keydown", (event) => {
      // Shift+Enter runs the notebook's cell: send pending edits first.
      if (isHostKey(event) && event.key === "Enter") store.flush();
    });
    // JupyterLab attaches the host after this: only then is its background known.
    const onTheme = () => applyTheme(this.#root, this.host);
    observeHost(this.#root, signal, { onResize: onTheme, onTheme });
    onTheme();
  }

  /** Show why Python does not answer, while it does not. */
  #showConnection() {
    const problem = this.store.connection;
    this.#deckPicker.showMessage(problem, Boolean(problem));
    this.#footer.actions.hidden = problem === KERNEL_GONE;
  }

  /** @param {any} content */
  #onMessage(content) {
    this.store.onAnswer();
    if (content.kind === "problem") this.#deckPicker.showMessage(content.text, true);
    if (content.kind !== "intent") return;
    this.#deckPicker.intent.select();
    this.#deckPicker.showMessage([content.text, content.note].filter(Boolean).join(" "), false);
  }

  // --- rendering ------------------------------------------------------------------------------

  #showState() {
    const { state } = this.store;
    if (!state?.axes) return;
    this.#template.show(state.template);
    const slots = slotsOf(state.template);
    this.#showAxes(slots, state);
    this.#arguments.show(state.arguments, slots, this.#deckPicker.deckOf(state)?.arguments ?? {});
    this.#seeds.show(state.seeds);
    this.#footer.show(state);
    this.#deckPicker.show(state);
    this.#deckPicker.reserve(slots.some((name) => (state.axes[name] ?? []).some((/** @type {any} */ one) => one[2])));
    this.#root.classList.toggle("bcm-pending", this.store.ahead);
    this.#showProblems();
  }

  /** Show one row per slot. @param {string[]} slots @param {any} state */
  #showAxes(slots, state) {
    for (const [name, axis] of this.#axes) {
      if (!slots.includes(name)) {
        axis.node.remove();
        this.#axes.delete(name);
      }
    }
    slots.forEach((name, i) => {
      const axis = this.#axes.get(name) ?? this.#createAxis(name);
      axis.values.show(state.axes[name] ?? []);
      if (this.#axisList.children[i] !== axis.node) this.#axisList.insertBefore(axis.node, this.#axisList.children[i] ?? null);
    });
  }

  /** Create the row of an axis. @param {string} name */
  #createAxis(name) {
    const values = new Values(name, {
      announce: this.announce, hint: (note) => this.#deckPicker.showHint(note), words: this.#choices.words,
      change: (rows) => this.store.change((state) => { state.axes[name] = rows; }),
    });
    values.showUnknown(this.#unknown);
    const line = problemLine();
    const node = labelledRow(name, values.node, line);
    node.classList.add("bcm-slotrow");
    node.dataset.slot = name;
    const axis = { node, values, problem: line };
    this.#axes.set(name, axis);
    return axis;
  }

  /** Show the cost of the sweep and the state of the run. */
  #showSummary() {
    const summary = this.model.get("_summary") ?? {};
    const run = this.model.get("_run") ?? {};
    this.#footer.showSummary(summary, run);
    if (summary.code) this.code.code.textContent = summary.code;
    if (this.#status !== run.status && run.status) this.announce(`the run is ${run.status}`);
    this.#status = run.status;
    this.#gridStyle.textContent = run.shown ? "" : hidingStyle(this.#choices.sheet);
    this.#root.classList.toggle("bcm-pending", this.store.ahead);
    this.#showNotes(summary.notes ?? []);
    this.#showProblems();
  }

  /** List notes, and underline their words wherever they are. @param {import("./text/words.js").Note[]} notes */
  #showNotes(notes) {
    this.#unknown = unknownWords(notes);
    this.#notes.show(notes);
    this.#template.showUnknown(this.#unknown);
    for (const { values } of this.#axes.values()) values.showUnknown(this.#unknown);
    this.#arguments.showNotes(notes);
  }

  /** Show each problem next to the field that it names. */
  #showProblems() {
    const { problems = [] } = this.model.get("_summary") ?? {};
    const { state } = this.store;
    /** @type {Record<string, HTMLElement>} */
    const lines = { prompt: this.#templateProblem, seed: this.#seeds.problem, seeds: this.#seeds.problem, noise: this.#seeds.problem };
    for (const [name, axis] of this.#axes) lines[name] = axis.problem;
    /** @type {Map<HTMLElement, string[]>} */
    const messagesOf = new Map([...Object.values(lines), this.#footer.problem].map((node) => [node, []]));
    /** @type {Map<string, string>} */
    const ofArguments = new Map();
    /** Slots without values: not a mistake while the user is typing. @type {string[]} */
    const empty = [];
    for (const { argument, message } of problems) {
      const axis = this.#axes.get(argument);
      if (this.#arguments.all.has(argument) && !axis) {
        ofArguments.set(argument, [ofArguments.get(argument), message].filter(Boolean).join(" "));
      } else if (axis && !(state.axes[argument] ?? []).length) empty.push(argument);
      else messagesOf.get(lines[argument] ?? this.#footer.problem)?.push(message);
    }
    for (const [node, messages] of messagesOf) {
      node.textContent = messages.slice(0, 4).join("\n");
      node.hidden = !messages.length;
    }
    this.#arguments.showProblems(ofArguments);
    this.#footer.showEmptySlots([...new Set(empty)], problems.length);
  }

  /** Remove the view. */
  close() {
    this.lifetime.abort();
    this.store.flush();
    this.#root.remove();
  }
}

/** Return the style that hides the grid below until it has something to show. @param {string} name its class */
function hidingStyle(name) {
  if (!/^[\w-]+$/.test(name)) return "";
  return `.jp-OutputArea-child:has(.${name}),.jp-OutputArea-child:has(+ .jp-OutputArea-child .${name}){display:none}`;
}
