// What a sweep costs, how it is laid out and called, and the run.

import { attributes, button, copy, div, setButton, element, on } from "../core/dom.js";
import { fill, option, problem } from "./fields.js";
import { PAUSE, PLAY, PLUS, STOP } from "../core/icons.js";
import { describeCost, runLabel } from "./slots.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

export class Footer {
  #layout;
  #sample;
  #pause;
  #costs;
  #name;

  /** @param {PanelStore} store */
  constructor(store) {
    const foot = div("bcm-foot");
    this.#layout = /** @type {HTMLSelectElement} */ (element("select", "bcm-input"));
    this.#layout.append(option("product", "all combinations"), option("zip", "in pairs"));
    attributes(this.#layout, { "aria-label": "how axes are combined" });
    on(this.#layout, "change", () => store.change((state) => { state.layout = this.#layout.value; }));
    this.#sample = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-amount"));
    Object.assign(this.#sample, { type: "text", inputMode: "numeric", placeholder: "all", autocomplete: "off" });
    attributes(this.#sample, { "aria-label": "draw so many; empty for all" });
    on(this.#sample, "input", () => store.change((state) => {
      const n = Number(this.#sample.value);
      state.sample = this.#sample.value.trim() && Number.isInteger(n) && n > 0 && n <= 1e6 ? n : null;
    }));
    this.#name = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-sweepname"));
    Object.assign(this.#name, { type: "text", placeholder: "name of the sweep", maxLength: 120, dir: "auto", autocomplete: "off" });
    attributes(this.#name, { "aria-label": "name of the sweep, to find it again" });
    on(this.#name, "input", () => store.change((state) => { state.name = this.#name.value; }));
    this.go = button(PLAY, "run", () => store.say("run"), "Run");
    this.go.classList.add("bcm-primary");
    this.#pause = button(PAUSE, "pause the run", () => store.say("pause"), "Pause");
    this.stop = button(STOP, "stop the run; finished clips stay", () => store.say("stop"), "Stop");
    this.#costs = div("bcm-costs");
    attributes(this.#costs, { role: "status" });
    this.problem = problem();
    const how = div("bcm-group bcm-how");
    const draw = element("span", "bcm-group");
    draw.append(element("span", "bcm-faint", "draw"), this.#sample);
    how.append(this.#layout, draw, this.#name);
    this.actions = div("bcm-group bcm-right", this.#pause, this.stop, this.go);
    foot.append(how, this.actions);
    this.node = div("bcm-footer", this.#costs, this.problem, foot);
  }

  /** @param {any} state */
  show(state) {
    fill(this.#sample, state.sample === null ? "" : String(state.sample));
    fill(this.#name, state.name);
    this.#layout.value = state.layout;
  }

  /** @param {string[]} empty slots without values @param {number} problems all of them */
  lack(empty, problems) {
    if (!empty.length || problems > empty.length) return;
    this.#costs.textContent = `Give values to ${empty.join(", ")}`;
    this.#costs.classList.remove("bcm-faulty");
  }

  /** @param {any} found the summary @param {any} run */
  tell(found, run) {
    const bad = found.problems?.length ?? 0;
    this.#costs.textContent = !found.serial ? "" : bad ? (bad === 1 ? "One thing to change" : `${bad} things to change`) : describeCost(found);
    this.#costs.classList.toggle("bcm-faulty", bad > 0);
    const going = ["running", "pausing"].includes(run.status) && !run.finished;
    const paused = run.status === "paused";
    this.#pause.hidden = !going || run.status === "pausing";
    this.stop.hidden = !(going || paused);
    this.go.hidden = going;
    const words = runLabel(found);
    setButton(this.go, PLAY, paused ? "go on with the run" : words, paused ? "Go on" : words);
    this.go.disabled = !paused && (bad > 0 || !found.serial);
  }
}

/** The lines of Python that do the same. */
export class Code {
  constructor() {
    this.node = element("details", "bcm-fold");
    this.code = element("pre", "bcm-code");
    this.code.tabIndex = 0;
    const done = element("span", "bcm-copied");
    attributes(done, { role: "status" });
    const copies = button(PLUS, "copy the code", async () => {
      done.textContent = (await copy(this.code.textContent ?? "", this.node)) ? "copied" : "select the text and copy it";
    });
    copies.textContent = "Copy";
    const line = div("bcm-group", copies, done);
    this.node.append(element("summary", "bcm-foldhead", "Code that does the same"), this.code, line);
  }
}
