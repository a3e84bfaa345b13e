// What opens over the clips of a surface, the large view, tags and help, and the keys for all of it.

import { helpBox } from "../grid/hover_bar.js";
import { Clock } from "../core/clock.js";
import { focus, on } from "../core/dom.js";
import { commandFor, isNotebookKey } from "../core/keys.js";
import { Lightbox, MAX_CLIPS } from "./lightbox.js";
import { leave } from "../core/host.js";
import { Surface } from "./surface.js";
import { TagBox } from "./tag_box.js";
import { describeCell } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("../core/keys.js").Command} Command */

export class Overlay extends Surface {
  /** The cells that are shown, in their order. @type {number[]} */
  choice = [];
  clock = new Clock();
  playing = false;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    const rate = (/** @type {number[]} */ cells, /** @type {import("../data/store.js").AnnotationChange} */ marks) => this.rate(cells, marks);
    this.lightbox = new Lightbox(store, {
      step: (by) => this.#step(by), close: () => this.closeLarge(), wake: () => this.clock.wake(), rate,
      label: (cell) => this.labelOf(cell) || `${cell + 1} of ${store.total}`, say: (text) => this.say(text),
      tag: (cell) => this.tagBox.show([cell]),
    });
    this.tagBox = new TagBox(store, { rate, close: () => this.back() });
    this.helpBox = helpBox(store, () => this.help());
    this.hear({
      cells: () => {
        if (this.lightbox.cells.some((cell) => cell >= store.total)) this.closeLarge();
      },
      cell: (cell) => {
        this.lightbox.refresh(cell);
        this.clock.wake();
      },
      marks: () => this.tagBox.refresh(), problem: (text) => this.complain(text),
      detail: (detail) => this.lightbox.describe(detail), mp4: (mp4) => this.lightbox.play(mp4),
    });
    on(this.root, "keydown", (event) => this.#onKey(event));
  }

  // --- what each surface has its own way of ---------------------------------------------------

  /** What has the keys while nothing is open. @returns {HTMLElement} */
  get field() {
    return this.lightbox.node;
  }

  /** The clip before or after one, as one reads; -1 where there is none. @param {number} cell @param {number} by */
  nextCell(cell, by) {
    return this.choice[this.choice.indexOf(cell) + by] ?? -1;
  }

  /** A cell's values in words. @param {number} cell @returns {string} */
  labelOf(cell) {
    return describeCell(this.store, cell, true);
  }

  /** @param {number} cell @param {boolean} [tell] whether Python is told */
  goTo(cell, tell = true) {
    if (tell) this.save("_current", cell);
  }

  /** @param {boolean} playing */
  play(playing) {
    this.playing = playing;
    this.clock.play(playing);
  }

  /**
   * What keys do, by the names of commands.
   * @param {Command} command
   * @param {number} at the cell that they act on, or -1
   * @returns {Record<string, () => void>}
   */
  actions(command, at) {
    const { by = 0 } = command;
    const chosen = !this.lightbox.open && this.selected.has(at) ? [...this.selected] : [at].filter((cell) => cell >= 0);
    return {
      step: () => this.lightbox.step(by), flicker: () => this.lightbox.toggleFlicker(),
      copy: () => this.lightbox.copy(command.what ?? "code"),
      open: () => this.openLarge([at < 0 ? this.choice[0] ?? -1 : at]),
      compare: () => this.compare(), close: () => this.back(), help: () => this.help(),
      play: () => this.play(!this.playing), frame: () => this.#frame(by), full: () => this.full(),
      select: () => this.toggle(at), tag: () => this.tagBox.show(chosen),
      stars: () => this.rate(chosen, { stars: command.stars ?? 0 }),
      reject: () => this.rate(chosen, { rejected: !this.store.annotation(at).rejected }),
      again: () => this.store.regenerate(chosen),
    };
  }

