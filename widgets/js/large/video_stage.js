// One clip, large: its mp4 in step with the clock, and the frames of its sheet until that is there.

import { div, element, on } from "../core/dom.js";
import { frameAt } from "../core/clock.js";

/** @typedef {import("../data/store.js").Store} Store */

const DRIFT = 0.12; // seconds that a video may be off while it plays

/** @type {Record<string, string>} */
const WORDS = {
  queued: "This clip is waiting to be made.", running: "This clip is in the making.",
  cancelled: "This clip was left out.",
};

/**
 * How far a video is from where it should be, the short way round.
 * @param {number} now
 * @param {number} target
 * @param {number} length
 */
export function loopOffset(now, target, length) {
  const half = length / 2;
  return ((((now - target + half) % length) + length) % length) - half;
}

export class VideoStage {
  cell = -1;
  fps = 8;
  #shown = "";
  #url = "";
  /** What is wrong with the file, as Python says it. */
  problem = "";
  #canvas;
  #context;
  #note;
  /** @type {HTMLVideoElement | null} */
  video = null;
  #store;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    this.node = div("bcm-stage");
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-still"));
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.#note = element("p", "bcm-stagenote");
    this.node.append(this.#canvas, this.#note);
  }

  /** @param {number} cell */
  show(cell) {
    this.drop();
    this.cell = cell;
    this.#shown = "";
    this.problem = "";
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#canvas.hidden = false;
    this.refresh();
  }

  refresh() {
    const state = this.#store.cells.get(this.cell);
    const problem = (state?.status === "failed" ? state.error : this.#store.items.get(this.cell)?.problem) || this.problem;
    this.#note.textContent = problem || (WORDS[state?.status ?? ""] ?? "");
    this.#note.classList.toggle("bcm-bad", Boolean(problem));
  }

  /** @param {{i: number, data: Blob}} mp4 @param {() => void} ready */
  play(mp4, ready) {
    if (mp4.i !== this.cell) return;
    this.drop();
    const video = /** @type {HTMLVideoElement} */ (element("video", "bcm-video"));
    Object.assign(video, { loop: true, muted: true, playsInline: true, preload: "auto" });
    video.tabIndex = -1;
    // The sheet stays until the first frame is there, and for good where there is no codec.
    on(video, "loadeddata", () => {
      this.#canvas.hidden = true;
      video.classList.add("bcm-there");
      ready();
    });
    on(video, "error", () => {
      if (this.video !== video) return;
      this.drop();
      this.#note.textContent = "This page can't play H.264; these are the frames of the sheet.";
    });
    this.#url = URL.createObjectURL(mp4.data);
    video.src = this.#url;
    this.video = video;
    this.node.append(video);
  }

  /** A player that is only taken off the page keeps its decoder. */
  drop() {
    const { video } = this;
    this.video = null;
    if (video) {
      video.removeAttribute("src");
      video.load();
      video.remove();
    }
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = "";
    this.#canvas.hidden = false;
  }

  /**
   * @param {number} seconds the clock
   * @param {boolean} playing
   * @param {number} speed
   */
  paint(seconds, playing, speed) {
    const { video } = this;
    if (video?.classList.contains("bcm-there") && video.duration > 0) this.#follow(video, seconds, playing, speed);
    else this.#paintSheet(seconds);
  }

  /** @param {HTMLVideoElement} video @param {number} seconds @param {boolean} playing @param {number} speed */
  #follow(video, seconds, playing, speed) {
    const { duration } = video;
    const at = ((seconds % duration) + duration) % duration;
    if (playing) {
      if (video.playbackRate !== speed) video.playbackRate = speed;
      if (video.paused) video.play().catch(() => {});
      if (!video.seeking && Math.abs(loopOffset(video.currentTime, at, duration)) > Math.max(DRIFT, DRIFT * speed)) {
        video.currentTime = at;
      }
      return;
    }
    if (!video.paused) video.pause();
    // To the middle of a frame: its edge may fall on either side.
    const middle = (Math.floor(at * this.fps + 1e-6) + 0.5) / this.fps;
    if (!video.seeking && Math.abs(video.currentTime - middle) > 0.25 / this.fps) video.currentTime = middle;
  }

  /** @param {number} seconds */
  #paintSheet(seconds) {
    const picture = this.#store.imageOf(this.cell);
    if (!picture) return;
    const { image, sheet } = picture;
    const frame = frameAt(sheet, seconds, null);
    const shown = `${sheet.width}x${sheet.height}:${frame}:${picture.preview}`;
    if (shown === this.#shown && !picture.preview) return;
    this.#shown = shown;
    this.#canvas.width = sheet.width;
    this.#canvas.height = sheet.height;
    this.#context.drawImage(
      image, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
  }
}
