// One view of the live widget: the clip, its controls, and their keys.

import { Clock } from "../core/clock.js";
import { attributes, button, copy, div, element, focus, on, setButton } from "../core/dom.js";
import { createHelpBox } from "../core/help_box.js";
import {
  KERNEL_GONE, KERNEL_SILENT, applyTheme, observeHost, prefersReducedMotion, replaceStaticSheet,
} from "../core/host.js";
import { PAUSE, PLAY } from "../core/icons.js";
import { isTextField, listenForKeys } from "../core/keyboard.js";
import { isNotebookKey } from "../core/keys.js";
import { ControlPanel } from "./control_panel.js";
import { Scene } from "./scene.js";
import { Shelf } from "./shelf.js";

/** @typedef {import("./live_store.js").LiveStore} LiveStore */

/** @type {[string, string][]} */
const HELP = [
  ["← → ↑ ↓", "move a slider"],
  ["Drag on the clip", "blend: across the prompts, up the seeds"],
  ["Space", "play or pause"],
  ["R", "choose a random seed"],
  ["K", "keep the clip: save it to the library"],
  ["← → Enter", "on a kept clip: the next one; return to its settings"],
  ["C", "copy the shot as code"],
  ["Double click", "reset a slider"],
  ["Esc", "leave a field"],
  ["Tab", "leave the view"],
  ["?", "this help"],
];

const NOTE_TIME = 3000; // milliseconds