  // --- keys -------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (isNotebookKey(event)) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const typed = target instanceof HTMLInputElement;
    const pressed = target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
    const command = typed || pressed ? null : commandFor(event, this.lightbox.open ? "large" : "grid");
    // Tab leaves the surface; all other keys end here, or the notebook would act on them.
    if (event.key !== "Tab") event.stopPropagation();
    if (!command && !(typed && event.key === "Escape")) return;
    event.preventDefault();
    const { name } = command ?? { name: "close" };
    const current = this.model.get("_current");
    // What a filter hides isn't acted on.
    const at = this.lightbox.open ? this.lightbox.cell : this.choice.includes(current) ? current : -1;
    this.actions(command ?? { name }, at)[name]?.();
  }

  /** @param {number} by frames, back or on */
  #frame(by) {
    if (this.playing) this.play(false);
    const first = this.store.imageOf(this.choice.find((cell) => this.store.imageOf(cell)) ?? -1);
    this.clock.step(by, this.lightbox.open ? this.lightbox.fps : first?.sheet.fps || 8);
  }

  // --- selection --------------------------------------------------------------------------------

  /** @returns {Set<number>} */
  get selected() {
    return new Set(this.model.get("_selected"));
  }

  /** @param {number[]} cells */
  select(cells) {
    const now = [...new Set(cells)].filter((cell) => cell >= 0).sort((a, b) => a - b);
    this.save("_selected", now);
    this.say(`${now.length} selected`);
  }

  /** @param {number} cell */
  toggle(cell) {
    const now = this.selected;
    if (!now.delete(cell)) now.add(cell);
    this.select([...now]);
  }

  // --- what opens -------------------------------------------------------------------------------

  /** @param {number[]} cells */
  openLarge(cells) {
    if (!cells.length || cells.some((cell) => cell < 0 || cell >= this.store.total)) return;
    this.root.classList.add("bcm-opened");
    if (cells.length === 1) this.goTo(cells[0]);
    this.lightbox.show(cells);
    this.root.scrollIntoView({ block: "nearest" });
    this.clock.wake();
  }

  closeLarge() {
    this.lightbox.hide();
    this.root.classList.remove("bcm-opened");
    this.goTo(this.model.get("_current"), false);
    focus(this.field);
    this.clock.wake();
  }

  /** @param {number} by to the next or previous clip */
  #step(by) {
    const cell = this.nextCell(this.lightbox.cell, by);
    if (cell < 0) return;
    this.goTo(cell);
    this.lightbox.show([cell]);
    this.clock.wake();
  }

  /** The selected clips side by side. */
  compare() {
    const cells = [...this.selected].filter((cell) => this.choice.includes(cell));
    if (cells.length < 2) {
      this.complain("Select two to eight clips first: S, or Ctrl and a click.");
      return;
    }
    this.openLarge(cells.slice(0, MAX_CLIPS));
    if (cells.length > MAX_CLIPS) this.complain(`These are the first ${MAX_CLIPS} of ${cells.length} selected clips.`);
  }

  help() {
    this.helpBox.hidden = !this.helpBox.hidden;
    // There is room for it where the cells are low.
    this.root.classList.toggle("bcm-opened", this.lightbox.open || !this.helpBox.hidden);
    // Its button goes away with it.
    if (this.helpBox.hidden) focus(this.lightbox.open ? this.lightbox.node : this.field);
  }

  full() {
    if (document.fullscreenElement === this.root) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => this.complain("This page doesn't allow full screen."));
  }

  /** Esc: close what is open, then deselect, then leave. */
  back() {
    if (!this.tagBox.node.hidden) {
      this.tagBox.node.hidden = true;
      focus(this.lightbox.open ? this.lightbox.node : this.field);
    } else if (!this.helpBox.hidden) this.help();
    else if (this.lightbox.open) this.closeLarge();
    else if (this.selected.size) this.select([]);
    else leave(this.root);
  }

  close() {
    this.clock.stop();
    this.lightbox.hide();
    super.close();
  }
}
