// One view of a panel: what to begin with, the prompt, its axes, what it costs, the run.

import { Arguments } from "./arguments.js";
import { DeckPicker } from "./deck_picker.js";
import { attributes, div, element, on } from "../core/dom.js";
import { problem, row } from "./fields.js";
import { Code, Footer } from "./footer.js";
import { guardShortcuts, isNotebookKey, isNotebookKeyWhileTyping } from "../core/keys.js";
import { KERNEL_GONE, observeHost, leave, applyTheme } from "../core/host.js";
import { Seeds } from "./seeds.js";
import { slotsOf } from "./slots.js";
import { TemplateField } from "./template.js";
import { Values } from "./values.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

const TYPED = "textarea, input, select";

export class PanelView {
  ending = new AbortController();
  #status = "";
  #away = "";
  #about;
  #live;
  /** @type {Map<string, {node: HTMLElement, values: Values, problem: HTMLElement}>} */
  #axes = new Map();
  #deckPicker;
  #templateProblem;
  #axisList;
  #seeds;
  #arguments;
  #footer;
  #hiding;
  #root;
  #template;

  /** @param {PanelStore} store @param {any} model @param {HTMLElement} host */
  constructor(store, model, host) {
    this.store = store;
    this.model = model;
    this.host = host;
    this.#about = model.get("_about");
    this.#live = div("bcm-hidden");
    attributes(this.#live, { "aria-live": "polite" });
    const say = (/** @type {string} */ text) => { this.#live.textContent = text; };
    this.say = say;
    this.#deckPicker = new DeckPicker(store, this.#about);
    this.#template = new TemplateField((text) => store.change((state) => { state.template = text; }));
    this.#templateProblem = problem();
    this.#axisList = div("bcm-axes");
    this.#seeds = new Seeds(store);
    this.#arguments = new Arguments(this.#about.controls, {
      say,
      change: (name, given) => store.change((state) => {
        if (given) state.arguments[name] = given;
        else delete state.arguments[name];
      }),
    });
    this.#footer = new Footer(store);
    this.code = new Code();
    this.#hiding = element("style");
    this.#root = div("bcm-root bcm-panel");
    attributes(this.#root, { role: "form", "aria-label": `explore ${this.#about.model}` });
    this.#root.append(
      this.#hiding, this.#deckPicker.node, this.#deckPicker.notes,
      row("Prompt", this.#template.node, this.#templateProblem), this.#axisList, this.#seeds.node,
      this.#arguments.node, this.#footer.node, this.code.node, this.#live,
    );
    host.append(this.#root);
    this.#listen();
    this.#show();
    this.#tell();
    this.#deckPicker.showHistory(model.get("_history") ?? []);
  }

  // --- what comes from elsewhere --------------------------------------------------------------

  #listen() {
    const { model, store, ending: { signal } } = this;
    store.addEventListener("state", () => this.#show(), { signal });
    store.addEventListener("away", (event) => this.#onAway(/** @type {CustomEvent} */ (event).detail), { signal });
    /** @type {[string, () => void][]} */
    const traits = [
      ["_summary", () => this.#tell()], ["_run", () => this.#tell()],
      ["_history", () => this.#deckPicker.showHistory(model.get("_history"))],
      ["_about", () => this.#deckPicker.offer(model.get("_about"))],
    ];
    for (const [name, act] of traits) {
      model.on(`change:${name}`, act);
      on(signal, "abort", () => model.off(`change:${name}`, act));
    }
    const hear = (/** @type {any} */ content) => this.#hear(content);
    model.on("msg:custom", hear);
    on(signal, "abort", () => model.off("msg:custom", hear));
    const theirs = (/** @type {KeyboardEvent} */ event) =>
      (event.target instanceof HTMLElement && event.target.matches(TYPED) ? isNotebookKeyWhileTyping(event) : isNotebookKey(event));
    // Before the document, where Jupyter listens.
    on(window, "keydown", (event) => guardShortcuts(event, this.#root, theirs), { capture: true, signal });
    on(this.#root, "keydown", (event) => {
      if (theirs(event)) {
        // Shift+Enter runs the cell: what was typed goes first.
        if (event.key === "Enter") store.flush();
        return;
      }
      if (event.key === "Escape") leave(this.#root);
      event.stopPropagation();
    });
    // Lab puts the host on its page after this: only then is its ground known.
    const themed = () => applyTheme(this.#root, this.host);
    observeHost(this.#root, signal, { resized: themed, themed });
    themed();
  }

  /** @param {string} why nothing comes from Python; "" where it answers */
  #onAway(why) {
    if (why === this.#away) return;
    // Nobody wants to be told twice of a kernel that is gone.
    if (why && this.#away === KERNEL_GONE) return;
    this.#away = why;
    this.#deckPicker.say(why, Boolean(why));
    this.#footer.actions.hidden = why === KERNEL_GONE;
  }

  /** @param {any} content */
  #hear(content) {
    this.store.heard();
    if (content.kind === "problem") this.#deckPicker.say(content.text, true);
    if (content.kind !== "intent") return;
    this.#deckPicker.intent.select();
    this.#deckPicker.say([content.text, content.note].filter(Boolean).join(" "), false);
  }

  // --- what is shown --------------------------------------------------------------------------

  #show() {
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
    this.#root.classList.toggle("bcm-ahead", this.store.ahead);
    this.#showProblems();
  }

  /** @param {string[]} slots @param {any} state */
  #showAxes(slots, state) {
    for (const [name, axis] of this.#axes) {
      if (!slots.includes(name)) {
        axis.node.remove();
        this.#axes.delete(name);
      }
    }
    slots.forEach((name, i) => {
      const axis = this.#axes.get(name) ?? this.#makeAxis(name);
      axis.values.show(state.axes[name] ?? []);
      if (this.#axisList.children[i] !== axis.node) this.#axisList.insertBefore(axis.node, this.#axisList.children[i] ?? null);
    });
  }

  /** @param {string} name */
  #makeAxis(name) {
    const values = new Values(name, {
      say: this.say, hint: (note) => this.#deckPicker.showHint(note),
      change: (rows) => this.store.change((state) => { state.axes[name] = rows; }),
    });
    const complaint = problem();
    const node = row(name, values.node, complaint);
    node.classList.add("bcm-slotrow");
    node.dataset.slot = name;
    const made = { node, values, problem: complaint };
    this.#axes.set(name, made);
    return made;
  }

  /** Say what it costs, and how far the run is. */
  #tell() {
    const found = this.model.get("_summary") ?? {};
    const run = this.model.get("_run") ?? {};
    this.#footer.tell(found, run);
    if (found.code) this.code.code.textContent = found.code;
    if (this.#status !== run.status && run.status) this.say(`the run is ${run.status}`);
    this.#status = run.status;
    this.#hiding.textContent = run.shown ? "" : hidden(this.#about.sheet);
    this.#root.classList.toggle("bcm-ahead", this.store.ahead);
    this.#showProblems();
  }

  /** Problems stand where what they name is. */
  #showProblems() {
    const found = this.model.get("_summary");
    const { state } = this.store;
    /** @type {Record<string, HTMLElement>} */
    const places = { prompt: this.#templateProblem, seed: this.#seeds.problem, seeds: this.#seeds.problem, noise: this.#seeds.problem };
    for (const [name, axis] of this.#axes) places[name] = axis.problem;
    /** @type {Map<HTMLElement, string[]>} */
    const said = new Map([...Object.values(places), this.#footer.problem].map((node) => [node, []]));
    /** @type {Map<string, string>} */
    const arguments_ = new Map();
    /** A slot that was just typed is no mistake yet. @type {string[]} */
    const empty = [];
    for (const { argument, message } of found?.problems ?? []) {
      const axis = this.#axes.get(argument);
      if (this.#arguments.all.has(argument) && !axis) arguments_.set(argument, [arguments_.get(argument), message].filter(Boolean).join(" "));
      else if (axis && !(state.axes[argument] ?? []).length) empty.push(argument);
      else said.get(places[argument] ?? this.#footer.problem)?.push(message);
    }
    for (const [node, messages] of said) {
      node.textContent = messages.slice(0, 4).join("\n");
      node.hidden = !messages.length;
    }
    this.#arguments.complain(arguments_);
    this.#footer.lack([...new Set(empty)], found?.problems?.length ?? 0);
  }

  close() {
    this.ending.abort();
    this.store.flush();
    this.#root.remove();
  }
}

/** The grid below is there from the beginning: it is hidden until it has something to show. @param {string} name */
function hidden(name) {
  if (!/^[\w-]+$/.test(name)) return "";
  return `.jp-OutputArea-child:has(.${name}),.jp-OutputArea-child:has(+ .jp-OutputArea-child .${name}){display:none}`;
}
