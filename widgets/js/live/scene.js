// The clip of the live view, which is also a pad for the two blends.

import { frameAt } from "../core/clock.js";
import { attributes, div, element, on } from "../core/dom.js";
import { pluralize } from "../core/text.js";

/** @typedef {import("./live_store.js").LiveStore} LiveStore */

const DRAG_DISTANCE = 3; // pixels

/** A canvas that plays, with a badge and a dot at the current blends. */
export class Scene {
  #painted = "";
  #canvas;
  #context;
  #badge;
  #store;

  /**
   * @param {LiveStore} store
   * @param {{play: () => void, blend: (across: number, up: number) => void}} actions
   */
  constructor(store, actions) {
    this.#store = store;
    this.actions = actions;
    this.node = div("bcm-scene");
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-livecanvas"));
    attributes(this.#canvas, { role: "img", "aria-label": "the clip" });
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.#badge = div("bcm-badge");
    this.dot = div("bcm-dot");
    this.node.append(this.#canvas, this.#badge, this.dot);
    on(this.node, "pointerdown", (event) => this.#press(event));
  }

  /** Adapt to the model. @param {any} info */
  setModel(info) {
    this.node.style.setProperty("--bcm-aspect", `${info.width} / ${info.height}`);
  }

  /** Update badge and label. */
  refresh() {
    const { image, label } = this.#store;
    this.node.dataset.phase = image?.phase ?? "";
    this.#badge.textContent = image ? badgeText(image) : "";
    if (image && label) this.#canvas.setAttribute("aria-label", label);
  }

  /** Move the dot to the blends. @param {number} across prompts @param {number} up seeds */
  placeDot(across, up) {
    this.dot.style.left = `${across * 100}%`;
    this.dot.style.top = `${(1 - up) * 100}%`;
  }

  /** Force the next paint: a canvas that was detached may have lost its content. */
  invalidate() {
    this.#painted = "";
  }

  /**
   * Paint the frame at a time of the clock.
   * @param {number} seconds
   * @returns {boolean} whether something was painted
   */
  paint(seconds) {
    const { image, shown } = this.#store;
    if (!image) return false;
    const { bitmap, sheet } = image;
    const frame = frameAt(sheet, seconds, null);
    const painted = `${shown}:${frame}`;
    if (painted === this.#painted) return false;
    this.#painted = painted;
    if (this.#canvas.width !== sheet.width || this.#canvas.height !== sheet.height) {
      this.#canvas.width = sheet.width;
      this.#canvas.height = sheet.height;
    }
    this.#context.drawImage(
      bitmap, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
    this.#canvas.dataset.frame = String(frame);
    return true;
  }

  /** Blend prompts across and seeds upwards; a press without movement plays or pauses. */
  #press(/** @type {PointerEvent} */ event) {
    if (event.button) return;
    const { node } = this;
    const controller = new AbortController();
    const options = { signal: controller.signal };
    let moved = false;
    node.setPointerCapture(event.pointerId);
    on(node, "pointermove", (/** @type {PointerEvent} */ move) => {
      moved ||= Math.hypot(move.clientX - event.clientX, move.clientY - event.clientY) > DRAG_DISTANCE;
      if (!moved) return;
      const box = node.getBoundingClientRect();
      node.classList.add("bcm-dragging");
      this.actions.blend(
        toShare((move.clientX - box.left) / box.width), toShare(1 - (move.clientY - box.top) / box.height),
      );
    }, options);
    for (const name of ["pointerup", "pointercancel"]) {
      node.addEventListener(name, () => {
        controller.abort();
        node.classList.remove("bcm-dragging");
        if (!moved && name === "pointerup") this.actions.play();
      }, options);
    }
  }
}

/** Return the text of the badge. @param {import("./live_store.js").LiveImage} image */
export function badgeText({ phase, step, steps }) {
  if (phase === "preview") return `step ${step} of ${steps}`;
  const count = pluralize(steps, "step");
  return phase === "draft" ? `draft · ${count}` : count;
}

/** Clip a share to [0, 1], in hundredths. @param {number} share */
function toShare(share) {
  return Math.round(Math.min(1, Math.max(0, share)) * 100) / 100;
}