/** The live view. */
export class LiveView {
  /** Aborted when the view is closed; ends its listeners and observers. */
  lifetime = new AbortController();
  #playing;
  #root;
  #scene;
  #panel;
  #shelf;
  #status;
  /** What the user just did, shown for some seconds. */
  #note = "";
  /** @type {any} */
  #noteTimer = null;
  #keepButton;
  #help;
  #toast;
  #liveRegion;
  #clock = new Clock();
  /** @type {Record<string, () => void>} */
  #commands = {
    " ": () => this.#play(!this.#playing), k: () => this.#keep(), c: () => this.#copy(),
    r: () => this.#panel.seed.randomize(), "?": () => this.#toggleHelp(), escape: () => this.#dismiss(),
  };

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
    this.#panel = new ControlPanel(model.get("_model_info"), () => this.#onChange());
    this.#shelf = new Shelf(store, model.get("_model_info").shelf, (key, label) => this.#restore(key, label));
    this.playButton = button(PLAY, "play (space)", () => this.#play(!this.#playing));
    this.#status = element("span", "bcm-status");
    this.#keepButton = textButton("Keep", "keep the clip: save it to the library (K)", () => this.#keep());
    const help = createHelpBox(() => this.#toggleHelp());
    help.show(HELP);
    this.#help = help.box;
    this.#toast = div("bcm-toast");
    attributes(this.#toast, { role: "alert" });
    this.#toast.hidden = true;
    this.#liveRegion = div("bcm-hidden");
    attributes(this.#liveRegion, { "aria-live": "polite" });
    const right = div("bcm-group bcm-right",
      this.#keepButton, textButton("Copy as code", "copy as code (C)", () => this.#copy()),
      textButton("?", "keys (?)", () => this.#toggleHelp()),
    );
    const bar = div("bcm-livebar", this.playButton, this.#status, right);
    const body = div("bcm-live", this.#scene.node, this.#panel.node, bar, this.#shelf.node);
    this.#scene.node.append(this.#toast);
    this.#root.append(body, this.#help, this.#liveRegion);
    host.append(this.#root);
    replaceStaticSheet(this.#root, model.get("_sheet"), store, this.lifetime.signal);
    this.#clock.painters.add((seconds) => this.#paint(seconds));
    // Also those set here in another view: one that is opened later has none of its own.
    this.#showValues(store.latestValues(model.get("_control_values")));
    this.#panel.showNotes(model.get("_notes"));
    this.#listen();
    this.#observe();
    this.#onModel();
    this.#clock.play(this.#playing);
  }

  // --- control values ---------------------------------------------------------------------------

  /** Show the values of the controls. @param {any} values */
  #showValues(values) {
    this.#panel.set(values);
    this.#placeDot();
  }

  #onChange() {
    this.#toast.hidden = true;
    this.#placeDot();
    this.store.setValues(this.#panel.values(), this, this.model.get("_control_values"));
    this.#root.dataset.requested = String(this.store.edit);
  }

  /** Set the blends from the pad. @param {number} across @param {number} up */
  #drag(across, up) {
    if (!this.#panel.blend.input.disabled) this.#panel.blend.set(across);
    this.#panel.seedBlend.set(up);
    this.#onChange();
  }

  #placeDot() {
    this.#scene.placeDot(this.#panel.blend.value(), this.#panel.seedBlend.value());
  }

  // --- events of the store, the model and the page ----------------------------------------------

  #listen() {
    const { store, model, lifetime: { signal } } = this;
    const listen = (/** @type {string} */ name, /** @type {(detail: any) => void} */ listener) =>
      store.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail), { signal });
    listen("image", () => {
      this.#toast.hidden = true;
      this.#refresh();
      this.#shelf.refresh();
      this.#clock.wake();
    });
    listen("step", ({ step, steps }) => this.#refresh(`generating · step ${step} of ${steps}`));
    listen("state", () => this.#refresh());
    listen("values", ({ by, values }) => {
      if (by !== this) this.#showValues(values);
    });
    listen("problem", (text) => this.#showProblem(text));
    listen("kept", () => this.#shelf.refresh());
    listen("saved", (count) => {
      this.#keepButton.disabled = false;
      this.#showNote(`${count} saved`);
    });
    /** @type {[string, () => void][]} */
    const traits = [
      ["_control_values", () => {
        const values = model.get("_control_values");
        // An answer to an edit made here would undo later ones.
        if (values.client !== store.client) this.#showValues(values);
      }],
      ["_notes", () => this.#panel.showNotes(model.get("_notes"))],
      ["_model_info", () => this.#onModel()], ["refine", () => this.#onModel()],
      ["playing", () => this.#play(Boolean(model.get("playing")), false)],
    ];
    for (const [name, listener] of traits) {
      model.on(`change:${name}`, listener);
      on(signal, "abort", () => model.off(`change:${name}`, listener));
    }
    listenForKeys(this.#root, {
      onKey: (event) => this.#onKey(event),
      hasCommand: (event) => !isNotebookKey(event) && event.key.toLowerCase() in this.#commands,
    }, signal);
  }

  #observe() {
    // Hosts attach the view after its creation: only then is its background known.
    const onTheme = () => applyTheme(this.#root, this.host);
    observeHost(this.#root, this.lifetime.signal, {
      onResize: onTheme, onTheme,
      onVisible: (visible) => {
        this.#scene.invalidate();
        this.#clock.sleep(!visible);
      },
    });
    onTheme();
  }

  /** Adapt to the model: another shot may have another shape and number of steps. */
  #onModel() {
    const info = this.model.get("_model_info");
    this.#scene.setModel(info);
    this.#panel.setModel(info, this.model.get("refine"));
    this.#refresh();
  }

  /** Update badge, status and buttons. @param {string} [progress] of the running generation */
  #refresh(progress = "") {
    const { store, model } = this;
    const info = model.get("_model_info");
    this.#scene.refresh();
    /** @type {Record<string, string>} */
    const disconnected = {
      busy: "the kernel is busy",
      gone: KERNEL_SILENT,
      ended: KERNEL_GONE,
    };
    const draft = store.image?.phase === "draft" && model.get("refine");
    const resting = draft ? `all ${info.default_steps} steps at rest` : "";
    this.#status.textContent = disconnected[store.state] || this.#note || progress || resting
      || (store.image ? info.model : "connecting to the kernel");
    this.#status.classList.toggle("bcm-disconnected", ["gone", "ended"].includes(store.state));
    setButton(this.playButton, this.#playing ? PAUSE : PLAY, this.#playing ? "pause (space)" : "play (space)");
  }

  /** @param {number} seconds the clock */
  #paint(seconds) {
    const { image } = this.store;
    if (!this.#scene.paint(seconds) || !image) return;
    // The number of this front end's edit that the painted image answers.
    if (image.own) this.#root.dataset.shown = String(image.edit);
    this.#root.dataset.phase = image.phase;
  }

  // --- keys and actions -------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const pressing = (target instanceof HTMLButtonElement || target.tagName === "SUMMARY")
      && [" ", "Enter"].includes(event.key);
    if (this.#shelf.move(event.key)) return event.preventDefault();
    const action = this.#commands[event.key.toLowerCase()];
    if (!action || pressing || (isTextField(target) && event.key !== "Escape")) return;
    event.preventDefault();
    if (!this.#root.contains(target)) focus(this.#root);
    action();
  }

  /** Play or pause. @param {boolean} playing @param {boolean} save whether to send it to Python */
  #play(playing, save = true) {
    this.#playing = playing;
    this.#clock.play(playing);
    this.#refresh();
    if (!save) return;
    this.model.set("playing", playing);
    this.model.save_changes();
  }

  #keep() {
    if (this.#keepButton.disabled) return;
    this.#keepButton.disabled = true;
    this.#showNote("saving the clip");
    this.store.keep();
  }

  /** Return to the settings of a kept clip. @param {string} key @param {string} label */
  #restore(key, label) {
    this.#panel.close();
    this.#showNote(label);
    this.store.restore(key);
  }

  async #copy() {
    const copied = await copy(this.store.code, this.#root);
    this.#showNote(copied ? "copied" : "print view.code to copy it");
  }

  /** Show for some seconds what the user did. @param {string} text */
  #showNote(text) {
    this.#note = text;
    this.#liveRegion.textContent = text;
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => {
      this.#note = "";
      this.#refresh();
    }, NOTE_TIME);
    this.#refresh();
  }

  #toggleHelp() {
    this.#help.hidden = !this.#help.hidden;
  }

  /** Handle Esc: close the help, else leave the field. It never leaves the view (see keyboard.js). */
  #dismiss() {
    if (!this.#help.hidden) return this.#toggleHelp();
    focus(this.#root);
  }

  /** Show a problem until the next change. @param {string} text */
  #showProblem(text) {
    this.#keepButton.disabled = false;
    this.#note = "";
    this.#toast.textContent = text;
    this.#toast.hidden = false;
  }

  /** Remove the view. */
  close() {
    this.lifetime.abort();
    clearTimeout(this.#noteTimer);
    this.#panel.close();
    this.#clock.stop();
    this.#root.remove();
  }
}

/** Create a button with text instead of an icon. @type {(text: string, label: string, action: () => void) => HTMLButtonElement} */
function textButton(text, label, action) {
  const node = button("", label, action);
  node.textContent = text;
  return node;
}
