// What a panel's page knows: the state that Python has, and what was typed since.

import { KERNEL_ENDED, KERNEL_GONE, KERNEL_SILENT } from "../core/host.js";

/** @typedef {import("./slots.js").Row} Row */

const LATE = 10_000; // milliseconds without an answer that are told
const SOON = 120; // milliseconds: what is typed goes to Python together

export class PanelStore extends EventTarget {
  #model;
  edit = 0;
  /** The last edit that Python has answered. */
  #answered = 0;
  #timer = 0;
  /** @type {number | undefined} */
  #late;
  #ended;

  /** @param {any} model */
  constructor(model) {
    super();
    this.#model = model;
    this.client = Math.random().toString(36).slice(2, 10);
    /** @type {any} */
    this.state = structuredClone(model.get("_state"));
    this.hears = () => this.#onState();
    model.on("change:_state", this.hears);
    this.#ended = () => {
      this.away(KERNEL_GONE);
      this.say("hello");
    };
    model.on(KERNEL_ENDED, this.#ended);
  }

  /** Whether what is shown is not yet what Python knows. */
  get ahead() {
    return this.#answered < this.edit;
  }

  #onState() {
    const next = this.#model.get("_state");
    const [client, edit] = next.edit;
    if (client === this.client) this.#answered = edit;
    // An answer to an older edit would take back what was typed since.
    if (this.#timer || (client === this.client && edit < this.edit)) return;
    this.state = structuredClone(next);
    this.#tell();
  }

  /** @param {(state: any) => void} act changes the state in place */
  change(act) {
    act(this.state);
    this.edit += 1;
    this.#tell();
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.flush(), SOON);
  }

  /** Send what was typed at once, as before a run. */
  flush() {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = 0;
    const { serial, edit, undo, ...state } = this.state;
    this.send({ kind: "edit", edit: [this.client, this.edit], state });
  }

  /** @param {string} kind @param {object} [more] */
  say(kind, more = {}) {
    this.flush();
    this.send({ kind, ...more });
  }

  /** @param {object} content which Python answers, if only that it was heard */
  send(content) {
    this.#late ??= window.setTimeout(() => {
      this.#late = undefined;
      this.away(KERNEL_SILENT);
    }, LATE);
    try {
      this.#model.send(content);
    } catch {
      this.away(KERNEL_GONE);
    }
  }

  /** @param {string} why nothing comes from Python; "" where it answers */
  away(why) {
    this.dispatchEvent(new CustomEvent("away", { detail: why }));
  }

  heard() {
    this.away("");
    clearTimeout(this.#late);
    this.#late = undefined;
  }

  #tell() {
    this.dispatchEvent(new Event("state"));
  }

  close() {
    this.flush();
    clearTimeout(this.#late);
    this.#model.off("change:_state", this.hears);
    this.#model.off(KERNEL_ENDED, this.#ended);
  }
}
