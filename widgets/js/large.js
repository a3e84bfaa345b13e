// The large view: one clip's mp4, and everything that made it.

import { button, copy, dress, element, starRow } from "./dom.js";
import { frameAt } from "./clock.js";

/** @typedef {import("./store.js").Store} Store */

export class Large {
  /**
   * @param {Store} store
   * @param {{step: (by: number) => void, close: () => void, rate: (marks: object) => void,
   *   label: (cell: number) => string}} acts
   */
  constructor(store, acts) {
    this.store = store;
    this.acts = acts;
    this.cell = -1;
    this.shown = "";
    this.fps = 8;
    /** Whether it was opened before its clip was made. */
    this.waited = false;
    this.url = "";
    this.node = element("div", "bcm-large");
    this.node.hidden = true;
    this.node.tabIndex = -1;
    this.node.setAttribute("role", "dialog");
    this.node.setAttribute("aria-label", "clip");
    this.stage = element("div", "bcm-stage");
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-still"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.note = element("p", "bcm-stagenote");
    this.stage.append(this.canvas, this.note);
    this.stars = starRow((stars) => acts.rate({ stars }));
    this.reject = button("reject", "reject (X)", () => acts.rate({ rejected: !this.mark().rejected }));
    this.place = element("span", "bcm-place");
    this.previous = button("previous", "previous clip (←)", () => acts.step(-1));
    this.next = button("next", "next clip (→)", () => acts.step(1));
    this.close_ = button("close", "close (Esc)", acts.close);
    const head = element("div", "bcm-largehead");
    const marks = element("div", "bcm-group");
    marks.append(this.previous, this.next, this.place);
    const right = element("div", "bcm-group bcm-right");
    this.drop = button("stop", "leave this clip out of the run", () => store.steer("drop", this.cell), "Leave out");
    right.append(this.drop, this.stars.row, this.reject, this.close_);
    head.append(marks, right);
    this.side = element("div", "bcm-side");
    const body = element("div", "bcm-largebody");
    body.append(this.stage, this.side);
    this.node.append(head, body);
    /** @type {HTMLVideoElement | null} */
    this.video = null;
  }

  get open() {
    return this.cell >= 0;
  }

  mark() {
    return this.store.mark(this.cell);
  }

  /** @param {number} cell */
  show(cell) {
    this.dropVideo();
    this.cell = cell;
    this.node.hidden = false;
    this.side.replaceChildren();
    this.shown = "";
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.canvas.hidden = false;
    this.refresh();
    this.store.details.want(cell);
    this.node.focus({ preventScroll: true });
  }

  hide() {
    this.dropVideo();
    this.cell = -1;
    this.node.hidden = true;
  }

  refresh() {
    if (!this.open) return;
    const state = this.store.cells.get(this.cell);
    const mark = this.mark();
    const problem = this.store.items.get(this.cell)?.problem ?? "";
    this.place.textContent = this.acts.label(this.cell);
    this.stars.show(mark.stars);
    dress(this.reject, "reject", mark.rejected ? "take the rejection back (X)" : "reject (X)");
    this.reject.classList.toggle("bcm-on", mark.rejected);
    this.reject.setAttribute("aria-pressed", String(mark.rejected));
    const made = this.store.made(this.cell);
    this.stars.row.hidden = this.reject.hidden = !made;
    this.drop.hidden = state?.status !== "queued" && state?.status !== "running";
    const words = {
      queued: "This clip is waiting to be made.", running: "This clip is in the making.",
      cancelled: "This clip was left out.",
    };
    const status = state?.status ?? "";
    this.note.textContent = (status === "failed" ? state?.error : problem)
      || /** @type {any} */ (words)[status] || "";
    this.note.classList.toggle("bcm-bad", status === "failed" || problem !== "");
    // Opened before it was made: the rest comes as soon as it is there.
    if (made && this.waited) this.store.details.want(this.cell);
    this.waited = !made;
  }

  /** @param {any} detail */
  describe(detail) {
    if (detail.i !== this.cell) return;
    this.fps = Number(detail.fps) || 8;
    const prompt = element("p", "bcm-prompt", detail.prompt);
    prompt.dir = "auto";
    const table = element("dl", "bcm-facts");
    for (const [name, value] of [...detail.arguments, ...detail.facts]) {
      table.append(element("dt", "", name), element("dd", "", value));
    }
    const code = element("pre", "bcm-code", detail.code);
    code.tabIndex = 0;
    const done = element("span", "bcm-copied");
    done.setAttribute("role", "status");
    const copies = button("copy", "copy as code", async () => {
      done.textContent = (await copy(detail.code, this.node)) ? "copied" : "select the text and copy it";
      this.node.focus({ preventScroll: true });
    });
    copies.textContent = "Copy as code";
    const row = element("div", "bcm-group");
    row.append(copies, done);
    this.side.replaceChildren(prompt, table, code, row);
    if (detail.problem) {
      this.note.textContent = detail.problem;
      this.note.classList.add("bcm-bad");
    }
  }

  /** @param {{i: number, data: Blob}} mp4 */
  play(mp4) {
    if (mp4.i !== this.cell) return;
    this.dropVideo();
    const video = /** @type {HTMLVideoElement} */ (element("video", "bcm-video"));
    Object.assign(video, { loop: true, muted: true, playsInline: true, controls: true });
    video.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    video.tabIndex = -1;
    // The sheet stays until the first frame is there, and for good where there is no codec.
    video.addEventListener("loadeddata", () => {
      this.canvas.hidden = true;
      video.classList.add("bcm-there");
    });
    video.addEventListener("error", () => {
      if (this.video !== video) return;
      this.dropVideo();
      this.note.textContent = "This page can't play H.264; these are the frames of the sheet.";
    });
    this.url = URL.createObjectURL(mp4.data);
    video.src = this.url;
    this.video = video;
    this.stage.append(video);
  }

  toggle() {
    if (!this.video) return;
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  /** @param {number} by frames, back or on */
  frame(by) {
    const { video } = this;
    if (!video) return;
    video.pause();
    const fps = this.fps || 8;
    const last = Math.max(0, Math.round(video.duration * fps) - 1);
    const now = Math.floor(video.currentTime * fps + 1e-3) + by;
    const frame = now < 0 ? last : now > last ? 0 : now;
    // To the middle of a frame: its edge may fall on either side.
    video.currentTime = (frame + 0.5) / fps;
  }

  /** A player that is only taken off the page keeps its decoder. */
  dropVideo() {
    const { video } = this;
    this.video = null;
    if (video) {
      video.removeAttribute("src");
      video.load();
      video.remove();
    }
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }

  /** @param {number} seconds the clock */
  paint(seconds) {
    if (!this.open || this.canvas.hidden) return;
    const picture = this.store.picture(this.cell);
    if (!picture) return;
    const { image, sheet } = picture;
    const frame = frameAt(sheet, seconds, null);
    const shown = `${sheet.width}x${sheet.height}:${frame}:${picture.preview}`;
    if (shown === this.shown && !picture.preview) return;
    this.shown = shown;
    this.canvas.width = sheet.width;
    this.canvas.height = sheet.height;
    this.context.drawImage(
      image, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
  }
}
