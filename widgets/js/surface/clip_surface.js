// A surface with everything that opens over its clips (large view, tags, help) and the keys for it.

import { Clock } from "../core/clock.js";
import { focus } from "../core/dom.js";
import { createHelpBox } from "../core/help_box.js";
import { isTextField, listenForKeys } from "../core/keyboard.js";
import { HELP, commandFor, hasCommand } from "../core/keys.js";
import { closeMenuOf } from "../core/menu.js";
import { describeCell } from "../data/axes.js";
import { filterAndSort } from "../data/filtering.js";
import { Lightbox, MAX_CLIPS } from "./lightbox.js";
import { Surface } from "./surface.js";
import { TagBox } from "./tag_box.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("../data/store.js").AnnotationChange} AnnotationChange */
/** @typedef {import("../core/keys.js").Command} Command */

/** Commands that move the cursor. */
const MOVES = ["move", "page", "edge", "next"];

/** A surface whose clips can be opened, compared, tagged and controlled by keys. */
export class ClipSurface extends Surface {
  /** The cells that match the filter, in their order. @type {number[]} */
  shown = [];
  clock = new Clock();
  playing = false;
  /** The cell under the pointer, or -1: keys act on it until the next one that moves the cursor. */
  hovered = -1;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    const annotate = (/** @type {number[]} */ cells, /** @type {AnnotationChange} */ change) =>
      this.annotate(cells, change);
    this.lightbox = new Lightbox(store, {
      step: (by) => this.#step(by), close: () => this.closeLarge(), wake: () => this.clock.wake(), annotate,
      label: (cell) => this.labelOf(cell) || `${cell + 1} of ${store.total}`,
      announce: (text) => this.announce(text), tag: (cell) => this.tagBox.show([cell]),
    });
    this.tagBox = new TagBox(store, { annotate, close: () => this.dismiss() });
    const help = createHelpBox(() => this.toggleHelp());
    // Without a kernel, keys that generate clips are left out.
    const showHelp = () => help.show(HELP.filter(([, , generates]) => !generates || store.live)
      .map(([keys, what]) => [keys, what]));
    showHelp();
    this.helpBox = help.box;
    this.listen({
      cells: (sameClips) => {
        showHelp();
        if (!sameClips) this.#leaveClips();
      },
      cell: (cell) => {
        this.lightbox.refresh(cell);
        this.clock.wake();
      },
      annotations: () => this.tagBox.refresh(), problem: (text) => this.showProblem(text),
      detail: (detail) => this.lightbox.showDetail(detail), mp4: (mp4) => this.lightbox.play(mp4),
    });
    listenForKeys(this.root, { onKey: (event) => this.#onKey(event), hasCommand }, this.lifetime.signal);
  }

  /**
   * Observe the page; out of view, clips don't play: that would cost as much as in view.
   * @param {(changed: boolean) => void} onResize
   * @param {(visible: boolean) => void} onVisible
   */
  observe(onResize, onVisible) {
    super.observe(onResize, (visible) => {
      this.clock.sleep(!visible);
      if (!visible) this.lightbox.pause();
      onVisible(visible);
    });
  }

  /** Return the cells that match the filter, in their order. @param {Record<string, string>} [fixed] axes held at one value */
  matchingCells(fixed = {}) {
    const { store, model } = this;
    return filterAndSort(store, { filter: model.get("filter"), sort: model.get("sort"), fixed });
  }

  /** Return why no cell is shown. */
  noMatchText() {
    const filter = this.model.get("filter");
    return filter ? `No clip matches  ${filter}` : "There are no clips.";
  }

  // --- overridden by surfaces -------------------------------------------------------------------

  /** The element that has the focus while nothing is open. @returns {HTMLElement} */
  get focusTarget() {
    return this.lightbox.node;
  }

  /** Return the next or previous clip in reading order; -1 at the end. @param {number} cell @param {number} by */
  nextCell(cell, by) {
    return this.shown[this.shown.indexOf(cell) + by] ?? -1;
  }

  /** Return a cell's values as text. @param {number} cell @returns {string} */
  labelOf(cell) {
    return describeCell(this.store, cell, true);
  }

  /** Focus what is in front: the large view, or the cells. */
  #focusFront() {
    focus(this.lightbox.open ? this.lightbox.node : this.focusTarget);
  }

  /** Make a cell the current one. @param {number} cell @param {boolean} [save] whether to send it to Python */
  goTo(cell, save = true) {
    if (save) this.saveTrait("_current", cell);
  }

  /** Make a cell the current one where it is, without scrolling to it. @param {number} cell */
  pointAt(cell) {
    this.saveTrait("_current", cell);
  }

  /** Forget the cell under the pointer until the pointer moves. */
  unhover() {
    this.hovered = -1;
  }

  /** Play or pause all clips. @param {boolean} playing */
  play(playing) {
    this.playing = playing;
    this.clock.play(playing);
  }

  /**
   * Return the actions of keys by the names of their commands.
   * @param {Command} command
   * @param {number} at the cell that they act on, or -1
   * @returns {Record<string, () => void>}
   */
  actions(command, at) {
    const { by = 0 } = command;
    const targets = !this.lightbox.open && this.selected.has(at) ? [...this.selected] : [at].filter((cell) => cell >= 0);
    return {
      step: () => this.lightbox.step(by), flicker: () => this.lightbox.toggleFlicker(),
      copy: () => this.lightbox.copy(command.what ?? "code"),
      open: () => this.openLarge([at < 0 ? this.shown[0] ?? -1 : at]),
      compare: () => this.compare(), close: () => this.dismiss(), help: () => this.toggleHelp(),
      play: () => this.play(!this.playing), frame: () => this.#stepFrames(by), full: () => this.toggleFullScreen(),
      select: () => this.toggleSelected(at), tag: () => this.tagBox.show(targets),
      stars: () => this.annotate(targets, { stars: command.stars ?? 0 }),
      reject: () => this.annotate(targets, { rejected: !this.store.annotation(at).rejected }),
      regenerate: () => this.store.regenerate(targets),
    };
  }

