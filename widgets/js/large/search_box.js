// Finding: a line that says which clips are shown, and by what they are ordered.

import { attributes, button, div, setButton, element, on } from "../core/dom.js";
import { DOWN, REJECT } from "../core/icons.js";
import { openMenu } from "../core/menu.js";
import { parse } from "../query.js";

/** @typedef {import("../data/store.js").Store} Store */

// PanelStore for every letter would lay everything out anew while somebody types.
const PAUSE = 160;
const HIDE = "-is:rejected";
// What people sort by most stands first.
const FIRST = ["stars", "seconds", "created", "seed", "prompt"];

/**
 * Give a term to a line, or take it out.
 * @param {string} line
 * @param {string} term
 * @param {boolean} on
 */
export function withTerm(line, term, on) {
  const rest = ` ${line} `.replaceAll(` ${term} `, " ").trim();
  return on ? `${rest} ${term}`.trim() : rest;
}

export class SearchBox {
  #options;
  #input;
  #hide;
  #sorted;
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
    this.node = div("bcm-find");
    attributes(this.node, { role: "group", "aria-label": "find and order" });
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
      clearTimeout(this.later);
      this.later = setTimeout(() => this.#take(), PAUSE);
    });
    on(this.#input, "focus", () => store.columns.request());
    on(this.#input, "keydown", (event) => this.#onKey(event));
    on(this.#input, "blur", () => {
      // Only what was typed: Python may have set another line meanwhile.
      if (this.later) this.#take();
      this.refresh();
    });
    this.#hide = button(REJECT, "hide rejected clips", () => this.#toggleHide(), "Hide");
    this.#sorted = button(DOWN, "order", () => this.#openSort());
    attributes(this.#sorted, { "aria-haspopup": "menu" });
    this.node.append(this.#input, this.#problem, this.#hide, this.#sorted);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Enter") this.#take();
    else if (event.key === "Escape" && this.#input.value) {
      this.#input.value = "";
      this.#take();
    } else if (event.key !== "Escape") return;
    if (event.key === "Enter" || !this.#input.value) this.#options.leave();
    event.preventDefault();
    event.stopPropagation();
  }

  /** Take over what was typed, if it makes sense. */
  #take() {
    clearTimeout(this.later);
    this.later = 0;
    const text = this.#input.value.trim();
    const { columns, away } = this.#store;
    // Names of facts are known once Python has answered; it looks at the line again.
    const { problem } = columns.ready ? parse(text, columns.names()) : { problem: text && away };
    this.#problem.textContent = problem;
    attributes(this.#input, { "aria-invalid": Boolean(problem) });
    if (!problem && text !== this.#options.filter()) this.#options.set("filter", text);
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  clear() {
    this.#input.value = "";
    this.#options.set("filter", "");
  }

  #toggleHide() {
    const on = this.#hide.getAttribute("aria-pressed") !== "true";
    this.#options.set("filter", withTerm(this.#options.filter(), HIDE, on));
  }

  #openSort() {
    const { columns } = this.#store;
    columns.request();
    const now = this.#options.sort();
    const names = [...new Set([...FIRST, ...columns.names()])];
    const to = (/** @type {string} */ by) => () => this.#options.set("sort", by);
    openMenu(this.#sorted, [
      { label: "as it was laid out", on: !now, act: to("") },
      { label: "order by", heading: true },
      ...names.map((name) => {
        const on = now === name || now === `-${name}`;
        const way = now === `-${name}` ? "  ↓" : now === name ? "  ↑" : "";
        // Most is asked for from the top; pressed again it turns round.
        return { label: name + way, on, act: to(now === `-${name}` ? name : `-${name}`) };
      }),
    ], this.#options.root());
  }

  refresh() {
    const [filter, sort] = [this.#options.filter(), this.#options.sort()];
    if (document.activeElement !== this.#input) this.#input.value = filter;
    const hidden = filter.split(/\s+/).includes(HIDE);
    attributes(this.#hide, { "aria-pressed": hidden });
    this.#hide.classList.toggle("bcm-on", hidden);
    const words = sort ? `${sort.replace(/^-/, "")} ${sort.startsWith("-") ? "↓" : "↑"}` : "Order";
    setButton(this.#sorted, DOWN, sort ? `order: ${words}` : "order", words);
    this.node.hidden = this.#store.total < 2;
  }
}
