// Messages of the live widget with Python: the latest control values go out, the latest image comes in.

import { Source } from "../core/source.js";
import { decode, jpegBlob } from "../data/sheets.js";

/** @typedef {import("../data/sheets.js").Sheet} Sheet */
/**
 * The image that is shown; phase: "preview", "draft" or "clip"; edit: number of the edit that it
 * answers; own: whether this front end made that edit.
 * @typedef {{bitmap: ImageBitmap, sheet: Sheet, phase: string, edit: number, steps: number,
 *   step: number, own: boolean}} LiveImage
 */

/**
 * A clip that was kept; url: of its sheet, "" if that can't be read.
 * @typedef {{key: string, label: string, code: string, sheet: Sheet | null, url: string}} KeptClip
 */

// Milliseconds between two messages to Python.
const MIN_INTERVAL = 30;
// Unanswered requests after which the latest values wait here instead of queueing in the kernel.
const MAX_UNANSWERED = 6;
const CHECK_INTERVAL = 250;
const BUSY_AFTER = 1500;
const GONE_AFTER = 12_000;
// Answers may be lost: after this time the next request is sent anyway.
const RETRY_AFTER = 3000;

/**
 * State of the live widget. Events: "image", "step" (detail: message), "state", "values" (detail: by
 * and values), "problem" (detail: text), "saved" (detail: count), "kept".
 */
export class LiveStore extends Source {
  /** Values that are not sent yet. @type {any} */
  #unsent = null;
  /** The values set here last, and those that Python had then. @type {any} */
  #own = {};
  /** Number of the last edit made here. */
  edit = 0;
  /** Numbers of edits without an answer. @type {number[]} */
  unanswered = [];
  /** When the silence about them began; 0 if all are answered. */
  #silentSince = 0;
  /** "", "busy", "gone", or "ended" once that is certain. */
  state = "";
  ready = false;
  code = "";
  label = "";
  /** @type {LiveImage | null} */
  image = null;
  /** In order; with gaps until all have arrived. @type {KeptClip[]} */
  kept = [];
  #arrived = 0;
  /** Number of the image that is shown, in order of arrival. */
  shown = 0;
  /** @type {any} */
  #sendTimer = null;
  /** @type {any} */
  #checkTimer = null;

  /**
   * @param {{send: (content: any) => void, decode?: typeof decode, now?: () => number}} options
   */
  constructor({ send, decode: decoder = decode, now = () => performance.now() }) {
    super();
    this.client = Math.random().toString(36).slice(2, 10);
    this.transport = send;
    this.decode = decoder;
    this.now = now;
    this.lastSent = -Infinity;
  }

  /** Request the whole state from Python. */
  hello() {
    this.unanswered.push(0);
    this.send({ kind: "hello" });
  }

  /** Save the clip to the library. */
  keep() {
    this.send({ kind: "keep" });
  }

  /** Return to the settings of a kept clip. @param {string} key */
  restore(key) {
    this.#unsent = null;
    this.send({ kind: "restore", key });
  }

  /**
   * Send the values of the controls to Python and to the other views.
   * @param {any} values
   * @param {any} [by] the view in which they changed
   * @param {any} [known] the values that Python has
   */
  setValues(values, by = null, known = null) {
    this.#own = { values, known };
    this.#unsent = values;
    this.edit++;
    this.flush();
    this.#emit("values", { by, values });
  }

  /** Return the latest values: those set here, until Python has others than were set here. @param {any} known those that Python has */
  latestValues(known) {
    const { values, known: before } = this.#own;
    return values && (known === before || known.client === this.client) ? values : known;
  }

