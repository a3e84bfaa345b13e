// The base of every surface of clips: its root element, its listeners, and messages to the user.

import { attributes, div, element, focus, on } from "../core/dom.js";
import { applyTheme, heightLeft, observeHost, prefersReducedMotion, replaceStaticSheet } from "../core/host.js";
import { closeMenuOf } from "../core/menu.js";
import { pluralize } from "../core/text.js";
import { createNotes } from "../captions/notes_line.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("../data/store.js").AnnotationChange} AnnotationChange */

const TOAST_TIME = 8000; // milliseconds

let surfaces = 0;

/** Root element, listeners and messages of a surface. */
export class Surface {
  /** Aborted when the surface is closed; ends its listeners and observers. */
  lifetime = new AbortController();
  #room = "";
  /** @type {number | undefined} */
  #layoutRequest;
  #connection;

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
    this.liveRegion = div("bcm-hidden");
    attributes(this.liveRegion, { "aria-live": "polite" });
    this.toast = div("bcm-toast");
    attributes(this.toast, { role: "alert" });
    this.toast.hidden = true;
    this.#connection = element("p", "bcm-connection");
    attributes(this.#connection, { role: "status" });
    this.#showConnection();
    const notes = createNotes(store, () => {
      store.dismissedNotes = store.notes.join("\n");
      store.emit("notes");
      focus(this.focusTarget);
    });
    this.root.append(this.#connection, notes.node);
    host.append(this.root);
    this.listen({
      connection: () => this.#showConnection(), cells: notes.refresh,
      notes: () => {
        notes.refresh();
        this.scheduleLayout();
      },
    });
    replaceStaticSheet(this.root, model.get("_sheet"), store, this.lifetime.signal);
    applyTheme(this.root, host);
  }

  /** Listen to events of the store. @param {Record<string, (detail: any) => void>} listeners by event */
  listen(listeners) {
    for (const [name, listener] of Object.entries(listeners)) {
      const onEvent = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
      this.store.addEventListener(name, onEvent, { signal: this.lifetime.signal });
    }
  }

  /** Show why Python does not answer, while it does not. */
  #showConnection() {
    this.#connection.textContent = this.store.connectionProblem;
    this.#connection.hidden = !this.store.connectionProblem;
  }

  /** Listen to changes of traits. @param {Record<string, () => void>} listeners by trait */
  listenToTraits(listeners) {
    for (const [name, listener] of Object.entries(listeners)) {
      this.model.on(`change:${name}`, listener);
      on(this.lifetime.signal, "abort", () => this.model.off(`change:${name}`, listener));
    }
  }

  /**
   * Observe the page: size, theme and visibility.
   * @param {(changed: boolean) => void} onResize changed: whether it has another width, or the host another limit
   * @param {(visible: boolean) => void} onVisible
   */
  observe(onResize, onVisible) {
    const onTheme = () => applyTheme(this.root, this.host);
    observeHost(this.root, this.lifetime.signal, {
      onResize: () => {
        // JupyterLab attaches the host after this surface was created: only now is its background known.
        onTheme();
        const width = this.root.clientWidth;
        const room = `${width} ${heightLeft(this.root)}`;
        onResize(Boolean(width) && room !== this.#room);
        this.#room = room;
      },
      onVisible, onTheme,
    });
  }

  /** Return the height of a node that scrolls. @param {HTMLElement} node @returns {number} */
  heightOf(node) {
    if (document.fullscreenElement !== this.root) return heightLeft(node) || this.model.get("height");
    const above = node.getBoundingClientRect().top - this.root.getBoundingClientRect().top;
    return Math.max(200, this.root.clientHeight - above - 12);
  }

  /** Lay out in the next frame, once for all changes until then. */
  scheduleLayout() {
    this.#layoutRequest ??= requestAnimationFrame(() => {
      this.#layoutRequest = undefined;
      this.relayout();
    });
  }

  /** The element that has the focus while nothing is open. @returns {HTMLElement} */
  get focusTarget() {
    return this.root;
  }

  /** Lay out again; each surface has its own way. */
  relayout() {}

  /** Show a problem for some seconds. @param {string} text */
  showProblem(text) {
    // Unchanged text is not set again: screen readers would repeat it.
    if (this.toast.textContent !== text) this.toast.textContent = text;
    this.toast.hidden = false;
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => { this.toast.hidden = true; }, TOAST_TIME);
  }

  /** Announce text to screen readers. @param {string} text */
  announce(text) {
    this.liveRegion.textContent = text;
  }

  /** Set a trait and send it to Python. @param {string} name @param {unknown} value */
  saveTrait(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** Change the annotations of cells. @param {number[]} cells @param {AnnotationChange} change */
  annotate(cells, change) {
    if (!cells.length || this.store.reportIfGone()) return;
    this.store.annotate(cells, change);
    const { stars, rejected, tag, on: added } = change;
    const text = stars !== undefined ? pluralize(stars, "star")
      : tag !== undefined ? (added ? `tagged ${tag}` : `tag ${tag} removed`)
        : rejected ? "rejected" : "not rejected";
    this.announce(cells.length > 1 ? `${cells.length} clips: ${text}` : text);
  }

  /** Remove the surface. */
  close() {
    this.lifetime.abort();
    closeMenuOf(this.root);
    clearTimeout(this.toastTimer);
    if (this.#layoutRequest !== undefined) cancelAnimationFrame(this.#layoutRequest);
    this.store.removeView(this.name);
    this.root.remove();
  }
}
