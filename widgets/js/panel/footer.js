// The end of the form: the cost of the sweep, its layout and name, the run, and the equivalent code.

import { attributes, button, copy, div, element, on, setButton } from "../core/dom.js";
import { PAUSE, PLAY, PLUS, STOP } from "../core/icons.js";
import { pluralize } from "../core/text.js";
import { option, problemLine, setText } from "./fields.js";
import { describeCost, runLabel } from "./text/slots.js";

/** @typedef {import("./panel_store.js").PanelStore} PanelStore */

/** Cost, layout, sample size, name, and the buttons of the run. */
export class Footer {
  #layout;
  #sample;
  #pauseButton;
  #cost;
  #name;

  /** @param {PanelStore} store */
  constructor(store) {
    const line = div("bcm-footerrow");
    this.#layout = /** @type {HTMLSelectElement} */ (element("select", "bcm-input"));
    this.#layout.append(option("product", "all combinations"), option("zip", "in pairs"));
    attributes(this.#layout, { "aria-label": "how axes are combined" });
    on(this.#layout, "change", () => store.change((state) => { state.layout = this.#layout.value; }));
    this.#sample = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-numberinput"));
    Object.assign(this.#sample, { type: "text", inputMode: "numeric", placeholder: "all", autocomplete: "off" });
    attributes(this.#sample, { "aria-label": "number of random cells; empty for all" });
    on(this.#sample, "input", () => store.change((state) => {
      const n = Number(this.#sample.value);
      state.sample = this.#sample.value.trim() && Number.isInteger(n) && n > 0 && n <= 1e6 ? n : null;
    }));
    this.#name = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-sweepname"));
    Object.assign(this.#name, { type: "text", placeholder: "name of the sweep", maxLength: 120, dir: "auto", autocomplete: "off" });
    attributes(this.#name, { "aria-label": "name of the sweep, to find it again" });
    on(this.#name, "input", () => store.change((state) => { state.name = this.#name.value; }));
    this.runButton = button(PLAY, "run", () => store.request("run"), "Run");
    this.runButton.classList.add("bcm-primary");
    this.#pauseButton = button(PAUSE, "pause the run", () => store.request("pause"), "Pause");
    this.stopButton = button(STOP, "stop the run; finished clips stay", () => store.request("stop"), "Stop");
    this.#cost = div("bcm-cost");
    attributes(this.#cost, { role: "status" });
    this.problem = problemLine();
    const settings = div("bcm-group bcm-runsettings");
    const sample = element("span", "bcm-group");
    sample.append(element("span", "bcm-muted", "sample"), this.#sample);
    settings.append(this.#layout, sample, this.#name);
    this.actions = div("bcm-group bcm-right", this.#pauseButton, this.stopButton, this.runButton);
    line.append(settings, this.actions);
    this.node = div("bcm-footer", this.#cost, this.problem, line);
  }

  /** Show the state. @param {any} state */
  show(state) {
    setText(this.#sample, state.sample === null ? "" : String(state.sample));
    setText(this.#name, state.name);
    this.#layout.value = state.layout;
  }

  /** If all problems are slots without values, request the values. @param {string[]} empty @param {number} problems count */
  showEmptySlots(empty, problems) {
    if (!empty.length || problems > empty.length) return;
    this.#cost.textContent = `Add values to ${empty.join(", ")}`;
    this.#cost.classList.remove("bcm-invalid");
  }

  /** Show the cost and the state of the run. @param {any} summary @param {any} run */
  showSummary(summary, run) {
    const problems = summary.problems?.length ?? 0;
    const cost = problems ? `${pluralize(problems, "problem")} to fix` : describeCost(summary);
    this.#cost.textContent = summary.serial ? cost : "";
    this.#cost.classList.toggle("bcm-invalid", problems > 0);
    const running = ["running", "pausing"].includes(run.status) && !run.finished;
    const paused = run.status === "paused";
    this.#pauseButton.hidden = !running || run.status === "pausing";
    this.stopButton.hidden = !(running || paused);
    this.runButton.hidden = running;
    const label = runLabel(summary);
    setButton(this.runButton, PLAY, paused ? "resume the run" : label, paused ? "Resume" : label);
    this.runButton.disabled = !paused && (problems > 0 || !summary.serial);
  }
}

/** The equivalent lines of Python. */
export class Code {
  constructor() {
    this.node = element("details", "bcm-section");
    this.code = element("pre", "bcm-code");
    this.code.tabIndex = 0;
    const message = element("span", "bcm-copied");
    attributes(message, { role: "status" });
    const copyButton = button(PLUS, "copy the code", async () => {
      message.textContent = (await copy(this.code.textContent ?? "", this.node)) ? "copied" : "select the text and copy it";
    });
    copyButton.textContent = "Copy";
    const line = div("bcm-group", copyButton, message);
    this.node.append(element("summary", "bcm-sectionhead", "Equivalent code"), this.code, line);
  }
}
