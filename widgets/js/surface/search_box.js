// The query field that filters the clips, and the menu that sorts them.

import { attributes, button, div, element, on, press, setButton } from "../core/dom.js";
import { DOWN, REJECT } from "../core/icons.js";
import { openMenu } from "../core/menu.js";
import { parse } from "../query.js";

/** @typedef {import("../data/store.js").Store} Store */

// Milliseconds after the last key: filtering at every letter would lay out everything while the user types.
const TYPING_DELAY = 160;
const HIDE_REJECTED = "-is:rejected";
// The most common sort keys come first.
const COMMON = ["stars", "seconds", "created", "seed", "prompt"];

/**
 * Add a term to a query, or remove it.
 * @param {string} query
 * @param {string} term
 * @param {boolean} on
 */
export function withTerm(query, term, on) {
  const rest = ` ${query} `.replaceAll(` ${term} `, " ").trim();
  return on ? `${rest} ${term}`.trim() : rest;
}

/** The query field, the button that hides rejected clips, and the sort menu. */
export class SearchBox {
  #options;
  #input;
  #hideButton;
  #sortButton;
  #store;
  #problem;

  /**
   * @param {Store} store
   * @param {{filter: () => string, sort: () => string, set: (name: string, value: string) => void,
   *   root: () => HTMLElement, leave: () => void}} options
   */
  constructor(store, options) {
    this.#store = store;
    this.#options = options;
    this.node = div("bcm-search");
    attributes(this.node, { role: "group", "aria-label": "filter and sort" });
    this.#input = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-query"));
    Object.assign(this.#input, {
      type: "search", placeholder: "find:  bee  stars>=3", spellcheck: false, autocomplete: "off",
    });
    this.#input.dir = "auto";
    attributes(this.#input, { "aria-label": "find clips" });
    this.#input.title = "Words, or: stars>=3   tag:keep   is:rejected   insect:bee,moth   seconds<2   -not";
    this.#problem = element("span", "bcm-problem");
    this.#problem.id = `bcm-problem-${Math.random().toString(36).slice(2)}`;
    attributes(this.#problem, { role: "status" });
    attributes(this.#input, { "aria-describedby": this.#problem.id });
    on(this.#input, "input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#apply(), TYPING_DELAY);
    });
    on(this.#input, "focus", () => store.columns.request());
    on(this.#input, "keydown", (event) => this.#onKey(event));
    on(this.#input, "blur", () => {
      // Only text that was typed: Python may have set another query in the meantime.
      if (this.timer) this.#apply();
      this.refresh();
    });
    this.#hideButton = button(REJECT, "hide rejected clips", () => this.#toggleHide(), "Hide");
    this.#sortButton = button(DOWN, "sort", () => this.#openSort());
    attributes(this.#sortButton, { "aria-haspopup": "menu" });
    this.node.append(this.#input, this.#problem, this.#hideButton, this.#sortButton);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Enter") this.#apply();
    else if (event.key === "Escape" && this.#input.value) {
      this.#input.value = "";
      this.#apply();
    } else if (event.key !== "Escape") return;
    if (event.key === "Enter" || !this.#input.value) this.#options.leave();
    event.preventDefault();
    event.stopPropagation();
  }

  /** Apply the typed query, if it is valid. */
  #apply() {
    clearTimeout(this.timer);
    this.timer = 0;
    const text = this.#input.value.trim();
    const { columns, connectionProblem } = this.#store;
    // Column names are known once Python has answered; filtering then checks the query again.
    const { problem } = columns.ready ? parse(text, columns.names()) : { problem: text && connectionProblem };
    this.#problem.textContent = problem;
    attributes(this.#input, { "aria-invalid": Boolean(problem) });
    if (!problem && text !== this.#options.filter()) this.#options.set("filter", text);
  }

  /** Focus the query field. */
  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** Remove the filter. */
  clear() {
    this.#input.value = "";
    this.#options.set("filter", "");
  }

  #toggleHide() {
    const hide = this.#hideButton.getAttribute("aria-pressed") !== "true";
    this.#options.set("filter", withTerm(this.#options.filter(), HIDE_REJECTED, hide));
  }

  #openSort() {
    const { columns } = this.#store;
    columns.request();
    const now = this.#options.sort();
    const names = [...new Set([...COMMON, ...columns.names()])];
    const sortBy = (/** @type {string} */ by) => () => this.#options.set("sort", by);
    openMenu(this.#sortButton, [
      { label: "default order", checked: !now, action: sortBy("") },
      { label: "sort by", heading: true },
      ...names.map((name) => {
        const checked = now === name || now === `-${name}`;
        const arrow = now === `-${name}` ? "  ↓" : now === name ? "  ↑" : "";
        // Descending first, so that the best are at the top; pressed again, ascending.
        return { label: name + arrow, checked, action: sortBy(now === `-${name}` ? name : `-${name}`) };
      }),
    ], this.#options.root());
  }

  /** Show the current filter and sort key. */
  refresh() {
    const [filter, sort] = [this.#options.filter(), this.#options.sort()];
    if (document.activeElement !== this.#input) this.#input.value = filter;
    const hidden = filter.split(/\s+/).includes(HIDE_REJECTED);
    press(this.#hideButton, hidden);
    const text = sort ? `${sort.replace(/^-/, "")} ${sort.startsWith("-") ? "↓" : "↑"}` : "Sort";
    setButton(this.#sortButton, DOWN, sort ? `sort: ${text}` : "sort", text);
    this.node.hidden = this.#store.total < 2;
  }
}
