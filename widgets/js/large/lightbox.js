// The large view: one clip with everything that made it, or up to eight side by side.

import { differingArguments, words } from "./diff.js";
import { attributes, button, copy, div, setButton, element, focus, on, starRow } from "../core/dom.js";
import { AGAIN, CLOSE, COMPARE, NEXT, PREVIOUS, REJECT, STOP, TAG } from "../core/icons.js";
import { prefersReducedMotion } from "../core/host.js";
import { VideoStage } from "./video_stage.js";

/** @typedef {import("../data/store.js").Store} Store */

export const MAX_CLIPS = 8;
const FLICKER = 450; // milliseconds a clip

export class Lightbox {
  #actions;
  /** @type {number[]} */
  cells = [];
  /** Which of them keys act on. */
  at = 0;
  /** @type {Pane[]} */
  #panes = [];
  /** @type {Map<number, any>} */
  #details = new Map();
  /** Cells that were opened before their clips were made. @type {Set<number>} */
  #waited = new Set();
  #reject;
  #previous;
  #tag;
  #again;
  #flicker;
  #field;
  #side;
  #stars;
  #place;

  /**
   * @param {Store} store
   * @param {{step: (by: number) => void, close: () => void, wake: () => void, say: (text: string) => void,
   *   rate: (cells: number[], marking: import("../data/store.js").AnnotationChange) => void,
   *   label: (cell: number) => string, tag: (cell: number) => void}} actions
   */
  constructor(store, actions) {
    this.store = store;
    this.#actions = actions;
    this.reducedMotion = prefersReducedMotion();
    this.node = div("bcm-large");
    this.node.hidden = true;
    this.node.tabIndex = -1;
    attributes(this.node, { role: "dialog" });
    this.#stars = starRow((stars) => actions.rate([this.cell], { stars }));
    this.#reject = button(REJECT, "reject (X)", () => actions.rate([this.cell], { rejected: !this.#mark().rejected }));
    this.#place = element("span", "bcm-place");
    this.#place.dir = "auto";
    this.#previous = button(PREVIOUS, "previous clip (←)", () => this.step(-1));
    this.next = button(NEXT, "next clip (→)", () => this.step(1));
    this.drop = button(STOP, "leave this clip out of the run", () => store.controlRun("drop", this.cell), "Leave out");
    this.#flicker = button(COMPARE, "one in place of the other (V)", () => this.toggleFlicker(), "Flicker");
    this.#tag = button(TAG, "tags (T)", () => actions.tag(this.cell));
    this.#again = button(AGAIN, "make it once more with another seed (R)", () => store.regenerate([this.cell]));
    const head = div("bcm-largehead");
    const left = div("bcm-group", this.#previous, this.next, this.#place);
    const right = div("bcm-group bcm-right", this.#flicker, this.drop, this.#stars.row, this.#reject, this.#tag, this.#again, button(CLOSE, "close (Esc)", actions.close));
    head.append(left, right);
    this.#field = div("bcm-panes");
    this.#side = div("bcm-side");
    const body = div("bcm-largebody", this.#field, this.#side);
    this.node.append(head, body);
  }

  get open() {
    return this.cells.length > 0;
  }

  get cell() {
    return this.cells[this.at] ?? -1;
  }

  /** Whether clips stand side by side. */
  get #several() {
    return this.cells.length > 1;
  }

  #mark() {
    return this.store.annotation(this.cell);
  }

  /** @param {number[]} cells one, or up to MAX_CLIPS @param {boolean} keys whether keys go here */
  show(cells, keys = true) {
    this.#empty();
    this.cells = cells.slice(0, MAX_CLIPS);
    this.at = 0;
    this.node.hidden = false;
    attributes(this.node, {
      "aria-label": this.#several ? `${this.cells.length} clips side by side` : "clip",
    });
    this.#panes = this.cells.map((cell, i) => new Pane(this.store, cell, () => this.#look(i)));
    this.#field.replaceChildren(...this.#panes.map((pane) => pane.node));
    const { length } = this.cells;
    this.#field.style.setProperty("--bcm-across", String(length < 4 ? length : Math.ceil(length / 2)));
    this.node.classList.toggle("bcm-several", this.#several);
    this.#side.replaceChildren();
    this.refresh();
    for (const cell of this.cells) this.store.details.request(cell);
    if (keys) focus(this.node);
  }

  hide() {
    this.#empty();
    this.node.hidden = true;
  }

  #empty() {
    clearInterval(this.flickering);
    this.flickering = undefined;
    this.node.classList.remove("bcm-flickers");
    for (const pane of this.#panes) pane.stage.drop();
    this.#panes = [];
    this.cells = [];
    this.#details.clear();
    this.#waited.clear();
  }

  /** Act on another one of those that stand side by side. @param {number} i */
  #look(i) {
    this.at = i;
    this.refresh();
    this.#actions.say(this.#actions.label(this.cell));
  }

  /** @param {number} by */
  step(by) {
    if (!this.#several) this.#actions.step(by);
    else this.#look((this.at + by + this.cells.length) % this.cells.length);
  }

  /** One in place of the other, in turn: what differs is what moves. */
  toggleFlicker() {
    if (!this.#several) return;
    const on = this.node.classList.toggle("bcm-flickers");
    clearInterval(this.flickering);
    // Who asked for calm turns them over by the arrow keys.
    this.flickering = on && !this.reducedMotion ? setInterval(() => {
      this.at = (this.at + 1) % this.cells.length;
      this.refresh();
    }, FLICKER) : undefined;
    this.refresh();
  }

  /** @param {number} [cell] the one that has changed; all by default */
  refresh(cell) {
    if (!this.open || (cell !== undefined && !this.cells.includes(cell))) return;
    const { store } = this;
    const label = this.#actions.label(this.cell);
    this.#place.textContent = this.#several ? `${label} (${this.at + 1}/${this.cells.length})` : label;
    const mark = this.#mark();
    this.#stars.show(mark.stars);
    setButton(this.#reject, REJECT, mark.rejected ? "take the rejection back (X)" : "reject (X)");
    this.#reject.classList.toggle("bcm-on", mark.rejected);
    attributes(this.#reject, { "aria-pressed": mark.rejected });
    const flickers = this.node.classList.contains("bcm-flickers");
    this.#flicker.hidden = !this.#several;
    attributes(this.#flicker, { "aria-pressed": flickers });
    this.#flicker.classList.toggle("bcm-on", flickers);
    this.#stars.row.hidden = this.#reject.hidden = this.#tag.hidden = !store.hasClip(this.cell);
    this.#again.hidden = !store.live;
    this.#previous.hidden = this.next.hidden = store.total < 2;
    const status = store.cells.get(this.cell)?.status;
    this.drop.hidden = status !== "queued" && status !== "running";
    this.#panes.forEach((pane, i) => {
      pane.stage.refresh();
      pane.node.classList.toggle("bcm-looked", this.#several && i === this.at);
      const made = store.hasClip(pane.stage.cell);
      // Opened before it was made: the rest comes as soon as it is there.
      if (made && this.#waited.delete(pane.stage.cell)) store.details.request(pane.stage.cell);
      else if (!made) this.#waited.add(pane.stage.cell);
    });
  }

  /** @param {any} detail */
  describe(detail) {
    const i = this.cells.indexOf(detail.i);
    if (i < 0) return;
    this.#details.set(detail.i, detail);
    const { stage } = this.#panes[i];
    stage.fps = Number(detail.fps) || 8;
    stage.problem = detail.problem ?? "";
    stage.refresh();
    if (!this.#several) this.#side.replaceChildren(...this.#story(detail));
    else if (this.#details.size === this.cells.length) this.#captions();
  }

  /** Under each clip what it differs in from the others. */
  #captions() {
    const all = this.cells.map((cell) => this.#details.get(cell));
    const texts = words(all.map((one) => one.prompt));
    const tables = differingArguments(all);
    this.#panes.forEach((pane, i) => pane.caption(texts[i], tables[i]));
  }

  /** @param {any} detail */
  #story(detail) {
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
    for (const [what, key] of /** @type {[Copied, string][]} */ ([["code", "Y"], ["prompt", "P"], ["seed", "S"]])) {
      const one = button("", `copy the ${what} (${key})`, () => this.copy(what), `Copy ${what}`);
      row.append(one);
    }
    row.append(this.copied);
    return [prompt, table, code, row];
  }

  /** @typedef {"code" | "prompt" | "seed"} Copied */

  /** @param {Copied} what */
  async copy(what) {
    const detail = this.#details.get(this.cell);
    if (!detail) return;
    const text = what === "seed" ? detail.arguments[0][1] : detail[what];
    const done = await copy(text, this.node);
    const words_ = done ? `${what} copied` : "select the text and copy it";
    if (this.copied) this.copied.textContent = words_;
    else this.#actions.say(words_);
    focus(this.node);
  }

  /** @param {{i: number, data: Blob}} mp4 */
  play(mp4) {
    this.#panes[this.cells.indexOf(mp4.i)]?.stage.play(mp4, this.#actions.wake);
  }

  /** @param {number} seconds @param {boolean} playing @param {number} speed */
  paint(seconds, playing, speed) {
    for (const pane of this.#panes) pane.stage.paint(seconds, playing, speed);
  }

  /** Frames a second of the clip that keys act on. */
  get fps() {
    return this.#panes[this.at]?.stage.fps ?? 8;
  }

  /** How long the longest of them is, in seconds; 0 while that isn't known. */
  get length() {
    return Math.max(0, ...this.#panes.map(({ stage }) => stage.video?.duration || 0));
  }
}

/** One clip of several. */
class Pane {
  /** @param {Store} store @param {number} cell @param {() => void} look */
  constructor(store, cell, look) {
    this.stage = new VideoStage(store);
    this.stage.show(cell);
    this.node = div("bcm-pane");
    this.text = div("bcm-panetext");
    this.node.append(this.stage.node, this.text);
    on(this.node, "click", look);
  }

  /** @param {{word: string, shared: boolean}[]} prompt @param {{name: string, value: string}[]} table */
  caption(prompt, table) {
    const line = element("p", "bcm-paneprompt");
    line.dir = "auto";
    for (const { word, shared } of prompt) {
      line.append(element(shared ? "span" : "mark", shared ? "" : "bcm-other", word), " ");
    }
    const list = element("dl", "bcm-facts");
    for (const { name, value } of table) list.append(element("dt", "", name), element("dd", "", value));
    this.text.replaceChildren(list, line);
  }
}
