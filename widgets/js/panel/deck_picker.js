// Chooses what the form starts from: a deck, a description, or an earlier sweep.

import { attributes, button, div, element, on } from "../core/dom.js";
import { BACK } from "../core/icons.js";
import { option } from "./fields.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

/** Menus of decks and earlier sweeps, a field for a description, and a line for messages. */
export class DeckPicker {
  #deck;
  #undo;
  #history;
  #message;
  #hint;
  #hasNotes = false;
  #choices;
  /** Whether the message is a problem. */
  isProblem = false;
  #deckOfNote = "";

  /** @param {PanelStore} store @param {any} choices */
  constructor(store, choices) {
    this.node = div("bcm-deckpicker");
    const select = (/** @type {string} */ label) => {
      const node = /** @type {HTMLSelectElement} */ (element("select", "bcm-input"));
      attributes(node, { "aria-label": label });
      return node;
    };
    this.#deck = select("start with a deck");
    this.#deck.append(option("", "Start with …"), ...choices.decks.map((/** @type {any} */ one) => option(one.name, one.title)));
    on(this.#deck, "change", () => {
      if (this.#deck.value) store.request("deck", { name: this.#deck.value });
    });
    this.intent = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-intent"));
    Object.assign(this.intent, { type: "text", placeholder: "or describe what you want, and press Enter", dir: "auto", maxLength: 1000 });
    attributes(this.intent, {
      "aria-label": "what you want to generate: picks the deck that shares the most words",
    });
    on(this.intent, "keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || event.shiftKey || !this.intent.value.trim()) return;
      event.preventDefault();
      store.request("intent", { text: this.intent.value });
    });
    this.#undo = button(BACK, "undo the choice of the deck or sweep", () => store.request("undo"), "Undo");
    this.#undo.classList.add("bcm-flat");
    this.#history = select("earlier sweeps");
    this.#history.classList.add("bcm-right", "bcm-history");
    on(this.#history, "change", () => {
      if (this.#history.value) store.request("restore", { key: this.#history.value });
      this.#history.value = "";
    });
    this.node.append(this.#deck, this.intent, this.#undo, this.#history);
    // Hints cover the message in place: the page must not move under the pointer.
    this.notes = div("bcm-messages");
    this.#message = element("p", "bcm-panelmessage");
    this.#hint = element("p", "bcm-hint");
    this.#message.dir = this.#hint.dir = "auto";
    this.notes.append(this.#message, this.#hint);
    this.#choices = choices;
    if (choices.problems.length) this.showMessage(choices.problems.join("\n"), true);
  }

  /** Replace the decks of the menu. @param {any} choices */
  updateDecks(choices) {
    const { value } = this.#deck;
    this.#choices = choices;
    this.#deck.replaceChildren(option("", "Start with …"), ...choices.decks.map((/** @type {any} */ one) => option(one.name, one.title)));
    this.#deck.value = value;
  }

  /** Show the state. @param {any} state */
  show(state) {
    this.#deck.value = state.deck;
    this.#undo.hidden = !state.undo;
    if (state.deck === this.#deckOfNote) return;
    this.#deckOfNote = state.deck;
    const deck = this.deckOf(state);
    if (deck || !this.isProblem) this.showMessage(deck?.note ?? "", false);
  }

  /** Return the deck of the state. @param {any} state */
  deckOf(state) {
    return this.#choices.decks.find((/** @type {any} */ one) => one.name === state.deck);
  }

  /** Show earlier sweeps. @param {any[]} sweeps */
  showHistory(sweeps) {
    this.#history.hidden = !sweeps.length;
    this.#history.replaceChildren(option("", "Earlier sweeps"), ...sweeps.map((one) =>
      option(one.key, `${one.name.length > 48 ? `${one.name.slice(0, 47)}…` : one.name} · ${one.cells} · ${one.when}`)));
  }

  /** Show a message. @param {string} text @param {boolean} isProblem */
  showMessage(text, isProblem) {
    this.isProblem = isProblem;
    this.#message.textContent = text;
    this.#message.classList.toggle("bcm-invalid", isProblem);
    attributes(this.#message, { role: isProblem ? "alert" : "status" });
    this.reserve(this.#hasNotes);
    this.showHint("");
  }

  /** Reserve space for hints. @param {boolean} hasNotes whether any value has a note */
  reserve(hasNotes) {
    this.#hasNotes = hasNotes;
    this.notes.hidden = !(hasNotes || this.#message.textContent);
  }

  /** Show a hint in the place of the message; "" to end it. @param {string} text */
  showHint(text) {
    this.#hint.textContent = text;
    this.notes.classList.toggle("bcm-hashint", Boolean(text));
  }
}
