// One cell on the page: its moving image, or the reason why it has none.

import { frameAt } from "../core/clock.js";
import { attributes, div, element } from "../core/dom.js";
import { formatDuration, isolateBidi, pluralize } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */

/** @type {Record<string, string>} */
const STATUS_TEXT = {
  queued: "waiting", running: "generating", done: "done", cached: "from the library",
  failed: "failed", cancelled: "left out",
};

// Pixels around the window in which a tile counts as in view, so that none comes in with an old frame.
const MARGIN = "100px";
/** @type {WeakMap<Element, Tile>} */
const tiles = new WeakMap();
/** @type {IntersectionObserver | undefined} */
let observer;

/**
 * Tell a tile whether it is in view. A grid knows which of its cells its own window shows, but not
 * what the page shows of that; a canvas out of view costs as much as one in view.
 * @param {Tile} tile
 */
function watch(tile) {
  tiles.set(tile.node, tile);
  // It holds its targets weakly.
  observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) tiles.get(target)?.setInView(isIntersecting);
  }, { rootMargin: MARGIN });
  observer.observe(tile.node);
}

/** A cell that is reused for other clips while the grid scrolls. */
export class Tile {
  cell = -1;
  #label = "";
  #ownCaption = "";
  /** @type {number | null} */
  #scrub = null;
  #inView = true;
  #frame = -1;
  /** @type {ImageBitmap | null} */
  #bitmap = null;
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
    this.face = div("bcm-media");
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-image"));
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.note = div("bcm-note");
    this.#stars = div("bcm-rating");
    this.#tags = div("bcm-tags");
    this.#tags.dir = "auto";
    this.#needle = div("bcm-playhead");
    this.#progress = div("bcm-progress");
    this.took = div("bcm-timing");
    this.#caption = div("bcm-caption");
    this.face.append(this.#canvas, this.note, this.#stars, this.#tags, this.#needle, this.#progress, this.took);
    this.node.append(this.face, this.#caption);
    watch(this);
  }

  /**
   * Show another cell.
   * @param {number} cell
   * @param {string} label its values as text
   * @param {string} [caption] of these only what headers don't show, below it
   */
  assign(cell, label, caption = "") {
    this.cell = cell;
    this.#label = label;
    this.caption(caption);
    this.#scrub = null;
    this.invalidate();
    this.refresh();
  }

  /** Show another caption. @param {string} text */
  caption(text) {
    setText(this.#caption, text);
  }

  /** Force the next paint: a canvas that was detached may have lost its content. */
  invalidate() {
    delete this.node.dataset.shows;
    this.#bitmap = null;
    this.#frame = -1;
  }

  /** Stop painting while out of view. @param {boolean} inView */
  setInView(inView) {
    this.#inView = inView;
    this.node.classList.toggle("bcm-away", !inView);
  }

  /** Update everything but the moving image. */
  refresh() {
    const { cell, store, node } = this;
    const state = store.cells.get(cell);
    const item = store.items.get(cell);
    const { stars, rejected, tags } = store.annotation(cell);
    const image = store.imageOf(cell);
    const status = state?.status ?? (store.live ? "queued" : "done");
    const problem = state?.status === "failed" ? state.error : item?.problem;
    node.dataset.status = problem ? "failed" : status;
    node.classList.toggle("bcm-loading", !image && !problem);
    node.classList.toggle("bcm-rejected", rejected);
    this.#canvas.style.visibility = image ? "" : "hidden";
    setText(this.note, problem || "");
    this.face.title = problem || (status === "cancelled" ? STATUS_TEXT.cancelled : "");
    const cross = rejected ? "✕ " : "";
    setText(this.#stars, `${cross}${"★".repeat(stars)}`);
    this.#stars.dataset.short = `${cross}${stars ? `★${stars}` : ""}`;
    const steps = state?.steps ?? 0;
    const progress = status === "running" && steps ? /** @type {any} */ (state).step / steps : 0;
    this.#progress.style.transform = `scaleX(${progress})`;
    this.#progress.hidden = status !== "running";
    // The bar of a run says that all of its clips are drafts.
    const draft = item?.draft && !store.drafts;
    const took = status === "running" ? steps && `${state?.step}/${steps}`
      : draft ? "draft" : item?.seconds && `took ${formatDuration(item.seconds)}`;
    node.classList.toggle("bcm-draft", Boolean(draft));
    setText(this.took, took || "");
    this.took.title = item?.seconds ? `generated in ${formatDuration(item.seconds)}` : "";
    this.#caption.title = [this.#label, item?.prompt, item?.seed && `seed ${item.seed}`]
      .filter(Boolean).join("\n");
    setText(this.#tags, tags.map(isolateBidi).join(" · "));
    const facts = [STATUS_TEXT[status] ?? status, item?.draft && "draft", stars && pluralize(stars, "star"),
      rejected && "rejected", tags.length && `tagged ${tags.join(", ")}`,
      item?.broken && "broken image", item?.seconds && `generated in ${formatDuration(item.seconds)}`, problem];
    const step = status === "running" && steps ? `, step ${state?.step} of ${steps}` : "";
    node.setAttribute("aria-label",
      `${this.#label || item?.prompt || `cell ${cell + 1}`}: ${facts.filter(Boolean).join(", ")}${step}`);
  }

  /** Paint the frame at a time of the clock. @param {number} seconds */
  paint(seconds) {
    const image = this.store.imageOf(this.cell);
    if (!image) return;
    const { bitmap, sheet, preview } = image;
    // Out of view, each image is painted once.
    if (!this.#inView && bitmap === this.#bitmap) return;
    const frame = frameAt(sheet, seconds, this.#scrub);
    if (bitmap === this.#bitmap && frame === this.#frame) return;
    if (this.#canvas.width !== sheet.width || this.#canvas.height !== sheet.height) {
      this.#canvas.width = sheet.width;
      this.#canvas.height = sheet.height;
    }
    this.#context.drawImage(
      bitmap, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
    this.#bitmap = bitmap;
    this.#frame = frame;
    this.node.dataset.shows = preview ? "preview" : "clip";
    this.#canvas.dataset.frame = String(frame);
  }

  /** Show the frame at a position. @param {number | null} share 0 to 1 from left to right; null to stop */
  scrubTo(share) {
    this.#scrub = share;
    this.#needle.style.left = share === null ? "" : `${share * 100}%`;
    this.node.classList.toggle("bcm-scrubbing", share !== null);
  }
}

/** Set text, and hide the node while it is empty. @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}
