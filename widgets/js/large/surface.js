// What every surface of clips has: its root, its talk with store and model, and words for people.

import { attributes, div, element, on } from "../core/dom.js";
import { guardShortcuts } from "../core/keys.js";
import { prefersReducedMotion, observeHost, replaceStaticSheet, applyTheme } from "../core/host.js";

/** @typedef {import("../data/store.js").Store} Store */

let surfaces = 0;

export class Surface {
  ending = new AbortController();
  #wide = 0;
  /** @type {number | undefined} */
  #laying;
  #away;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    this.store = store;
    this.model = model;
    this.host = host;
    this.name = `view${++surfaces}`;
    this.reducedMotion = prefersReducedMotion();
    this.root = div("bcm-root");
    this.live = div("bcm-hidden");
    attributes(this.live, { "aria-live": "polite" });
    this.toast = div("bcm-toast");
    attributes(this.toast, { role: "alert" });
    this.toast.hidden = true;
    this.#away = element("p", "bcm-away");
    attributes(this.#away, { role: "status" });
    this.#away.hidden = true;
    this.root.append(this.#away);
    host.append(this.root);
    this.hear({ away: () => this.#showAway() });
    replaceStaticSheet(this.root, model.get("_sheet"), store, this.ending.signal);
    applyTheme(this.root, host);
    // Before the document, where Jupyter listens.
    on(window, "keydown", (event) => guardShortcuts(event, this.root), { capture: true, signal: this.ending.signal },
    );
  }

  /** Be told of events of the store. @param {Record<string, (detail: any) => void>} actions by event */
  hear(actions) {
    for (const [name, act] of Object.entries(actions)) {
      const hear = (/** @type {Event} */ event) => act(/** @type {CustomEvent} */ (event).detail);
      this.store.addEventListener(name, hear, { signal: this.ending.signal });
    }
  }

  /** Say why nothing comes from Python, for as long as that is so. */
  #showAway() {
    this.#away.textContent = this.store.connectionProblem;
    this.#away.hidden = !this.store.connectionProblem;
  }

  /** Be told of values that change. @param {Record<string, () => void>} actions by trait */
  heed(actions) {
    for (const [name, act] of Object.entries(actions)) {
      this.model.on(`change:${name}`, act);
      on(this.ending.signal, "abort", () => this.model.off(`change:${name}`, act));
    }
  }

  /**
   * Follow the page: size, applyTheme, and whether anybody can see it.
   * @param {(changed: boolean) => void} resized with whether the width is another one
   * @param {(seen: boolean) => void} seen
   */
  watch(resized, seen) {
    observeHost(this.root, this.ending.signal, {
      resized: () => {
        // Lab puts the host on its page after this was made: only then is its ground known.
        applyTheme(this.root, this.host);
        const wide = this.root.clientWidth;
        resized(Boolean(wide) && wide !== this.#wide);
        this.#wide = wide;
      },
      seen, themed: () => applyTheme(this.root, this.host),
    });
  }

  /** Lay out anew, once for all that changes together. */
  scheduleLayout() {
    this.#laying ??= requestAnimationFrame(() => {
      this.#laying = undefined;
      this.relayout();
    });
  }

  relayout() {}

  /** @param {string} text */
  complain(text) {
    // The same again is not read aloud again.
    if (this.toast.textContent !== text) this.toast.textContent = text;
    this.toast.hidden = false;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.toast.hidden = true; }, 8000);
  }

  /** @param {string} text for screen readers */
  say(text) {
    this.live.textContent = text;
  }

  /** @param {string} name @param {unknown} value */
  save(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** @param {number[]} cells @param {import("../data/store.js").AnnotationChange} marking */
  rate(cells, marking) {
    if (!cells.length || this.store.reportIfGone()) return;
    this.store.annotate(cells, marking);
    const { stars, rejected, tag, on } = marking;
    const words = stars !== undefined ? `${stars} ${stars === 1 ? "star" : "stars"}`
      : tag !== undefined ? (on ? `tagged ${tag}` : `tag ${tag} taken away`)
        : rejected ? "rejected" : "not rejected";
    this.say(cells.length > 1 ? `${cells.length} clips: ${words}` : words);
  }

  close() {
    this.ending.abort();
    clearTimeout(this.quiet);
    if (this.#laying !== undefined) cancelAnimationFrame(this.#laying);
    this.store.removeView(this.name);
    this.root.remove();
  }
}
