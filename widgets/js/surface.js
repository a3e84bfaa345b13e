// What every surface of clips has: its root, its talk with store and model, and words for people.

import { attributes, div, element, on } from "./dom.js";
import { guard } from "./keys.js";
import { calm, follow, standIn, theme } from "./page.js";

/** @typedef {import("./store.js").Store} Store */

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
    this.calm = calm();
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
    standIn(this.root, model.get("_sheet"), store, this.ending.signal);
    theme(this.root, host);
    // Before the document, where Jupyter listens.
    on(window, "keydown", (event) => guard(event, this.root), { capture: true, signal: this.ending.signal },
    );
  }

  /** Be told of events of the store. @param {Record<string, (detail: any) => void>} acts by event */
  hear(acts) {
    for (const [name, act] of Object.entries(acts)) {
      const hear = (/** @type {Event} */ event) => act(/** @type {CustomEvent} */ (event).detail);
      this.store.addEventListener(name, hear, { signal: this.ending.signal });
    }
  }

  /** Say why nothing comes from Python, for as long as that is so. */
  #showAway() {
    this.#away.textContent = this.store.away;
    this.#away.hidden = !this.store.away;
  }

  /** Be told of values that change. @param {Record<string, () => void>} acts by trait */
  heed(acts) {
    for (const [name, act] of Object.entries(acts)) {
      this.model.on(`change:${name}`, act);
      on(this.ending.signal, "abort", () => this.model.off(`change:${name}`, act));
    }
  }

  /**
   * Follow the page: size, theme, and whether anybody can see it.
   * @param {(changed: boolean) => void} resized with whether the width is another one
   * @param {(seen: boolean) => void} seen
   */
  watch(resized, seen) {
    follow(this.root, this.ending.signal, {
      resized: () => {
        // Lab puts the host on its page after this was made: only then is its ground known.
        theme(this.root, this.host);
        const wide = this.root.clientWidth;
        resized(Boolean(wide) && wide !== this.#wide);
        this.#wide = wide;
      },
      seen, themed: () => theme(this.root, this.host),
    });
  }

  /** Lay out anew, once for all that changes together. */
  relayoutSoon() {
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

  /** @param {number[]} cells @param {import("./store.js").Marking} marking */
  rate(cells, marking) {
    if (!cells.length || this.store.lost()) return;
    this.store.rate(cells, marking);
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
    this.store.leave(this.name);
    this.root.remove();
  }
}