  // --- keys -------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const typing = isTextField(target) || target instanceof HTMLInputElement;
    const pressing = target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
    const command = typing || pressing ? null : commandFor(event, this.lightbox.open ? "large" : "grid");
    if (!command && !(typing && event.key === "Escape")) return;
    event.preventDefault();
    const { name } = command ?? { name: "close" };
    const at = this.#cellOf(name);
    // Keys that follow have the same object, wherever the pointer goes.
    if (!this.root.contains(target)) this.#focusFront();
    this.actions(command ?? { name }, at)[name]?.();
  }

  /** Return the cell that a command acts on, or -1; a hovered one becomes the current one. @param {string} name */
  #cellOf(name) {
    if (this.lightbox.open) return this.lightbox.cell;
    if (MOVES.includes(name)) this.unhover();
    // Cells hidden by a filter are not acted on.
    const isShown = (/** @type {number} */ cell) => this.shown.includes(cell);
    if (!isShown(this.hovered)) return [this.model.get("_current")].find(isShown) ?? -1;
    if (this.hovered !== this.model.get("_current")) this.pointAt(this.hovered);
    return this.hovered;
  }

  /** Pause and step by frames. @param {number} by negative for backwards */
  #stepFrames(by) {
    if (this.playing) this.play(false);
    const first = this.store.imageOf(this.shown.find((cell) => this.store.imageOf(cell)) ?? -1);
    this.clock.step(by, this.lightbox.open ? this.lightbox.fps : first?.sheet.fps || 8);
  }

  // --- selection --------------------------------------------------------------------------------

  /** @returns {Set<number>} */
  get selected() {
    return new Set(this.model.get("_selected"));
  }

  /** Select cells and no others. @param {number[]} cells */
  select(cells) {
    const selected = [...new Set(cells)].filter((cell) => cell >= 0).sort((a, b) => a - b);
    this.saveTrait("_selected", selected);
    this.announce(`${selected.length} selected`);
  }

  /** Select or deselect a cell. @param {number} cell */
  toggleSelected(cell) {
    const selected = this.selected;
    if (!selected.delete(cell)) selected.add(cell);
    this.select([...selected]);
  }

  // --- large view and help ----------------------------------------------------------------------

  /** Open clips in the large view. @param {number[]} cells */
  openLarge(cells) {
    if (!cells.length || cells.some((cell) => cell < 0 || cell >= this.store.total)) return;
    this.root.classList.add("bcm-expanded");
    if (cells.length === 1) this.goTo(cells[0]);
    this.lightbox.show(cells);
    this.root.scrollIntoView({ block: "nearest" });
    this.clock.wake();
  }

  /** Close the large view. @param {boolean} [takeFocus] whether the cells get the focus */
  closeLarge(takeFocus = true) {
    this.lightbox.hide();
    this.root.classList.remove("bcm-expanded");
    this.goTo(this.model.get("_current"), false);
    if (takeFocus) focus(this.focusTarget);
    this.clock.wake();
  }

  /**
   * Close all that was opened for clips: the same numbers are other clips now, which nothing that was aimed
   * at the old ones may change. The focus may be anywhere in the page, and stays there.
   */
  #leaveClips() {
    const { lightbox, tagBox } = this;
    const hadFocus = [lightbox, tagBox].some(({ node }) => node.matches(":focus-within"));
    // Until the next layout: the cells that get the focus must not make the first one the current one.
    this.shown = [];
    closeMenuOf(this.root);
    tagBox.node.hidden = true;
    if (lightbox.open) this.closeLarge(false);
    if (hadFocus) focus(this.focusTarget);
  }

  /** Open the next or previous clip. @param {number} by */
  #step(by) {
    const cell = this.nextCell(this.lightbox.cell, by);
    if (cell < 0) return;
    this.goTo(cell);
    this.lightbox.show([cell]);
    this.clock.wake();
  }

  /** Open the selected clips side by side. */
  compare() {
    const cells = [...this.selected].filter((cell) => this.shown.includes(cell));
    if (cells.length < 2) {
      this.showProblem("Select two to eight clips first: press S, or Ctrl and click.");
      return;
    }
    this.openLarge(cells.slice(0, MAX_CLIPS));
    if (cells.length > MAX_CLIPS) this.showProblem(`These are the first ${MAX_CLIPS} of ${cells.length} selected clips.`);
  }

  /** Show or hide the help. */
  toggleHelp() {
    this.helpBox.hidden = !this.helpBox.hidden;
    // The class makes room for the help where the cells are low.
    this.root.classList.toggle("bcm-expanded", this.lightbox.open || !this.helpBox.hidden);
    // The focused close button disappears with the box.
    if (this.helpBox.hidden) this.#focusFront();
  }

  /** Enter or leave full screen. */
  toggleFullScreen() {
    if (document.fullscreenElement === this.root) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => this.showProblem("This page does not allow full screen."));
  }

  /** Handle Esc: close what is open, then deselect. It never leaves the surface (see keyboard.js). */
  dismiss() {
    if (!this.tagBox.node.hidden) {
      this.tagBox.node.hidden = true;
      this.#focusFront();
    } else if (!this.helpBox.hidden) this.toggleHelp();
    else if (this.lightbox.open) this.closeLarge();
    else if (this.selected.size) this.select([]);
    else this.announce("Tab leaves the clips");
  }

  close() {
    this.clock.stop();
    this.lightbox.hide();
    super.close();
  }
}
