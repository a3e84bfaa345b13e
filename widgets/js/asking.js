// What a panel's page knows: the state that Python has, and what was typed since.

/** @typedef {import("./slots.js").Row} Row */

const SOON = 120; // milliseconds: what is typed goes to Python together

export class Asking extends EventTarget {
  /** @param {any} model */
  constructor(model) {
    super();
    this.model = model;
    this.client = Math.random().toString(36).slice(2, 10);
    this.edit = 0;
    /** The last edit that Python has answered. */
    this.answered = 0;
    this.timer = 0;
    /** @type {any} */
    this.state = structuredClone(model.get("_state"));
    this.hears = () => this.onState();
    model.on("change:_state", this.hears);
  }

  /** Whether what is shown is not yet what Python knows. */
  get ahead() {
    return this.answered < this.edit;
  }

  onState() {
    const next = this.model.get("_state");
    const [client, edit] = next.edit;
    if (client === this.client) this.answered = edit;
    // An answer to an older edit would take back what was typed since.
    if (this.timer || (client === this.client && edit < this.edit)) return;
    this.state = structuredClone(next);
    this.tell();
  }

  /** @param {(state: any) => void} act changes the state in place */
  change(act) {
    act(this.state);
    this.edit += 1;
    this.tell();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.flush(), SOON);
  }

  /** Send what was typed at once, as before a run. */
  flush() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    const { serial, edit, undo, ...state } = this.state;
    this.model.send({ kind: "edit", edit: [this.client, this.edit], state });
  }

  /** @param {string} kind @param {object} [more] */
  say(kind, more = {}) {
    this.flush();
    this.model.send({ kind, ...more });
  }

  tell() {
    this.dispatchEvent(new Event("state"));
  }

  close() {
    this.flush();
    this.model.off("change:_state", this.hears);
  }
}
