// One live view: the clip, the dials, and what hands do with them.

import { Clock } from "../core/clock.js";
import { attributes, button, copy, div, setButton, element, on } from "../core/dom.js";
import { CLOSE, PAUSE, PLAY } from "../core/icons.js";
import { guardShortcuts, isNotebookKey } from "../core/keys.js";
import { Panel } from "./control_panel.js";
import { Scene } from "./scene.js";
import { KERNEL_GONE, KERNEL_SILENT, prefersReducedMotion, observeHost, leave, replaceStaticSheet, applyTheme } from "../core/host.js";

/** @typedef {import("./live_store.js").LiveStore} LiveStore */

/** @type {[string, string][]} */
const HELP = [
  ["← → ↑ ↓", "move a slider"],
  ["Drag on the clip", "blend: across the prompts, up the seeds"],
  ["Space", "play or stop"],
  ["R", "roll another seed"],
  ["K", "keep the clip in the library"],
  ["C", "copy it as code"],
  ["Double click", "put a slider back"],
  ["Esc", "leave"],
  ["?", "this help"],
];

const NOTED = 3000;

export class LiveView {
  ending = new AbortController();
  #playing;
  #root;
  #scene;
  #panel;
  #status;
  /** What was done just now, in a word. */
  #done = "";
  /** @type {any} */
  #fading = null;
  #keeper;
  #help;
  #toast;
  #spoken;
  #clock = new Clock();

