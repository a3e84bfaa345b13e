// Tells Python whether this page shows a widget: one that no page shows may be closed there.

import { on } from "./dom.js";

/** Counts the views of a widget. */
export class Views {
  #model;
  #client;
  #count = 0;
  #page = new AbortController();

  /** @param {any} model @param {string} client name of this page's store */
  constructor(model, client) {
    this.#model = model;
    this.#client = client;
    // A page that is closed or loaded again doesn't remove its views.
    on(window, /** @type {any} */ ("pagehide"), () => this.#send("closed"), { signal: this.#page.signal });
  }

  /**
   * Count a view.
   * @param {{close: () => void}} view
   * @returns {() => void} removes the view
   */
  add(view) {
    if (this.#count++ === 0) this.#send("opened");
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      view.close();
      if (--this.#count === 0) this.#send("closed");
    };
  }

  /** @param {"opened" | "closed"} kind */
  #send(kind) {
    try {
      this.#model.send({ kind, client: this.#client });
    } catch {
      // The widget or its kernel is gone, and with it what this is for.
    }
  }

  /** Stop: the widget is closed. */
  close() {
    this.#page.abort();
  }
}
