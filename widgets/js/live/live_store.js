// The live view's talk with Python: the latest dials go out, the latest picture comes in.

import { blob, decode } from "../data/sheets.js";

/** @typedef {import("../data/sheets.js").Sheet} Sheet */
/** @typedef {{image: ImageBitmap, sheet: Sheet, what: string, n: number, steps: number,
 *   step: number, mine: boolean}} Picture */

// Milliseconds between two messages to Python.
const PACE = 30;
// So many may be unanswered; then the latest waits here instead of queueing there.
const AHEAD = 6;
const LOOK_EVERY = 250;
const BUSY_AFTER = 1500;
const GONE_AFTER = 12_000;
// An answer may be lost, too.
const AGAIN_AFTER = 3000;

export class LiveStore extends EventTarget {
  /** What Python doesn't know yet. @type {any} */
  #waiting = null;
  n = 0;
  /** Numbers of what was sent and has no answer yet. @type {number[]} */
  open = [];
  /** Since when nothing was heard of them; 0 for none. */
  #since = 0;
  state = "";
  ready = false;
  code = "";
  label = "";
  #kept = 0;
  /** @type {Picture | null} */
  picture = null;
  #arrived = 0;
  shown = 0;
  /** @type {any} */
  #timer = null;
  /** @type {any} */
  #looking = null;

  /**
   * @param {{send: (content: any) => void, decode?: typeof decode, now?: () => number}} options
   */
  constructor({ send, decode: decoder = decode, now = () => performance.now() }) {
    super();
    this.client = Math.random().toString(36).slice(2, 10);
    this.send = send;
    this.decode = decoder;
    this.now = now;
    this.sent = -Infinity;
  }

  hello() {
    this.open.push(0);
    this.say({ kind: "hello" });
  }

  keep() {
    this.say({ kind: "keep" });
  }

  /**
   * Let Python, and the other views of the page, know where the dials stand.
   * @param {any} dials
   * @param {any} [by] the view in which they were turned
   */
  turn(dials, by = null) {
    this.#waiting = dials;
    this.n++;
    this.flush();
    this.#tell("turned", { by, dials });
  }

  flush() {
    if (!this.#waiting || this.#timer !== null) return;
    const now = this.now();
    if (this.open.length >= AHEAD && now - this.sent < AGAIN_AFTER) return this.#look();
    const wait = this.sent + PACE - now;
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.flush();
      }, wait);
      return;
    }
    const dials = this.#waiting;
    this.#waiting = null;
    this.open.push(this.n);
    this.say({ kind: "ask", n: this.n, dials });
  }

  /** @param {any} content */
  say(content) {
    this.sent = this.now();
    if (this.open.length) this.#since ||= this.sent;
    try {
      this.send({ ...content, client: this.client });
    } catch {
      this.#become("ended");
    }
    this.#look();
  }

  /** The host says that the kernel is gone. An answer takes that back. */
  onEnded() {
    this.#become("ended");
    this.hello();
  }

  /** See whether answers stay away. */
  #look() {
    if (this.#looking !== null) return;
    this.#looking = setTimeout(() => {
      this.#looking = null;
      const late = this.#since ? this.now() - this.#since : 0;
      if (this.state === "ended") return;
      if (late > GONE_AFTER) this.#become("gone");
      else if (late > BUSY_AFTER) this.#become("busy");
      this.flush();
      if (this.#since || this.#waiting) this.#look();
    }, LOOK_EVERY);
  }

  /** @param {string} state "", "busy", "gone", or "ended" where that is sure */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#tell("state");
  }

  /** @param {any} content @param {DataView[]} buffers */
  hear(content, buffers = []) {
    this.ready = true;
    const n = content.kind === "heard" ? content.by?.[this.client]
      : content.client === this.client ? content.n : undefined;
    if (typeof n === "number") this.open = this.open.filter((one) => one > n);
    // Any word of the kernel's says that it lives.
    this.#since = this.open.length ? this.now() : 0;
    this.#become("");
    if (content.kind === "sight" && buffers.length) this.take(content, buffers[0]);
    else if (content.kind === "sight") this.#tell("step", content);
    else if (content.kind === "problem") this.#tell("problem", content.text);
    else if (content.kind === "kept") {
      this.#kept = content.count;
      this.#tell("kept", content.count);
    }
    this.flush();
  }

  /** @param {any} content @param {DataView} data */
  async take(content, data) {
    const number = ++this.#arrived;
    let image;
    try {
      image = await this.decode(blob(data));
    } catch {
      return this.#tell("problem", "A picture could not be read.");
    }
    // Decoding takes its time: a newer one may have been quicker.
    if (number < this.shown) return image.close();
    this.shown = number;
    this.picture?.image.close();
    if (content.code) this.code = content.code;
    if (content.label) this.label = content.label;
    this.picture = {
      image, sheet: content.sheet, what: content.what, n: content.n, step: content.step,
      steps: content.steps, mine: content.client === this.client,
    };
    this.#tell("picture");
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail = undefined) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#looking);
    this.picture?.image.close();
    this.picture = null;
  }
}
