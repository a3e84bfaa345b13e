// The live view's clip: it plays, and it is a pad for the two blends.

import { frameAt } from "../core/clock.js";
import { attributes, div, element, on } from "../core/dom.js";

/** @typedef {import("./live_store.js").LiveStore} LiveStore */

const FAR = 3;

export class Scene {
  #drawn = "";
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
    this.#canvas = /** @type {HTMLCanvasElement} */ (element("canvas", "bcm-view"));
    attributes(this.#canvas, { role: "img", "aria-label": "the clip" });
    this.#context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    this.#badge = div("bcm-badge");
    this.dot = div("bcm-dot");
    this.node.append(this.#canvas, this.#badge, this.dot);
    on(this.node, "pointerdown", (event) => this.#press(event));
  }

  /** @param {any} about */
  describe(about) {
    this.node.style.setProperty("--bcm-aspect", `${about.width} / ${about.height}`);
  }

  refresh() {
    const { picture, label } = this.#store;
    this.node.dataset.what = picture?.what ?? "";
    this.#badge.textContent = picture ? badge(picture) : "";
    if (picture && label) this.#canvas.setAttribute("aria-label", label);
  }

  /** The dot is where the blends are. @param {number} across @param {number} up */
  place(across, up) {
    this.dot.style.left = `${across * 100}%`;
    this.dot.style.top = `${(1 - up) * 100}%`;
  }

  /** Paint again even if nothing changed: a canvas that was detached may have lost its picture. */
  forget() {
    this.#drawn = "";
  }

  /**
   * @param {number} seconds the clock
   * @returns {boolean} whether something was painted
   */
  paint(seconds) {
    const { picture, shown } = this.#store;
    if (!picture) return false;
    const { image, sheet } = picture;
    const frame = frameAt(sheet, seconds, null);
    const drawn = `${shown}:${frame}`;
    if (drawn === this.#drawn) return false;
    this.#drawn = drawn;
    if (this.#canvas.width !== sheet.width || this.#canvas.height !== sheet.height) {
      this.#canvas.width = sheet.width;
      this.#canvas.height = sheet.height;
    }
    this.#context.drawImage(
      image, frame * sheet.width, 0, sheet.width, sheet.height, 0, 0, sheet.width, sheet.height,
    );
    this.#canvas.dataset.frame = String(frame);
    return true;
  }

  /** Across blends the prompts, up and down the seeds; a press that doesn't move plays or stops. */
  #press(/** @type {PointerEvent} */ event) {
    if (event.button) return;
    const { node } = this;
    const ending = new AbortController();
    const options = { signal: ending.signal };
    let moved = false;
    node.setPointerCapture(event.pointerId);
    on(node, "pointermove", (/** @type {PointerEvent} */ now) => {
      moved ||= Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > FAR;
      if (!moved) return;
      const box = node.getBoundingClientRect();
      node.classList.add("bcm-held");
      this.actions.blend(
        within((now.clientX - box.left) / box.width), within(1 - (now.clientY - box.top) / box.height),
      );
    }, options);
    for (const name of ["pointerup", "pointercancel"]) {
      node.addEventListener(name, () => {
        ending.abort();
        node.classList.remove("bcm-held");
        if (!moved && name === "pointerup") this.actions.play();
      }, options);
    }
  }
}

/** @param {import("./live_store.js").Picture} picture */
export function badge({ what, step, steps }) {
  if (what === "preview") return `step ${step} of ${steps}`;
  const many = `${steps} ${steps === 1 ? "step" : "steps"}`;
  return what === "draft" ? `draft · ${many}` : many;
}

/** @param {number} share */
function within(share) {
  return Math.round(Math.min(1, Math.max(0, share)) * 100) / 100;
}
