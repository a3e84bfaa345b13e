// State of the cells of a grid, and its messages with Python: one store for all views of a widget.

import { KERNEL_GONE, KERNEL_SILENT } from "../core/host.js";
import { Source } from "../core/source.js";
import { CellImages } from "./cell_images.js";
import { Columns, copyBytes } from "./columns.js";
import { Details } from "./details.js";

// Milliseconds.
const REQUEST_AGAIN = 4000;
const PING = 5000;
const MAX_VISIBLE = 400; // cells in one request
// Unanswered pings after which the connection is reported as lost.
const MAX_MISSED = 2;

/**
 * @typedef {import("./cell_images.js").CellImage} CellImage
 * @typedef {{
 *   status: string, step: number, steps: number, error: string, seconds: number | null,
 * }} Cell
 * @typedef {{prompt?: string, seed?: string, problem?: string, broken?: string, seconds?: number, draft?: boolean}} Item
 * @typedef {{stars: number, rejected: boolean, tags: string[]}} Annotation
 * @typedef {{stars?: number, rejected?: boolean, tag?: string, on?: boolean}} AnnotationChange
 * @typedef {{status: string, counts: Record<string, number>, total: number,
 *   seconds_left: number | null, message: string | null}} RunFacts
 * @typedef {{
 *   send: (content: object) => void, decode?: import("./cell_images.js").Decoder, now?: () => number,
 * }} Transport
 */

const NO_ANNOTATION = /** @type {Annotation} */ (Object.freeze({ stars: 0, rejected: false, tags: [] }));

/**
 * Events: "cells" (all replaced; detail: whether each still has the same clip), "cell" (detail: index), "annotations" and "columns" (other cells
 * may match a filter now), "run", "notes", "connection", "problem" (detail: text), "detail" (detail: message),
 * "mp4" (detail: index and data).
 */
export class Store extends Source {
  /** Device pixels across the widest visible cell: no sheet is decoded much larger. */
  pixels = 160;
  /** @type {import("./axes.js").Axis[]} */
  axes = [];
  total = 0;
  title = "";
  model = "";
  token = "";
  aspect = 1;
  live = false;
  /** Whether empty cells can be generated. */
  fills = false;
  /** @type {Set<string>} coordinates that have a cell */
  occupied = new Set();
  /** What of the sweep does not reach the model, as sentences; and what of that was dismissed. @type {string[]} */
  notes = [];
  dismissedNotes = "";
  /** Whether its clips are drafts. */
  drafts = false;
  ready = false;
  /** @type {RunFacts | null} */
  run = null;
  /** @type {Map<number, Cell>} */
  cells = new Map();
  /** @type {Map<number, Item>} */
  items = new Map();
  /** @type {Map<number, Annotation>} */
  annotations = new Map();
  /** @type {Map<string, number[]>} visible cells of each view */
  #views = new Map();
  /** @type {Set<number>} */
  #visible = new Set();
  /** @type {Set<number>} cells that changed while out of view */
  #unseen = new Set();
  /** @type {Map<number, number>} when a cell's sheet was requested */
  #requested = new Map();
  /** @type {ReturnType<typeof setTimeout> | null} */
  #requestTimer = null;
  #turn = 0;
  /** @type {Map<number, number>} cells annotated here, with the turn, until Python acknowledges it */
  #pending = new Map();
  /** What was last sent as visible. */
  #lastVisible = "";
  /** Heartbeats since the last message from Python. */
  #missed = 0;
  /** Why Python does not answer, as a sentence; "" while it does. */
  connectionProblem = "";
  closed = false;

  /** @param {Transport} transport */
  constructor(transport) {
    super();
    this.transport = transport;
    this.client = `v${Math.random().toString(36).slice(2)}`;
    this.coords = new Int32Array(0);
    this.columns = new Columns(this);
    this.images = new CellImages({
      decode: transport.decode, pixels: () => this.pixels, isVisible: (cell) => this.#visible.has(cell),
      isRunning: (cell) => this.cells.get(cell)?.status === "running",
      onChange: (cell) => this.emit("cell", cell),
      onDamaged: (cell) => this.items.set(cell, { ...this.items.get(cell), problem: "This clip's sheet is damaged." }),
    });
    this.details = new Details(this);
    this.timer = setInterval(() => this.heartbeat(), PING);
  }

  /** Dispatch an event. @param {string} name @param {unknown} [detail] */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /**
   * Send a message to Python, with the token of the cells that it is about: Python may show others meanwhile.
   * @param {object} content
   */
  send(content) {
    if (this.closed) return;
    try {
      this.transport.send({ ...content, client: this.client, token: this.token });
    } catch {
      this.#setConnection(KERNEL_GONE);
    }
  }

  /** Request the whole state from Python. */
  hello() {
    this.#pending.clear();
    this.send({ kind: "hello" });
  }

