// The shelf of the live view: the clips that were kept. A press returns to a clip's settings.

import { attributes, div, element, focus, on } from "../core/dom.js";

/** @typedef {import("./live_store.js").LiveStore} LiveStore */

/** @type {Record<string, (at: number, last: number) => number>} */
const MOVES = { ArrowLeft: (at) => at - 1, ArrowRight: (at) => at + 1, Home: () => 0, End: (_, last) => last };

/** A line of posters. The style sheet plays them while they are hovered or focused. */
export class Shelf {
  node;
  /** @type {HTMLButtonElement[]} */
  #posters = [];
  #store;
  #restore;

  /**
   * @param {LiveStore} store
   * @param {string} hint shown while it is empty
   * @param {(key: string, label: string) => void} restore
   */
  constructor(store, hint, restore) {
    this.node = div("bcm-shelf", element("span", "bcm-status", hint));
    this.#store = store;
    this.#restore = restore;
    attributes(this.node, { role: "group", "aria-label": "kept clips" });
    this.refresh();
  }

  /** Add the clips that were kept since, and mark the one whose settings are shown. */
  refresh() {
    const { kept, code } = this.#store;
    const count = this.#posters.length;
    while (kept[this.#posters.length]) this.#posters.push(this.#create(kept[this.#posters.length]));
    if (this.#posters.length > count) {
      if (!count) this.node.textContent = "";
      // Those that are there stay: one of them may have the focus.
      this.node.append(...this.#posters.slice(count));
      this.node.scrollLeft = this.node.scrollWidth;
    }
    const current = kept.findIndex((clip) => clip?.code === code);
    this.#posters.forEach((poster, i) => attributes(poster, { "aria-current": i === current }));
    if (!this.node.contains(document.activeElement)) this.#stopAt(current < 0 ? this.#posters.length - 1 : current);
  }

  /** @param {import("./live_store.js").KeptClip} clip */
  #create({ key, label, sheet, url }) {
    const poster = /** @type {HTMLButtonElement} */ (element("button", "bcm-kept"));
    const name = `kept clip ${this.#posters.length + 1}`;
    poster.type = "button";
    poster.title = `return to ${label || name}`;
    attributes(poster, { "aria-label": `${name}: ${label}` });
    const { style } = poster;
    if (url && sheet) {
      style.backgroundImage = `url("${url}")`;
      style.aspectRatio = `${sheet.width} / ${sheet.height}`;
      style.setProperty("--bcm-frames", String(sheet.frames));
      style.setProperty("--bcm-seconds", `${sheet.count / sheet.fps}s`);
    }
    on(poster, "click", () => this.#restore(key, name));
    return poster;
  }

  /** Let Tab lead to one poster only. @param {number} at */
  #stopAt(at) {
    this.#posters.forEach((poster, i) => { poster.tabIndex = i === at ? 0 : -1; });
  }

  /** Move among the posters; return whether the key does. @param {string} key */
  move(key) {
    const at = this.#posters.findIndex((poster) => poster === document.activeElement);
    if (at < 0 || !MOVES[key]) return false;
    const last = this.#posters.length - 1;
    const next = Math.max(0, Math.min(last, MOVES[key](at, last)));
    this.#stopAt(next);
    focus(this.#posters[next]);
    this.#posters[next].scrollIntoView({ block: "nearest", inline: "nearest" });
    return true;
  }
}
