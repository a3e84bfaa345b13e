// State of the panel: what Python has, and the edits made since.

import { KERNEL_ENDED, KERNEL_GONE, KERNEL_SILENT } from "../core/host.js";
import { Source } from "../core/source.js";

/** @typedef {import("./text/slots.js").Row} Row */

const ANSWER_TIMEOUT = 10_000; // milliseconds
const EDIT_DELAY = 120; // milliseconds in which edits are collected

/** Events: "state" and "connection". */
export class PanelStore extends Source {
  #model;
  /** Number of the last edit made here. */
  edit = 0;
  /** Number of the last edit that Python has answered. */
  #answered = 0;
  #editTimer = 0;
  /** @type {number | undefined} */
  #answerTimer;
  #onKernelEnded;
  /** Why Python does not answer; "" if it does. */
  connection = "";

  /** @param {any} model */
  constructor(model) {
    super();
    this.#model = model;
    this.client = Math.random().toString(36).slice(2, 10);
    /** @type {any} */
    this.state = structuredClone(model.get("_state"));
    this.onChange = () => this.#onState();
    model.on("change:_state", this.onChange);
    this.#onKernelEnded = () => {
      this.#setConnection(KERNEL_GONE);
      this.request("hello");
    };
    model.on(KERNEL_ENDED, this.#onKernelEnded);
  }

  /** Whether edits are not yet answered by Python. */
  get ahead() {
    return this.#answered < this.edit;
  }

  #onState() {
    const next = this.#model.get("_state");
    const [client, edit] = next.edit;
    if (client === this.client) this.#answered = edit;
    // An answer to an older edit would undo what was typed since.
    if (this.#editTimer || (client === this.client && edit < this.edit)) return;
    this.state = structuredClone(next);
    this.#emitState();
  }

  /** Edit the state. @param {(state: any) => void} edit changes it in place */
  change(edit) {
    edit(this.state);
    this.edit += 1;
    this.#emitState();
    clearTimeout(this.#editTimer);
    this.#editTimer = window.setTimeout(() => this.flush(), EDIT_DELAY);
  }

  /** Send pending edits at once. */
  flush() {
    if (!this.#editTimer) return;
    clearTimeout(this.#editTimer);
    this.#editTimer = 0;
    const { serial, edit, undo, ...state } = this.state;
    this.send({ kind: "edit", edit: [this.client, this.edit], state });
  }

  /** Send pending edits, then a request. @param {string} kind @param {object} [content] */
  request(kind, content = {}) {
    this.flush();
    this.send({ kind, ...content });
  }

  /** Send a message, which Python at least acknowledges. @param {object} content */
  send(content) {
    this.#answerTimer ??= window.setTimeout(() => {
      this.#answerTimer = undefined;
      this.#setConnection(KERNEL_SILENT);
    }, ANSWER_TIMEOUT);
    try {
      this.#model.send(content);
    } catch {
      this.#setConnection(KERNEL_GONE);
    }
  }

  /** @param {string} problem why Python does not answer; "" if it does */
  #setConnection(problem) {
    // A kernel that is gone is reported once.
    if (problem === this.connection || (problem && this.connection === KERNEL_GONE)) return;
    this.connection = problem;
    this.dispatchEvent(new Event("connection"));
  }

  /** Note that Python has answered. */
  onAnswer() {
    this.#setConnection("");
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
  }

  #emitState() {
    this.dispatchEvent(new Event("state"));
  }

  /** Stop the store. */
  close() {
    this.flush();
    clearTimeout(this.#answerTimer);
    this.#model.off("change:_state", this.onChange);
    this.#model.off(KERNEL_ENDED, this.#onKernelEnded);
  }
}
