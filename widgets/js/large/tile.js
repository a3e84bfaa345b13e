// One cell on the page: its picture, or a sentence on why there is none.

import { frameAt } from "../core/clock.js";
import { attributes, div, element } from "../core/dom.js";
import { formatDuration, isolateBidi } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */

/** @type {Record<string, string>} */
const WORDS = {
  queued: "waiting", running: "in the making", done: "done", cached: "from the library",
  failed: "failed", cancelled: "left out",
};

export class Tile {
  cell = -1;
  #label = "";
  /** @type {number | null} */
  #scrub = null;
  #shown = -1;
  /** @type {ImageBitmap | null} */
  #image = null;
  #canvas;
  #context;
  #needle;
  #progress;
  #caption;
  #stars;
  #tags;

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.node = div("bcm-cell");
    attributes(this.node, { role: "gridcell" });
    this.face = div("bcm-face");
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-picture"));
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.note = div("bcm-note");
    this.#stars = div("bcm-rated");
    this.#tags = div("bcm-tagged");
    this.#tags.dir = "auto";
    this.#needle = div("bcm-needle");
    this.#progress = div("bcm-progress");
    this.took = div("bcm-took");
    this.#caption = div("bcm-caption");
    this.face.append(this.#canvas, this.note, this.#stars, this.#tags, this.#needle, this.#progress, this.took);
    this.node.append(this.face, this.#caption);
  }

  /**
   * Show a cell from now on.
   * @param {number} cell
   * @param {string} label its values in words
   */
  take(cell, label) {
    this.cell = cell;
    this.#label = label;
    this.#scrub = null;
    this.forget();
    this.refresh();
  }

  /** Paint again even if nothing changed: a canvas that was detached may have lost its picture. */
  forget() {
    delete this.node.dataset.shows;
    this.#image = null;
    this.#shown = -1;
  }

  /** Bring everything but the moving picture up to date. */
  refresh() {
    const { cell, store, node } = this;
    const state = store.cells.get(cell);
    const item = store.items.get(cell);
    const mark = store.annotation(cell);
    const picture = store.imageOf(cell);
    const status = state?.status ?? (store.live ? "queued" : "done");
    const problem = state?.status === "failed" ? state.error : item?.problem;
    node.dataset.status = problem ? "failed" : status;
    node.classList.toggle("bcm-waiting", !picture && !problem);
    node.classList.toggle("bcm-rejected", mark.rejected);
    this.#canvas.style.visibility = picture ? "" : "hidden";
    setText(this.note, problem || "");
    this.face.title = problem || (status === "cancelled" ? WORDS.cancelled : "");
    const { stars } = mark;
    const rejected = mark.rejected ? "✕ " : "";
    setText(this.#stars, `${rejected}${"★".repeat(stars)}`);
    this.#stars.dataset.short = `${rejected}${stars ? `★${stars}` : ""}`;
    const steps = state?.steps ?? 0;
    const share = status === "running" && steps ? /** @type {any} */ (state).step / steps : 0;
    this.#progress.style.transform = `scaleX(${share})`;
    this.#progress.hidden = status !== "running";
    const took = status === "running" ? steps && `${state?.step}/${steps}` : item?.seconds && formatDuration(item.seconds);
    setText(this.took, took || "");
    setText(this.#caption, this.#label || item?.prompt || "");
    this.#caption.title = [this.#label, item?.prompt, item?.seed && `seed ${item.seed}`]
      .filter(Boolean).join("\n");
    setText(this.#tags, mark.tags.map(isolateBidi).join(" · "));
    const marks = [WORDS[status] ?? status, stars && `${stars} ${stars === 1 ? "star" : "stars"}`,
      mark.rejected && "rejected", mark.tags.length && `tagged ${mark.tags.join(", ")}`,
      item?.broken && "broken picture", item?.seconds && `took ${formatDuration(item.seconds)}`, problem];
    const said = status === "running" && steps ? `, step ${state?.step} of ${steps}` : "";
    node.setAttribute("aria-label",
      `${this.#label || item?.prompt || `cell ${cell + 1}`}: ${marks.filter(Boolean).join(", ")}${said}`);
  }

  /** @param {number} seconds the clock */
  paint(seconds) {
    const picture = this.store.imageOf(this.cell);
    if (!picture) return;
    const { image, sheet } = picture;
    const frame = frameAt(sheet, seconds, this.#scrub);
    if (image === this.#image && frame === this.#shown) return;
    if (this.#canvas.width !== sheet.width || this.#canvas.height !== sheet.height) {
      this.#canvas.width = sheet.width;
      this.#canvas.height = sheet.height;
    }
    this.#context.drawImage(
      image, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
    this.#image = image;
    this.#shown = frame;
    this.node.dataset.shows = picture.preview ? "preview" : "clip";
    this.#canvas.dataset.frame = String(frame);
  }

  /** @param {number | null} share 0 to 1 from left to right */
  scrubTo(share) {
    this.#scrub = share;
    this.#needle.style.left = share === null ? "" : `${share * 100}%`;
    this.node.classList.toggle("bcm-scrubbed", share !== null);
  }
}

/** @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}