  /** @param {LiveStore} store @param {any} model @param {HTMLElement} host */
  constructor(store, model, host) {
    this.store = store;
    this.model = model;
    this.host = host;
    this.#playing = Boolean(model.get("playing")) && !prefersReducedMotion();
    this.#root = div("bcm-root");
    this.#root.tabIndex = -1;
    this.#scene = new Scene(store, {
      play: () => this.#play(!this.#playing), blend: (across, up) => this.#drag(across, up),
    });
    this.#panel = new Panel(model.get("_about"), () => this.#turn());
    this.go = button(PLAY, "play (space)", () => this.#play(!this.#playing));
    this.#status = element("span", "bcm-status");
    this.#keeper = worded("Keep", "keep it in the library (K)", () => this.#keep());
    this.#help = helpBox(() => this.#toggleHelp());
    this.#toast = div("bcm-toast");
    attributes(this.#toast, { role: "alert" });
    this.#toast.hidden = true;
    this.#spoken = div("bcm-hidden");
    attributes(this.#spoken, { "aria-live": "polite" });
    const right = div("bcm-group bcm-right",
      this.#keeper, worded("Copy as code", "copy it as code (C)", () => this.#copy()),
      worded("?", "keys (?)", () => this.#toggleHelp()),
    );
    const bar = div("bcm-livebar", this.go, this.#status, right);
    const body = div("bcm-live", this.#scene.node, this.#panel.node, bar);
    this.#scene.node.append(this.#toast);
    this.#root.append(body, this.#help, this.#spoken);
    host.append(this.#root);
    replaceStaticSheet(this.#root, model.get("_sheet"), store, this.ending.signal);
    this.#clock.painters.add((seconds) => this.#paint(seconds));
    this.#adopt(model.get("_dials"));
    this.#listen();
    this.#watch();
    this.#describe();
    this.#clock.play(this.#playing);
  }

  // --- dials ------------------------------------------------------------------------------------

  /** Put the dials where Python, or another page, has them. @param {any} dials */
  #adopt(dials) {
    if (!dials || dials.by === this.store.client) return;
    this.#panel.set(dials);
    this.#place();
  }

  #turn() {
    this.#toast.hidden = true;
    this.#place();
    this.store.turn(this.#panel.value(), this);
    this.#root.dataset.asked = String(this.store.n);
  }

  /** @param {number} across @param {number} up */
  #drag(across, up) {
    if (!this.#panel.blend.input.disabled) this.#panel.blend.set(across);
    this.#panel.seedBlend.set(up);
    this.#turn();
  }

  #place() {
    this.#scene.place(this.#panel.blend.value(), this.#panel.seedBlend.value());
  }

  // --- what comes from elsewhere ----------------------------------------------------------------

  #listen() {
    const { store, model, ending: { signal } } = this;
    const hear = (/** @type {string} */ name, /** @type {(detail: any) => void} */ act) =>
      store.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail), { signal });
    hear("picture", () => {
      this.#toast.hidden = true;
      this.#refresh();
      this.#clock.wake();
    });
    hear("step", ({ step, steps }) => this.#refresh(`making it · step ${step} of ${steps}`));
    hear("state", () => this.#refresh());
    hear("turned", ({ by, dials }) => {
      if (by === this) return;
      this.#panel.set(dials);
      this.#place();
    });
    hear("problem", (text) => this.#complain(text));
    hear("kept", (count) => {
      this.#keeper.disabled = false;
      this.#note(`${count} kept`);
    });
    /** @type {[string, () => void][]} */
    const traits = [
      ["_dials", () => this.#adopt(model.get("_dials"))],
      ["_about", () => this.#describe()], ["refine", () => this.#describe()],
      ["playing", () => this.#play(Boolean(model.get("playing")), false)],
    ];
    for (const [name, act] of traits) {
      model.on(`change:${name}`, act);
      on(signal, "abort", () => model.off(`change:${name}`, act));
    }
    // Before the document, where Jupyter listens.
    on(window, "keydown", (event) => guardShortcuts(event, this.#root), { capture: true, signal });
    on(this.#root, "keydown", (event) => this.#onKey(event));
  }

  #watch() {
    // Hosts put the view on their page after this: only then is its ground known.
    const themed = () => applyTheme(this.#root, this.host);
    observeHost(this.#root, this.ending.signal, {
      resized: themed, themed,
      seen: (seen) => {
        this.#scene.forget();
        this.#clock.sleep(!seen);
      },
    });
    themed();
  }

  /** Another shot may have another shape and another number of steps. */
  #describe() {
    const about = this.model.get("_about");
    this.#scene.describe(about);
    this.#panel.describe(about, this.model.get("refine"));
    this.#refresh();
  }

  /** @param {string} [instead] what to say in the place of what is shown */
  #refresh(instead = "") {
    const { store, model } = this;
    const about = model.get("_about");
    this.#scene.refresh();
    /** @type {Record<string, string>} */
    const away = {
      busy: "the kernel is busy",
      gone: KERNEL_SILENT,
      ended: KERNEL_GONE,
    };
    const draft = store.picture?.what === "draft" && model.get("refine");
    const resting = draft ? `all ${about.usual_steps} steps at rest` : "";
    this.#status.textContent = away[store.state] || this.#done || instead || resting
      || (store.picture ? about.model : "connecting to the kernel");
    this.#status.classList.toggle("bcm-far", ["gone", "ended"].includes(store.state));
    setButton(this.go, this.#playing ? PAUSE : PLAY, this.#playing ? "stop (space)" : "play (space)");
  }

  /** @param {number} seconds the clock */
  #paint(seconds) {
    const { picture } = this.store;
    if (!this.#scene.paint(seconds) || !picture) return;
    // What is painted answers so many of this page's wishes.
    if (picture.mine) this.#root.dataset.shown = String(picture.n);
    this.#root.dataset.what = picture.what;
  }

  // --- hands ------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (isNotebookKey(event)) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const writing = target instanceof HTMLTextAreaElement
      || (target instanceof HTMLInputElement && target.type === "text");
    const pressed = (target instanceof HTMLButtonElement || target.tagName === "SUMMARY")
      && [" ", "Enter"].includes(event.key);
    if (event.key !== "Tab") event.stopPropagation();
    /** @type {Record<string, () => void>} */
    const actions = {
      " ": () => this.#play(!this.#playing), k: () => this.#keep(), c: () => this.#copy(),
      r: () => this.#panel.seed.roll(), "?": () => this.#toggleHelp(), escape: () => this.#leave(),
    };
    const act = actions[event.key.toLowerCase()];
    if (!act || pressed || (writing && event.key !== "Escape")) return;
    event.preventDefault();
    act();
  }

  /** @param {boolean} playing @param {boolean} tell whether Python is told */
  #play(playing, tell = true) {
    this.#playing = playing;
    this.#clock.play(playing);
    this.#refresh();
    if (!tell) return;
    this.model.set("playing", playing);
    this.model.save_changes();
  }

  #keep() {
    if (this.#keeper.disabled) return;
    this.#keeper.disabled = true;
    this.#note("keeping it");
    this.store.keep();
  }

  async #copy() {
    const done = await copy(this.store.code, this.#root);
    this.#note(done ? "copied" : "print view.code to copy it");
  }

  /** Say for some seconds what was done. @param {string} text */
  #note(text) {
    this.#done = text;
    this.#spoken.textContent = text;
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => {
      this.#done = "";
      this.#refresh();
    }, NOTED);
    this.#refresh();
  }

  #toggleHelp() {
    this.#help.hidden = !this.#help.hidden;
  }

  /** Esc: close the help, then leave a field, then the view. */
  #leave() {
    if (!this.#help.hidden) return this.#toggleHelp();
    const active = /** @type {HTMLElement | null} */ (document.activeElement);
    if (active !== this.#root && this.#root.contains(active)) return this.#root.focus();
    leave(this.#root);
  }

  /** @param {string} text */
  #complain(text) {
    this.#keeper.disabled = false;
    this.#done = "";
    this.#toast.textContent = text;
    this.#toast.hidden = false;
  }

  close() {
    this.ending.abort();
    clearTimeout(this.#fading);
    this.#panel.close();
    this.#clock.stop();
    this.#root.remove();
  }
}

/** A button with a word instead of an icon. @type {(word: string, label: string, act: () => void) => HTMLButtonElement} */
function worded(word, label, act) {
  const made = button(PLAY, label, act);
  made.textContent = word;
  return made;
}

/** @param {() => void} close */
function helpBox(close) {
  const box = div("bcm-help");
  box.hidden = true;
  attributes(box, { role: "note" });
  const keys = element("dl", "bcm-keys");
  for (const [key, what] of HELP) keys.append(element("dt", "", key), element("dd", "", what));
  box.append(keys, button(CLOSE, "close the help (Esc)", close));
  return box;
}