  /** Send a ping, and request again what never arrived. */
  heartbeat() {
    if (!this.#views.size) return;
    if (this.ready && ++this.#missed > MAX_MISSED) this.#setConnection(this.connectionProblem || KERNEL_SILENT);
    if (!this.ready) this.hello();
    else this.send({ kind: "ping", awake: this.#awake() });
    this.request();
  }

  /** Set why Python does not answer. @param {string} problem "" if it answers */
  #setConnection(problem) {
    if (problem === this.connectionProblem) return;
    this.connectionProblem = problem;
    this.emit("connection");
  }

  /** Handle the host's report that the kernel is gone; any later answer revokes it. */
  onKernelEnded() {
    this.#setConnection(KERNEL_GONE);
    this.hello();
  }

  /** Return whether the kernel is gone, after reporting it as a problem. */
  reportIfGone() {
    const gone = this.connectionProblem === KERNEL_GONE;
    if (gone) this.emit("problem", KERNEL_GONE);
    return gone;
  }

  /** Whether any cell is visible to the user. */
  #awake() {
    return [...this.#views.values()].some((cells) => cells.length > 0) && !document.hidden;
  }

  // --- requests of the views ------------------------------------------------------------------

  /**
   * Set which cells a view shows, nearest first; none while it is out of sight.
   * @param {string} view
   * @param {number[]} cells
   * @param {number} pixels device pixels across a cell
   */
  setVisible(view, cells, pixels = this.pixels) {
    this.#views.set(view, cells);
    this.#visible = new Set([...this.#views.values()].flat());
    this.pixels = pixels;
    for (const cell of cells) if (this.#unseen.delete(cell)) this.emit("cell", cell);
    this.images.sharpen(cells);
    this.requestSoon();
  }

  /** Remove a view. @param {string} view */
  removeView(view) {
    this.#views.delete(view);
    this.#visible = new Set([...this.#views.values()].flat());
    if (!this.#views.size) this.send({ kind: "bye" });
  }

  /** Request sheets shortly, once for all changes until then. */
  requestSoon() {
    this.#requestTimer ??= setTimeout(() => {
      this.#requestTimer = null;
      this.request();
    }, 40);
  }

  /** Request the sheets that visible cells lack. */
  request() {
    if (!this.ready || !this.#views.size) return;
    const now = performance.now();
    const visible = [...this.#visible].slice(0, MAX_VISIBLE);
    const lacking = visible.filter((i) => this.hasClip(i) && !this.images.hasSheet(i) && !this.items.get(i)?.problem);
    const due = lacking.filter((i) => now - (this.#requested.get(i) ?? -Infinity) > REQUEST_AGAIN);
    // This replaces what Python has queued: cells that were scrolled away are dropped from it.
    const waiting = lacking.filter((i) => this.#requested.has(i) && !due.includes(i));
    for (const i of [...this.#requested.keys()]) if (!this.#visible.has(i)) this.#requested.delete(i);
    for (const i of due) this.#requested.set(i, now);
    const awake = this.#awake();
    const signature = JSON.stringify([visible, awake]);
    if (!due.length && signature === this.#lastVisible) return;
    this.#lastVisible = signature;
    this.send({ kind: "viewport", visible, requested: [...due, ...waiting], awake, pixels: Math.ceil(this.pixels) });
  }

  /** Return whether a cell has a clip. @param {number} cell */
  hasClip(cell) {
    if (!this.live) return true;
    const status = this.cells.get(cell)?.status;
    return status === "done" || status === "cached";
  }

  /**
   * Return the best image of a cell: its sheet, or the preview of a running clip.
   * @param {number} cell
   * @returns {CellImage | undefined}
   */
  imageOf(cell) {
    return this.images.get(cell);
  }

  /**
   * Return the annotation of a cell.
   * @param {number} cell
   * @returns {Annotation}
   */
  annotation(cell) {
    return this.annotations.get(cell) ?? NO_ANNOTATION;
  }

  /** Set an annotation that Python read, unless it lacks a change made here. @param {number} cell @param {Annotation} annotation */
  onAnnotation(cell, annotation) {
    if (!this.#pending.has(cell)) this.annotations.set(cell, annotation);
  }

  /**
   * Change the annotations of cells.
   * @param {number[]} cells
   * @param {AnnotationChange} change
   */
  annotate(cells, change) {
    const annotated = cells.filter((i) => this.hasClip(i));
    if (!annotated.length) return;
    this.#turn += 1;
    for (const i of annotated) {
      this.#pending.set(i, this.#turn);
      // Shown at once; Python answers with what the library then has.
      this.annotations.set(i, applyChange(this.annotation(i), change));
      this.emit("cell", i);
    }
    this.send({ kind: "annotate", cells: annotated, turn: this.#turn, ...change });
    this.emit("annotations");
  }

  /** Control the run. @param {"run" | "pause" | "stop" | "skip"} action @param {number} [cell] for "skip" */
  controlRun(action, cell) {
    if (!this.reportIfGone()) this.send({ kind: "run", action, cell });
  }

  /** Generate empty cells. @param {number[][]} coords one index per axis for each cell */
  fillEmpty(coords) {
    if (coords.length && !this.reportIfGone()) this.send({ kind: "fill", coords });
  }

  /** Generate cells again, each with another seed. @param {number[]} cells */
  regenerate(cells) {
    if (cells.length && !this.reportIfGone()) this.send({ kind: "regenerate", cells });
  }

  // --- messages from Python -------------------------------------------------------------------

  /**
   * Handle a message from Python.
   * @param {any} content
   * @param {DataView[]} buffers
   */
  onMessage(content, buffers) {
    if (this.closed || (content.to && content.to !== this.client)) return;
    // Messages sent during the silence may be lost: request the whole state.
    if (this.#missed > MAX_MISSED) this.hello();
    this.#missed = 0;
    this.#setConnection("");
    /** @type {Record<string, () => void>} */
    const handlers = {
      cells: () => this.#onCells(content, buffers), state: () => this.#onState(content, buffers),
      sheets: () => this.#onSheets(content, buffers), annotations: () => this.#onAnnotations(content),
      columns: () => this.#onColumns(content, buffers), detail: () => this.details.onDetail(content),
      mp4: () => this.details.onMp4(content, buffers), problem: () => this.emit("problem", content.text),
    };
    handlers[content.kind]?.();
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onCells(content, buffers) {
    const sameClips = [content.token, content.extends].includes(this.token);
    this.coords = new Int32Array(copyBytes(buffers[0]));
    // What else the message has is the state of the same name: axes, total, title, token and others.
    const { kind, to, version, extends: extended, ...facts } = content;
    Object.assign(this, { notes: [] }, facts);
    this.occupied = new Set(this.fills ? this.#allCoordinates() : []);
    this.cells.clear();
    if (!this.live) this.run = null;
    if (!sameClips) this.clear();
    this.#requested.clear();
    this.#lastVisible = "";
    this.ready = true;
    this.columns.reset();
    this.emit("cells", sameClips);
    this.requestSoon();
  }

  /** Return the coordinates of each cell as strings. */
  #allCoordinates() {
    const width = this.axes.length;
    return Array.from({ length: this.total }, (_, cell) =>
      String([...this.coords.subarray(cell * width, (cell + 1) * width)]));
  }

  /** Drop everything known about the cells. */
  clear() {
    this.items.clear();
    this.annotations.clear();
    this.#pending.clear();
    this.#unseen.clear();
    this.details.clear();
    this.images.clear();
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onState(content, buffers) {
    this.run = content.run;
    let hasNewClips = false;
    for (const [index, status, step, steps, error, seconds] of content.cells) {
      this.cells.set(index, { status, step, steps, error, seconds });
      if (status !== "running" && status !== "done") this.images.dropPreview(index);
      if (this.#visible.has(index)) {
        this.emit("cell", index);
        hasNewClips ||= this.hasClip(index);
      } else this.#unseen.add(index);
    }
    content.previews.forEach((/** @type {[number, number]} */ [index, frames], /** @type {number} */ n) =>
      this.images.addPreview(index, frames, buffers[n]));
    this.emit("run");
    if (hasNewClips) this.requestSoon();
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onSheets(content, buffers) {
    this.send({ kind: "ack", id: content.id });
    for (const { i, sheet, fps, frames, stars, rejected, tags, ...item } of content.items) {
      this.items.set(i, item);
      if (stars !== undefined) this.onAnnotation(i, { stars, rejected, tags: tags ?? [] });
      this.#requested.delete(i);
      if (sheet) {
        const { buffer, ...size } = sheet;
        this.images.addSheet(i, buffers[buffer], { ...size, fps, count: frames });
      }
      this.emit("cell", i);
    }
  }

  /** @param {any} content */
  #onAnnotations(content) {
    // Values read before Python received the latest change here would undo it; a newer answer follows.
    const acknowledged = content.turns?.[this.client] ?? Infinity;
    for (const [index, stars, rejected, tags] of content.cells) {
      if ((this.#pending.get(index) ?? 0) > acknowledged) continue;
      this.#pending.delete(index);
      this.annotations.set(index, { stars, rejected, tags });
      this.emit("cell", index);
    }
    this.emit("annotations");
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onColumns(content, buffers) {
    this.columns.onMessage(content, buffers);
    this.emit("columns");
  }

  /** Stop the store. */
  close() {
    this.send({ kind: "bye" });
    this.closed = true;
    clearInterval(this.timer);
    if (this.#requestTimer) clearTimeout(this.#requestTimer);
    this.clear();
  }
}

/**
 * Return an annotation with a change applied.
 * @param {Annotation} now
 * @param {AnnotationChange} change
 * @returns {Annotation}
 */
function applyChange(now, { stars = now.stars, rejected = now.rejected, tag, on = true }) {
  const others = tag === undefined ? now.tags : now.tags.filter((one) => one !== tag);
  return { stars, rejected, tags: tag !== undefined && on ? [...others, tag] : others };
}
