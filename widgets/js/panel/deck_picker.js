// What to begin with: a deck, a few words, or an earlier sweep.

import { attributes, button, div, element, on } from "../core/dom.js";
import { option } from "./fields.js";
import { BACK } from "../core/icons.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

export class DeckPicker {
  #deck;
  #undo;
  #history;
  #said;
  #hint;
  #noting = false;
  #about;
  bad = false;
  #noted = "";

  /** @param {PanelStore} store @param {any} about */
  constructor(store, about) {
    this.node = div("bcm-begin");
    const select = (/** @type {string} */ label) => {
      const made = /** @type {HTMLSelectElement} */ (element("select", "bcm-input"));
      attributes(made, { "aria-label": label });
      return made;
    };
    this.#deck = select("begin with a deck");
    this.#deck.append(option("", "Begin with …"), ...about.decks.map((/** @type {any} */ one) => option(one.name, one.title)));
    on(this.#deck, "change", () => {
      if (this.#deck.value) store.say("deck", { name: this.#deck.value });
    });
    this.intent = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-intent"));
    Object.assign(this.intent, { type: "text", placeholder: "or say what you want, and press Enter", dir: "auto", maxLength: 1000 });
    attributes(this.intent, {
      "aria-label": "what you want to make: the deck with most words in common is taken",
    });
    on(this.intent, "keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || event.shiftKey || !this.intent.value.trim()) return;
      event.preventDefault();
      store.say("intent", { text: this.intent.value });
    });
    this.#undo = button(BACK, "take the deck or the earlier sweep back", () => store.say("undo"), "Undo");
    this.#undo.classList.add("bcm-quiet");
    this.#history = select("earlier sweeps");
    this.#history.classList.add("bcm-right", "bcm-history");
    on(this.#history, "change", () => {
      if (this.#history.value) store.say("history", { key: this.#history.value });
      this.#history.value = "";
    });
    this.node.append(this.#deck, this.intent, this.#undo, this.#history);
    // What is said of a value lies over the note: the page must not move under the pointer.
    this.notes = div("bcm-notes");
    this.#said = element("p", "bcm-said");
    this.#hint = element("p", "bcm-hint");
    this.#said.dir = this.#hint.dir = "auto";
    this.notes.append(this.#said, this.#hint);
    this.#about = about;
    if (about.problems.length) this.say(about.problems.join("\n"), true);
  }

  /** @param {any} about */
  offer(about) {
    const { value } = this.#deck;
    this.#about = about;
    this.#deck.replaceChildren(option("", "Begin with …"), ...about.decks.map((/** @type {any} */ one) => option(one.name, one.title)));
    this.#deck.value = value;
  }

  /** @param {any} state */
  show(state) {
    this.#deck.value = state.deck;
    this.#undo.hidden = !state.undo;
    if (state.deck === this.#noted) return;
    this.#noted = state.deck;
    const deck = this.deckOf(state);
    if (deck || !this.bad) this.say(deck?.note ?? "", false);
  }

  /** @param {any} state */
  deckOf(state) {
    return this.#about.decks.find((/** @type {any} */ one) => one.name === state.deck);
  }

  /** @param {any[]} past */
  showHistory(past) {
    this.#history.hidden = !past.length;
    this.#history.replaceChildren(option("", "Earlier sweeps"), ...past.map((one) =>
      option(one.key, `${one.name.length > 48 ? `${one.name.slice(0, 47)}…` : one.name} · ${one.cells} · ${one.when}`)));
  }

  /** @param {string} text @param {boolean} bad */
  say(text, bad) {
    this.bad = bad;
    this.#said.textContent = text;
    this.#said.classList.toggle("bcm-faulty", bad);
    attributes(this.#said, { role: bad ? "alert" : "status" });
    this.reserve(this.#noting);
    this.showHint("");
  }

  /** @param {boolean} noting whether values have notes, which need their place */
  reserve(noting) {
    this.#noting = noting;
    this.notes.hidden = !(noting || this.#said.textContent);
  }

  /** @param {string} text instead of the note for as long as it is there */
  showHint(text) {
    this.#hint.textContent = text;
    this.notes.classList.toggle("bcm-hinting", Boolean(text));
  }
}
