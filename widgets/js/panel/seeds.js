// The fields of the seeds: how many, the first one, and a button for random ones.

import { attributes, button, div, element, on } from "../core/dom.js";
import { DICE } from "../core/icons.js";
import { labelledRow, problemLine, setText } from "./fields.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

/** A count, a first seed and a dice button. */
export class Seeds {
  #first;
  #list;
  #count;

  /** @param {PanelStore} store */
  constructor(store) {
    const field = (/** @type {string} */ label, /** @type {(value: string) => void} */ onInput) => {
      const node = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-numberinput"));
      Object.assign(node, { type: "text", inputMode: "numeric", autocomplete: "off" });
      attributes(node, { "aria-label": label });
      on(node, "input", () => onInput(node.value));
      on(node, "keydown", (event) => {
        const by = { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0;
        if (!by || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        node.value = String(Math.max(node === this.#count ? 1 : 0, (Number(node.value) || 0) + by));
        onInput(node.value);
      });
      return node;
    };
    const parseInteger = (/** @type {string} */ text) => (/^\s*\d{1,15}\s*$/.test(text) ? Number(text) : null);
    const update = () => {
      const count = parseInteger(this.#count.value);
      const first = parseInteger(this.#first.value);
      if (count === null || first === null || count < 1) return;
      store.change((state) => { state.seeds = { first, count: Math.min(count, 10000) }; });
    };
    this.#count = field("number of seeds", update);
    this.#first = field("first seed", update);
    const roll = button(DICE, "random seeds", () => {
      const { seeds } = store.state;
      const count = Array.isArray(seeds) ? seeds.length : seeds.count;
      store.change((state) => { state.seeds = { first: Math.floor(Math.random() * 2 ** 31), count }; });
    });
    this.#list = element("span", "bcm-muted");
    const line = div("bcm-group", this.#count, element("span", "bcm-muted", "from"), this.#first, roll, this.#list);
    this.problem = problemLine();
    this.node = labelledRow("Seeds", line, this.problem);
  }

  /** Show the seeds. @param {any} seeds first and count, or a list */
  show(seeds) {
    const listed = Array.isArray(seeds);
    setText(this.#count, String(listed ? seeds.length : seeds.count));
    setText(this.#first, String(listed ? seeds[0] : seeds.first));
    this.#list.textContent = listed ? seeds.slice(0, 8).join(", ") + (seeds.length > 8 ? ", …" : "") : "";
  }
}
