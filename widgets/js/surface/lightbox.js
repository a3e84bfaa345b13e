// The large view: one clip with the details of its shot, or up to eight clips side by side.

import { attributes, button, copy, div, element, focus, press, setButton, starRow } from "../core/dom.js";
import { prefersReducedMotion } from "../core/host.js";
import { AGAIN, CLOSE, COMPARE, NEXT, PREVIOUS, REJECT, STOP, TAG } from "../core/icons.js";
import { Panes } from "./panes.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("../data/store.js").AnnotationChange} AnnotationChange */

/** The most clips that can be compared. */
export const MAX_CLIPS = 8;
const FLICKER_TIME = 450; // milliseconds per clip

/** The dialog with one pane per clip. */
export class Lightbox {
  #actions;
  /** @type {number[]} */
  cells = [];
  /** Index of the pane that keys act on. */
  index = 0;
  /** @type {Map<number, any>} */
  #details = new Map();
  /** Cells that were opened before they had a clip. @type {Set<number>} */
  #pending = new Set();
  #reject;
  #previous;
  #tag;
  #regenerate;
  #flicker;
  #panes;
  #side;
  #stars;
  #title;

  /**
   * @param {Store} store
   * @param {{step: (by: number) => void, close: () => void, wake: () => void, announce: (text: string) => void,
   *   annotate: (cells: number[], change: AnnotationChange) => void,
   *   label: (cell: number) => string, tag: (cell: number) => void}} actions
   */
  constructor(store, actions) {
    this.store = store;
    this.#actions = actions;
    this.reducedMotion = prefersReducedMotion();
    this.node = div("bcm-lightbox");
    this.node.hidden = true;
    this.node.tabIndex = -1;
    attributes(this.node, { role: "dialog" });
    this.#stars = starRow((stars) => actions.annotate([this.cell], { stars }));
    this.#reject = button(REJECT, "reject (X)", () =>
      actions.annotate([this.cell], { rejected: !this.#annotation().rejected }), "Reject");
    this.#title = element("span", "bcm-cliptitle");
    this.#title.dir = "auto";
    this.#previous = button(PREVIOUS, "previous clip (←)", () => this.step(-1));
    this.next = button(NEXT, "next clip (→)", () => this.step(1));
    this.skip = button(STOP, "leave this clip out of the run", () => store.controlRun("skip", this.cell), "Leave out");
    this.#flicker = button(COMPARE, "flicker between the clips (V)", () => this.toggleFlicker(), "Flicker");
    this.#tag = button(TAG, "tag (T)", () => actions.tag(this.cell), "Tag");
    this.#regenerate = button(AGAIN, "again, with another seed (R)", () => store.regenerate([this.cell]), "Again");
    const head = div("bcm-lightboxhead");
    const left = div("bcm-group", this.#previous, this.next, this.#title);
    const right = div("bcm-group bcm-right",
      this.#flicker, this.skip, this.#stars.row, this.#reject, this.#tag, this.#regenerate,
      button(CLOSE, "close (Esc)", actions.close));
    head.append(left, right);
    this.#panes = new Panes(store);
    this.#side = div("bcm-details");
    const body = div("bcm-lightboxbody", this.#panes.node, this.#side);
    this.node.append(head, body);
  }

  get open() {
    return this.cells.length > 0;
  }

  /** The cell that keys act on, or -1. */
  get cell() {
    return this.cells[this.index] ?? -1;
  }

  /** Whether several clips are compared. */
  get #comparing() {
    return this.cells.length > 1;
  }

  #annotation() {
    return this.store.annotation(this.cell);
  }

  /** Open clips. @param {number[]} cells one, or up to MAX_CLIPS @param {boolean} takeFocus */
  show(cells, takeFocus = true) {
    this.#clear();
    this.cells = cells.slice(0, MAX_CLIPS);
    this.index = 0;
    this.node.hidden = false;
    attributes(this.node, {
      "aria-label": this.#comparing ? `${this.cells.length} clips side by side` : "clip",
    });
    this.node.classList.toggle("bcm-comparing", this.#comparing);
    this.#side.replaceChildren();
    this.#panes.show(this.cells, (i) => this.#focusPane(i));
    this.refresh();
    for (const cell of this.cells) this.store.details.request(cell);
    if (takeFocus) focus(this.node);
  }

  /** Close the large view. */
  hide() {
    this.#clear();
    this.node.hidden = true;
  }

  #clear() {
    clearInterval(this.flickerTimer);
    this.flickerTimer = undefined;
    this.node.classList.remove("bcm-flickering");
    this.#panes.clear();
    this.cells = [];
    this.#details.clear();
    this.#pending.clear();
  }

  /** Choose the compared clip that keys act on. @param {number} i */
  #focusPane(i) {
    this.index = i;
    this.refresh();
    this.#actions.announce(this.#actions.label(this.cell));
  }

  /** Go to the next clip, or the next compared one. @param {number} by */
  step(by) {
    if (!this.#comparing) this.#actions.step(by);
    else this.#focusPane((this.index + by + this.cells.length) % this.cells.length);
  }

  /** Alternate between the compared clips in one place, so that differences stand out; or stop. */
  toggleFlicker() {
    if (!this.#comparing) return;
    const flickers = this.node.classList.toggle("bcm-flickering");
    clearInterval(this.flickerTimer);
    // With reduced motion, only the arrow keys change the clip.
    this.flickerTimer = flickers && !this.reducedMotion ? setInterval(() => {
      this.index = (this.index + 1) % this.cells.length;
      this.refresh();
    }, FLICKER_TIME) : undefined;
    this.refresh();
  }

  /** Update everything but the moving image. @param {number} [cell] the one that changed; all by default */
  refresh(cell) {
    if (!this.open || (cell !== undefined && !this.cells.includes(cell))) return;
    const { store } = this;
    const label = this.#actions.label(this.cell);
    this.#title.textContent = this.#comparing ? `${this.index + 1}/${this.cells.length} · ${label}` : label;
    const { stars, rejected } = this.#annotation();
    this.#stars.show(stars);
    setButton(this.#reject, REJECT, rejected ? "rejected; undo (X)" : "reject (X)", rejected ? "Rejected" : "Reject");
    press(this.#reject, rejected);
    this.#flicker.hidden = !this.#comparing;
    press(this.#flicker, this.node.classList.contains("bcm-flickering"));
    this.#stars.row.hidden = this.#reject.hidden = this.#tag.hidden = !store.hasClip(this.cell);
    this.#regenerate.hidden = !store.live;
    this.#previous.hidden = this.next.hidden = store.total < 2;
    const status = store.cells.get(this.cell)?.status;
    this.skip.hidden = status !== "queued" && status !== "running";
    this.#panes.refresh(this.#comparing ? this.index : -1);
    for (const shown of this.cells) {
      const hasClip = store.hasClip(shown);
      // Opened before it was generated: request the details as soon as there are any.
      if (hasClip && this.#pending.delete(shown)) store.details.request(shown);
      else if (!hasClip) this.#pending.add(shown);
    }
  }

  /** Show the details of a clip. @param {any} detail */
  showDetail(detail) {
    const i = this.cells.indexOf(detail.i);
    if (i < 0) return;
    this.#details.set(detail.i, detail);
    const stage = this.#panes.stages[i];
    stage.fps = Number(detail.fps) || 8;
    stage.problem = detail.problem ?? "";
    stage.refresh();
    if (!this.#comparing) this.#side.replaceChildren(...this.#describe(detail));
    else if (this.#details.size === this.cells.length) {
      this.#panes.showDifferences(this.cells.map((cell) => this.#details.get(cell)));
    }
  }

  /** Create the prompt, arguments, facts and code of a clip. @param {any} detail */
  #describe(detail) {
    const prompt = element("p", "bcm-prompt", detail.prompt);
    prompt.dir = "auto";
    const table = element("dl", "bcm-facts");
    for (const [name, value] of [...detail.arguments, ...detail.facts]) {
      table.append(element("dt", "", name), element("dd", "", value));
    }
    const code = element("pre", "bcm-code", detail.code);
    code.tabIndex = 0;
    this.copied = element("span", "bcm-copied");
    attributes(this.copied, { role: "status" });
    const row = div("bcm-group bcm-wrap");
    for (const [what, key] of /** @type {[Copied, string][]} */ ([["code", " (Y)"], ["prompt", " (P)"], ["seed", ""]])) {
      row.append(button("", `copy the ${what}${key}`, () => this.copy(what), `Copy ${what}`));
    }
    row.append(this.copied);
    // What can be done comes first, also in a low cell.
    return [row, prompt, table, code];
  }

  /** @typedef {"code" | "prompt" | "seed"} Copied */

  /** Copy a part of the details. @param {Copied} what */
  async copy(what) {
    const detail = this.#details.get(this.cell);
    if (!detail) return;
    const text = what === "seed" ? detail.arguments[0][1] : detail[what];
    const message = (await copy(text, this.node)) ? `${what} copied` : "select the text and copy it";
    if (this.copied) this.copied.textContent = message;
    else this.#actions.announce(message);
    focus(this.node);
  }

  /** Play a clip's mp4. @param {{i: number, data: Blob}} mp4 */
  play(mp4) {
    this.#panes.play(this.cells.indexOf(mp4.i), mp4, this.#actions.wake);
  }

  /** Pause the videos until the next paint. */
  pause() {
    for (const stage of this.#panes.stages) stage.video?.pause();
  }

  /** Paint all panes. @param {number} seconds @param {boolean} playing @param {number} speed */
  paint(seconds, playing, speed) {
    this.#panes.paint(seconds, playing, speed);
  }

  /** Frames per second of the clip that keys act on. */
  get fps() {
    return this.#panes.stages[this.index]?.fps ?? 8;
  }

  /** Duration of the longest clip in seconds; 0 while unknown. */
  get length() {
    return Math.max(0, ...this.#panes.stages.map((stage) => stage.video?.duration || 0));
  }
}
