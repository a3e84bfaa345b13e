// The bar above the grid: the run and its progress, playback, cell size.

import { attributes, button, div, element, on, setButton } from "../core/dom.js";
import { FULL, PAUSE, PLAY, STOP } from "../core/icons.js";
import { Player } from "../core/player.js";
import { summarizeRun } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */

/**
 * One bar of three groups: the run, finding clips, and the look of the grid. Each part has its place
 * whatever is shown in it, so that neither the bar nor the grid below moves under the pointer.
 */
export class Toolbar {
  #actions;
  #stopButton;
  #message;
  #track;
  #range;

  /**
   * @param {Store} store
   * @param {{play: () => void, size: (size: number) => void, help: () => void,
   *   scrub: (share: number) => void, speed: (speed: number) => void, fullScreen: () => void,
   *   root: () => HTMLElement, shown: () => number, inView: () => number, focusCells: () => void}} actions
   * @param {{run: HTMLElement[], find: HTMLElement[], look: HTMLElement[]}} more controls, by group
   */
  constructor(store, actions, more) {
    this.store = store;
    this.#actions = actions;
    this.node = div("bcm-toolbar");
    attributes(this.node, { role: "toolbar", "aria-label": "run, find, look" });
    this.runButton = button(PLAY, "run", () => this.#toggle());
    this.#stopButton = button(STOP, "stop the run; finished clips stay", () => store.controlRun("stop"), "Stop");
    this.title = element("span", "bcm-title");
    this.count = element("span", "bcm-count");
    this.#message = element("span", "bcm-message");
    this.#track = div("bcm-track");
    this.fill = div("bcm-fill");
    this.#track.append(this.fill);
    this.#range = /** @type {HTMLInputElement} */ (element("input", "bcm-range"));
    Object.assign(this.#range, { type: "range", min: "48", max: "640", step: "8" });
    attributes(this.#range, { "aria-label": "cell size" });
    this.#range.title = "cell size";
    on(this.#range, "input", () => actions.size(Number(this.#range.value)));
    this.player = new Player(actions);
    this.fullScreen = button(FULL, "full screen (F)", actions.fullScreen);
    this.fullScreen.classList.add("bcm-flat");
    const help = button("", "keys (?)", actions.help, "?");
    help.classList.add("bcm-flat");
    const size = element("label", "bcm-named", "size");
    size.append(this.#range);
    const group = (/** @type {string} */ name, /** @type {HTMLElement[]} */ parts) => {
      const node = div(`bcm-group bcm-${name}`, ...parts);
      attributes(node, { role: "group", "aria-label": name });
      return node;
    };
    const right = div("bcm-group bcm-right", this.player.node, size, this.fullScreen, help);
    this.node.append(
      group("run", [this.runButton, this.#stopButton, ...more.run, this.count, this.#message, this.title]),
      group("find", more.find), group("look", [...more.look, right]), this.#track,
    );
  }

  #toggle() {
    const { run } = this.store;
    this.store.controlRun(run?.status === "running" ? "pause" : "run");
  }

  /** Show the state of the run. */
  refresh() {
    const { store } = this;
    // While the kernel does not answer, the state of its run is unknown.
    const run = store.run && (store.connectionProblem ? { ...store.run, status: "" } : store.run);
    this.title.textContent = store.title;
    this.title.title = [store.title, store.model].filter(Boolean).join("\n");
    this.title.dir = "auto";
    const shown = this.#actions.shown();
    const inView = this.#actions.inView();
    const filtered = shown < store.total ? ` · ${shown.toLocaleString("en")} shown` : "";
    const part = inView && inView < shown ? ` · ${inView.toLocaleString("en")} in view` : "";
    this.count.textContent = store.ready ? summarizeRun(run, store.total, store.drafts) + filtered + part : "connecting to the kernel";
    this.count.title = this.count.textContent; // a narrow bar cuts it
    this.#message.textContent = run?.message ?? "";
    this.#message.title = run?.message ?? "";
    const missing = (run?.counts.failed ?? 0) + (run?.counts.cancelled ?? 0);
    const ended = run?.status === "done" || run?.status === "cancelled";
    const focused = document.activeElement;
    this.runButton.hidden = !run?.status || (ended && !missing);
    this.#stopButton.hidden = !run?.status || ended;
    // When the focused button disappears, the focus moves to the cells.
    const lostFocus = [this.runButton, this.#stopButton].some((node) => node === focused && node.hidden);
    if (lostFocus) this.#actions.focusCells();
    if (run?.status === "running") setButton(this.runButton, PAUSE, "pause the run", "Pause the run");
    else if (ended) {
      const onlyFailed = !run?.counts.cancelled;
      setButton(this.runButton, PLAY, onlyFailed ? "retry failed clips" : "run the rest: generate the missing clips",
        onlyFailed ? "Retry failed" : "Run the rest");
    }
    else setButton(this.runButton, PLAY, "resume the run", "Run");
    const counts = run?.counts ?? {};
    const finished = ["done", "cached", "failed", "cancelled"]
      .reduce((sum, status) => sum + (counts[status] ?? 0), 0);
    this.#track.hidden = !run?.status || ended;
    this.fill.style.transform = `scaleX(${run?.total ? finished / run.total : 0})`;
  }

  /** Show the state of the view. @param {boolean} playing @param {number} size @param {number} speed */
  show(playing, size, speed) {
    this.player.show(playing, speed);
    if (document.activeElement !== this.#range) this.#range.value = String(size);
  }
}
