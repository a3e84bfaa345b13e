// One clip at full size: its mp4 in sync with the clock, and the frames of its sheet until that loads.

import { frameAt } from "../core/clock.js";
import { div, element, on } from "../core/dom.js";

/** @typedef {import("../data/store.js").Store} Store */

const MAX_DRIFT = 0.12; // seconds that a playing video may be off

/** @type {Record<string, string>} */
const STATUS_TEXT = {
  queued: "This clip is waiting to be generated.", running: "This clip is being generated.",
  cancelled: "This clip was left out of the run.",
};

/**
 * Return how far a looping video is from its target in seconds, the shorter way around the loop.
 * @param {number} now
 * @param {number} target
 * @param {number} length of the loop
 */
export function loopOffset(now, target, length) {
  const half = length / 2;
  return ((((now - target + half) % length) + length) % length) - half;
}

/** A canvas with the sheet, a video over it, and a note. */
export class VideoStage {
  cell = -1;
  fps = 8;
  #painted = "";
  #url = "";
  /** What is wrong with the file, as reported by Python. */
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
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-poster"));
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.#note = element("p", "bcm-stagenote");
    this.node.append(this.#canvas, this.#note);
  }

  /** Height / width of the clip, as far as it is known. */
  get aspect() {
    const { video } = this;
    if (video?.videoWidth) return video.videoHeight / video.videoWidth;
    const sheet = this.#store.imageOf(this.cell)?.sheet;
    return sheet ? sheet.height / sheet.width : this.#store.aspect;
  }

  /** Show a cell. @param {number} cell */
  show(cell) {
    this.unload();
    this.cell = cell;
    this.#painted = "";
    this.problem = "";
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#canvas.hidden = false;
    this.refresh();
  }

  /** Update the note. */
  refresh() {
    const state = this.#store.cells.get(this.cell);
    const problem = (state?.status === "failed" ? state.error : this.#store.items.get(this.cell)?.problem) || this.problem;
    this.#note.textContent = problem || (STATUS_TEXT[state?.status ?? ""] ?? "");
    this.#note.classList.toggle("bcm-error", Boolean(problem));
  }

  /** Load an mp4. @param {{i: number, data: Blob}} mp4 @param {() => void} ready called when it can be painted */
  play(mp4, ready) {
    if (mp4.i !== this.cell) return;
    this.unload();
    const video = /** @type {HTMLVideoElement} */ (element("video", "bcm-video"));
    Object.assign(video, { loop: true, muted: true, playsInline: true, preload: "auto" });
    video.tabIndex = -1;
    // The sheet stays until the first frame is decoded, and for good where the codec is missing.
    on(video, "loadeddata", () => {
      this.#canvas.hidden = true;
      video.classList.add("bcm-loaded");
      ready();
    });
    on(video, "error", () => {
      if (this.video !== video) return;
      this.unload();
      this.#note.textContent = "This browser cannot play H.264; these are the frames of the sheet.";
    });
    this.#url = URL.createObjectURL(mp4.data);
    video.src = this.#url;
    this.video = video;
    this.node.append(video);
  }

  /** Remove the video. Clearing its source frees the decoder, which removal alone does not. */
  unload() {
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
   * Paint the video or the sheet at a time of the clock.
   * @param {number} seconds
   * @param {boolean} playing
   * @param {number} speed
   */
  paint(seconds, playing, speed) {
    const { video } = this;
    if (video?.classList.contains("bcm-loaded") && video.duration > 0) this.#syncVideo(video, seconds, playing, speed);
    else this.#paintSheet(seconds);
  }

  /** Keep the video in sync. @param {HTMLVideoElement} video @param {number} seconds @param {boolean} playing @param {number} speed */
  #syncVideo(video, seconds, playing, speed) {
    const { duration } = video;
    const at = ((seconds % duration) + duration) % duration;
    if (playing) {
      if (video.playbackRate !== speed) video.playbackRate = speed;
      if (video.paused) video.play().catch(() => {});
      if (!video.seeking && Math.abs(loopOffset(video.currentTime, at, duration)) > Math.max(MAX_DRIFT, MAX_DRIFT * speed)) {
        video.currentTime = at;
      }
      return;
    }
    if (!video.paused) video.pause();
    // To the middle of a frame: an edge may round to either side.
    const middle = (Math.floor(at * this.fps + 1e-6) + 0.5) / this.fps;
    if (!video.seeking && Math.abs(video.currentTime - middle) > 0.25 / this.fps) video.currentTime = middle;
  }

  /** Paint a frame of the sheet. @param {number} seconds */
  #paintSheet(seconds) {
    const image = this.#store.imageOf(this.cell);
    if (!image) return;
    const { bitmap, sheet, preview } = image;
    const frame = frameAt(sheet, seconds, null);
    const painted = `${sheet.width}x${sheet.height}:${frame}:${preview}`;
    if (painted === this.#painted && !preview) return;
    this.#painted = painted;
    this.#canvas.width = sheet.width;
    this.#canvas.height = sheet.height;
    this.#context.drawImage(
      bitmap, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
  }
}
