// The bar above the grid: what runs, how far it is, and the few controls that all cells share.

import { attributes, button, div, setButton, element, on } from "../core/dom.js";
import { FULL, PAUSE, PLAY, STOP } from "../core/icons.js";
import { Player } from "../core/player.js";
import { summary } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */

export class Toolbar {
  #actions;
  #stop;
  #message;
  #track;
  #range;

  /**
   * @param {Store} store
   * @param {{play: () => void, size: (size: number) => void, help: () => void,
   *   scrub: (share: number) => void, speed: (speed: number) => void, full: () => void,
   *   root: () => HTMLElement, shown: () => number, leave: () => void}} actions
   */
  constructor(store, actions) {
    this.store = store;
    this.#actions = actions;
    this.node = div("bcm-bar");
    attributes(this.node, { role: "toolbar", "aria-label": "run and view" });
    this.go = button(PLAY, "run", () => this.#toggle());
    this.#stop = button(STOP, "stop the run; finished clips stay", () => store.controlRun("stop"));
    this.title = element("span", "bcm-title");
    this.count = element("span", "bcm-count");
    this.#message = element("span", "bcm-message");
    this.#track = div("bcm-track");
    this.fill = div("bcm-fill");
    this.#track.append(this.fill);
    this.#range = /** @type {HTMLInputElement} */ (element("input", "bcm-range"));
    Object.assign(this.#range, { type: "range", min: "48", max: "640", step: "8" });
    attributes(this.#range, { "aria-label": "size of the cells" });
    this.#range.title = "size of the cells";
    on(this.#range, "input", () => actions.size(Number(this.#range.value)));
    this.player = new Player(actions);
    this.full = button(FULL, "full screen (F)", actions.full);
    this.full.classList.add("bcm-quiet");
    const help = button("", "keys (?)", actions.help, "?");
    help.classList.add("bcm-quiet");
    const left = div("bcm-group", this.go, this.#stop, this.count, this.#message);
    const right = div("bcm-group bcm-right", this.title, this.player.node, this.#range, this.full, help);
    this.node.append(left, right, this.#track);
  }

  #toggle() {
    const { run } = this.store;
    this.store.controlRun(run?.status === "running" ? "pause" : "run");
  }

  refresh() {
    const { store } = this;
    // Whether the run of a kernel that doesn't answer still goes on, nobody knows.
    const run = store.run && (store.connectionProblem ? { ...store.run, status: "" } : store.run);
    this.title.textContent = store.title;
    this.title.title = [store.title, store.model].filter(Boolean).join("\n");
    this.title.dir = "auto";
    const shown = this.#actions.shown();
    const some = shown < store.total ? ` · ${shown.toLocaleString("en")} shown` : "";
    this.count.textContent = store.ready ? summary(run, store.total, store.drafts) + some : "connecting to the kernel";
    this.#message.textContent = run?.message ?? "";
    this.#message.title = run?.message ?? "";
    const missing = (run?.counts.failed ?? 0) + (run?.counts.cancelled ?? 0);
    const over = run?.status === "done" || run?.status === "cancelled";
    const held = document.activeElement;
    this.go.hidden = !run?.status || (over && !missing);
    this.#stop.hidden = !run?.status || over;
    // A button that goes away leaves the keys to the cells.
    if ((held === this.go || held === this.#stop) && /** @type {HTMLElement} */ (held).hidden) this.#actions.leave();
    if (run?.status === "running") setButton(this.go, PAUSE, "pause the run", "Pause");
    else if (over) setButton(this.go, PLAY, "make what is missing", "Run the rest");
    else setButton(this.go, PLAY, "go on with the run", "Run");
    setButton(this.#stop, STOP, "stop the run; finished clips stay", "Stop");
    const counts = run?.counts ?? {};
    const finished = ["done", "cached", "failed", "cancelled"]
      .reduce((sum, status) => sum + (counts[status] ?? 0), 0);
    this.#track.hidden = !run?.status || over;
    this.fill.style.transform = `scaleX(${run?.total ? finished / run.total : 0})`;
  }

  /** @param {boolean} playing @param {number} size @param {number} speed */
  show(playing, size, speed) {
    this.player.show(playing, speed);
    if (document.activeElement !== this.#range) this.#range.value = String(size);
  }
}
