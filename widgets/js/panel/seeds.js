// The seeds: how many, from which on, and others.

import { attributes, button, div, element, on } from "../core/dom.js";
import { fill, problem, row } from "./fields.js";
import { DICE } from "../core/icons.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

export class Seeds {
  #first;
  #words;
  #count;

  /** @param {PanelStore} store */
  constructor(store) {
    const field = (/** @type {string} */ label, /** @type {(value: string) => void} */ act) => {
      const made = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-amount"));
      Object.assign(made, { type: "text", inputMode: "numeric", autocomplete: "off" });
      attributes(made, { "aria-label": label });
      on(made, "input", () => act(made.value));
      on(made, "keydown", (event) => {
        const by = { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0;
        if (!by || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        made.value = String(Math.max(made === this.#count ? 1 : 0, (Number(made.value) || 0) + by));
        act(made.value);
      });
      return made;
    };
    const whole = (/** @type {string} */ text) => (/^\s*\d{1,15}\s*$/.test(text) ? Number(text) : null);
    const put = () => {
      const count = whole(this.#count.value);
      const first = whole(this.#first.value);
      if (count === null || first === null || count < 1) return;
      store.change((state) => { state.seeds = { first, count: Math.min(count, 10000) }; });
    };
    this.#count = field("how many seeds", put);
    this.#first = field("first seed", put);
    const roll = button(DICE, "other seeds", () => {
      const { seeds } = store.state;
      const count = Array.isArray(seeds) ? seeds.length : seeds.count;
      store.change((state) => { state.seeds = { first: Math.floor(Math.random() * 2 ** 31), count }; });
    });
    this.#words = element("span", "bcm-faint");
    const line = div("bcm-group", this.#count, element("span", "bcm-faint", "from"), this.#first, roll, this.#words);
    this.problem = problem();
    this.node = row("Seeds", line, this.problem);
  }

  /** @param {any} seeds first and count, or a list of them */
  show(seeds) {
    const listed = Array.isArray(seeds);
    fill(this.#count, String(listed ? seeds.length : seeds.count));
    fill(this.#first, String(listed ? seeds[0] : seeds.first));
    this.#words.textContent = listed ? seeds.slice(0, 8).join(", ") + (seeds.length > 8 ? ", …" : "") : "";
  }
}