  /** Send the latest values, as soon as the pace allows. */
  flush() {
    if (!this.#unsent || this.#sendTimer !== null) return;
    const now = this.now();
    if (this.unanswered.length >= MAX_UNANSWERED && now - this.lastSent < RETRY_AFTER) return this.#checkSoon();
    const wait = this.lastSent + MIN_INTERVAL - now;
    if (wait > 0) {
      this.#sendTimer = setTimeout(() => {
        this.#sendTimer = null;
        this.flush();
      }, wait);
      return;
    }
    const values = this.#unsent;
    this.#unsent = null;
    this.unanswered.push(this.edit);
    this.send({ kind: "update", edit: this.edit, controls: values });
  }

  /** Send a message to Python. @param {any} content */
  send(content) {
    this.lastSent = this.now();
    if (this.unanswered.length) this.#silentSince ||= this.lastSent;
    try {
      this.transport({ ...content, client: this.client });
    } catch {
      this.#setState("ended");
    }
    this.#checkSoon();
  }

  /** Handle the host's report that the kernel is gone; any later answer revokes it. */
  onKernelEnded() {
    this.#setState("ended");
    this.hello();
  }

  /** Check regularly whether answers are overdue. */
  #checkSoon() {
    if (this.#checkTimer !== null) return;
    this.#checkTimer = setTimeout(() => {
      this.#checkTimer = null;
      const late = this.#silentSince ? this.now() - this.#silentSince : 0;
      if (this.state === "ended") return;
      if (late > GONE_AFTER) this.#setState("gone");
      else if (late > BUSY_AFTER) this.#setState("busy");
      this.flush();
      if (this.#silentSince || this.#unsent) this.#checkSoon();
    }, CHECK_INTERVAL);
  }

  /** @param {string} state */
  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state");
  }

  /** Handle a message from Python. @param {any} content @param {DataView[]} buffers */
  onMessage(content, buffers = []) {
    this.ready = true;
    const answered = content.edits?.[this.client] ?? (content.client === this.client ? content.edit : undefined);
    if (typeof answered === "number") this.unanswered = this.unanswered.filter((edit) => edit > answered);
    // Any message shows that the kernel is alive.
    this.#silentSince = this.unanswered.length ? this.now() : 0;
    this.#setState("");
    if (content.kind === "result" && buffers.length) this.show(content, buffers[0]);
    else if (content.kind === "result") this.#emit("step", content);
    else if (content.kind === "problem") this.#emit("problem", content.text);
    else if (content.kind === "saved") this.#emit("saved", content.count);
    else if (content.kind === "kept") this.#addKept(content, buffers);
    this.flush();
  }

  /** Add kept clips. All come again for each page that opens. @param {any} content @param {DataView[]} sheets */
  #addKept({ start, clips }, sheets) {
    clips.forEach((/** @type {any} */ clip, /** @type {number} */ i) => {
      this.kept[start + i] ??= { ...clip, url: clip.sheet ? URL.createObjectURL(jpegBlob(sheets[i])) : "" };
    });
    this.#emit("kept");
  }

  /** Decode an image and show it. @param {any} content @param {DataView} data */
  async show(content, data) {
    const number = ++this.#arrived;
    let bitmap;
    try {
      bitmap = await this.decode(jpegBlob(data));
    } catch {
      // Reported below, unless it is outdated.
    }
    // A newer image may have been decoded first, or the store be closed.
    if (number < this.shown) return bitmap?.close();
    if (!bitmap) return this.#emit("problem", "An image could not be decoded.");
    this.shown = number;
    this.image?.bitmap.close();
    if (content.code) this.code = content.code;
    if (content.label) this.label = content.label;
    this.image = {
      bitmap, sheet: content.sheet, phase: content.phase, edit: content.edit, step: content.step,
      steps: content.steps, own: content.client === this.client,
    };
    this.#emit("image");
  }

  /** Dispatch an event. @param {string} name @param {any} [detail] */
  #emit(name, detail = undefined) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Stop the store. */
  close() {
    clearTimeout(this.#sendTimer);
    clearTimeout(this.#checkTimer);
    this.shown = Infinity;
    this.image?.bitmap.close();
    this.image = null;
    this.kept.forEach(({ url }) => URL.revokeObjectURL(url));
  }
}
