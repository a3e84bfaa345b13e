// What is known of the cells, and the talk with Python. One store for all views of a grid.

import { Columns } from "./columns.js";
import { Details } from "./details.js";
import { Lru } from "./lru.js";
import { GONE, SILENT } from "./page.js";
import { blob, decode, reduced, tooSmall } from "./sheets.js";

const DECODED_BYTES = 48e6;
const ENCODED_BYTES = 24e6;
// The page comes to each only between two pictures: with few of them, decoding waits for painting.
const DECODERS = 8;
const ASK_AGAIN = 4000;
const PING = 5000;
const MOST_WISHES = 400;
// So many pings without an answer are told.
const UNHEARD = 2;

/**
 * @typedef {import("./sheets.js").Sheet} Sheet
 * @typedef {{image: ImageBitmap, sheet: Sheet, preview: boolean}} Picture
 * @typedef {{
 *   status: string, step: number, steps: number, error: string, seconds: number | null,
 * }} Cell
 * @typedef {{prompt?: string, seed?: string, problem?: string, broken?: string, seconds?: number}} Item
 * @typedef {{stars: number, rejected: boolean, tags: string[]}} Mark
 * @typedef {{stars?: number, rejected?: boolean, tag?: string, on?: boolean}} Marking
 * @typedef {{status: string, counts: Record<string, number>, total: number,
 *   seconds_left: number | null, message: string | null}} RunFacts
 * @typedef {{
 *   send: (content: object) => void,
 *   decode?: (data: Blob, size?: [number, number]) => Promise<ImageBitmap>,
 *   now?: () => number,
 * }} Wires
 */

const UNMARKED = /** @type {Mark} */ (Object.freeze({ stars: 0, rejected: false, tags: [] }));

/** Events: "cells" (all new), "cell" (detail: index), "marks" and "columns" (others may suit a
 * filter now), "run", "problem" (detail: text), "detail" (detail: message), "mp4" (detail: index). */
export class Store extends EventTarget {
  /** Device pixels of the widest cell on the page: no sheet is kept much larger. */
  pixels = 160;
  /** @type {import("./layout.js").Axis[]} */
  axes = [];
  total = 0;
  title = "";
  model = "";
  token = "";
  aspect = 1;
  live = false;
  /** Whether empty places can be made. */
  fills = false;
  /** @type {Set<string>} coordinates that have a cell */
  taken = new Set();
  /** Whether its clips are not finished. */
  drafts = false;
  ready = false;
  /** @type {RunFacts | null} */
  run = null;
  /** @type {Map<number, Cell>} */
  cells = new Map();
  /** @type {Map<number, Item>} */
  items = new Map();
  /** @type {Map<number, Mark>} */
  marks = new Map();
  /** @type {Map<number, Picture>} */
  #previews = new Map();
  /** @type {Map<string, number[]>} visible cells of each view */
  #views = new Map();
  /** @type {Set<number>} */
  #seen = new Set();
  /** @type {Map<number, number>} when a cell's clip was asked for */
  #asked = new Map();
  /** @type {number[]} */
  #toDecode = [];
  #decoding = 0;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #asking = null;
  #turn = 0;
  /** @type {Map<number, number>} cells that were marked here, and the turn of it, until Python answers */
  #given = new Map();
  /** What was last said to be visible. */
  #said = "";
  /** Beats since Python was last heard. */
  #silent = 0;
  /** Why nothing comes from Python, a sentence; "" while it answers. */
  away = "";
  closed = false;

  /** @param {Wires} wires */
  constructor(wires) {
    super();
    this.wires = wires;
    this.client = `v${Math.random().toString(36).slice(2)}`;
    this.decode = wires.decode ?? decode;
    this.coords = new Int32Array(0);
    this.columns = new Columns(this);
    /** @type {Lru<Picture>} */
    this.pictures = new Lru(DECODED_BYTES, (p) => p.image.close(), (i) => this.#seen.has(i));
    /** @type {Lru<{data: Blob, sheet: Sheet}>} */
    this.encoded = new Lru(ENCODED_BYTES);
    this.details = new Details(this);
    this.timer = setInterval(() => this.beat(), PING);
  }

  /** @param {string} name @param {unknown} [detail] */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {object} content */
  say(content) {
    if (this.closed) return;
    try {
      this.wires.send({ ...content, client: this.client });
    } catch {
      this.#become(GONE);
    }
  }

  hello() {
    this.#given.clear();
    this.say({ kind: "hello" });
  }

  /** Tell Python that somebody still looks; ask again for what never came. */
  beat() {
    if (!this.#views.size) return;
    if (this.ready && ++this.#silent > UNHEARD) this.#become(this.away || SILENT);
    if (!this.ready) this.hello();
    else this.say({ kind: "ping", awake: this.#awake() });
    this.ask();
  }

  /** @param {string} away why nothing comes from Python; "" where it answers */
  #become(away) {
    if (away === this.away) return;
    this.away = away;
    this.tell("away");
  }

  /** The host says that the kernel is gone. An answer takes that back. */
  onEnded() {
    this.#become(GONE);
    this.hello();
  }

  /** Whether an act can't reach Python any more, which is said. */
  lost() {
    const lost = this.away === GONE;
    if (lost) this.tell("problem", GONE);
    return lost;
  }

  #awake() {
    return [...this.#views.values()].some((cells) => cells.length > 0) && !document.hidden;
  }

  // --- what views ask for ---------------------------------------------------------------------

  /**
   * A view says which cells it shows, nearest first; none when it is out of sight.
   * @param {string} view
   * @param {number[]} cells
   * @param {number} pixels device pixels across a cell
   */
  see(view, cells, pixels = this.pixels) {
    this.#views.set(view, cells);
    this.#seen = new Set([...this.#views.values()].flat());
    this.pixels = pixels;
    for (const cell of cells) {
      const sheet = this.encoded.get(cell)?.sheet;
      const now = this.pictures.get(cell)?.sheet.width ?? 0;
      if (sheet && now < reduced(sheet, pixels).width) this.#queueDecode(cell);
    }
    this.askSoon();
  }

  /** @param {string} view */
  leave(view) {
    this.#views.delete(view);
    this.#seen = new Set([...this.#views.values()].flat());
    if (!this.#views.size) this.say({ kind: "bye" });
  }

  askSoon() {
    this.#asking ??= setTimeout(() => {
      this.#asking = null;
      this.ask();
    }, 40);
  }

  ask() {
    if (!this.ready || !this.#views.size) return;
    const now = performance.now();
    const visible = [...this.#seen].slice(0, MOST_WISHES);
    const lacking = visible.filter((i) => this.made(i) && !this.has(i) && !this.items.get(i)?.problem);
    const want = lacking.filter((i) => now - (this.#asked.get(i) ?? -Infinity) > ASK_AGAIN);
    // What was scrolled away is not wanted any more: only what Python now has to send.
    const waiting = lacking.filter((i) => this.#asked.has(i) && !want.includes(i));
    for (const i of [...this.#asked.keys()]) if (!this.#seen.has(i)) this.#asked.delete(i);
    for (const i of want) this.#asked.set(i, now);
    const awake = this.#awake();
    const sight = JSON.stringify([visible, awake]);
    if (!want.length && sight === this.#said) return;
    this.#said = sight;
    this.say({ kind: "see", visible, want: [...want, ...waiting], awake, pixels: Math.ceil(this.pixels) });
  }

  /** Whether a cell's sheet is here, as large as is of use. @param {number} cell */
  has(cell) {
    const sheet = this.encoded.get(cell)?.sheet ?? this.pictures.get(cell)?.sheet;
    return sheet !== undefined && !tooSmall(sheet, this.pixels);
  }

  /** @param {number} cell whether it has a clip */
  made(cell) {
    if (!this.live) return true;
    const status = this.cells.get(cell)?.status;
    return status === "done" || status === "cached";
  }

  /**
   * The best picture there is of a cell.
   * @param {number} cell
   * @returns {Picture | undefined}
   */
  picture(cell) {
    return this.pictures.get(cell) ?? this.#previews.get(cell);
  }

  /**
   * @param {number} cell
   * @returns {Mark}
   */
  mark(cell) {
    return this.marks.get(cell) ?? UNMARKED;
  }

  /**
   * @param {number[]} cells
   * @param {Marking} marking
   */
  rate(cells, marking) {
    const rated = cells.filter((i) => this.made(i));
    if (!rated.length) return;
    this.#turn += 1;
    for (const i of rated) {
      this.#given.set(i, this.#turn);
      // Shown at once; Python answers with what the library then says.
      this.marks.set(i, marked(this.mark(i), marking));
      this.tell("cell", i);
    }
    this.say({ kind: "rate", cells: rated, turn: this.#turn, ...marking });
    this.tell("marks");
  }

  /** @param {"run" | "pause" | "stop" | "drop"} action @param {number} [cell] */
  steer(action, cell) {
    if (!this.lost()) this.say({ kind: "run", do: action, cell });
  }

  /** @param {number[][]} places coordinates of cells that shall be made, too */
  fill(places) {
    if (places.length && !this.lost()) this.say({ kind: "fill", places });
  }

  /** @param {number[]} cells that shall be made once more, each with another seed */
  again(cells) {
    if (cells.length && !this.lost()) this.say({ kind: "again", cells });
  }

  // --- what Python says -----------------------------------------------------------------------

  /**
   * @param {any} content
   * @param {DataView[]} buffers
   */
  hear(content, buffers) {
    if (this.closed || (content.to && content.to !== this.client)) return;
    // What was told meanwhile may be lost.
    if (this.#silent > UNHEARD) this.hello();
    this.#silent = 0;
    this.#become("");
    /** @type {Record<string, () => void>} */
    const handlers = {
      cells: () => this.#onCells(content, buffers), state: () => this.#onState(content, buffers),
      sheets: () => this.#onSheets(content, buffers), marks: () => this.#onMarks(content),
      columns: () => this.#onColumns(content, buffers), detail: () => this.details.onDetail(content),
      mp4: () => this.details.onMp4(content, buffers), problem: () => this.tell("problem", content.text),
    };
    handlers[content.kind]?.();
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onCells(content, buffers) {
    const same = [content.token, content.keeps].includes(this.token);
    const data = buffers[0];
    // Copied, because the view into the message need not be aligned.
    const start = data.byteOffset;
    this.coords = new Int32Array(
      /** @type {ArrayBuffer} */ (data.buffer.slice(start, start + data.byteLength)),
    );
    const { axes, total, title, model, token, aspect, live, drafts, fills } = content;
    Object.assign(this, { axes, total, title, model, token, aspect, live, drafts, fills });
    this.taken = new Set(fills ? this.#everyPlace() : []);
    this.cells.clear();
    if (!live) this.run = null;
    if (!same) this.forget();
    this.#asked.clear();
    this.#said = "";
    this.ready = true;
    this.columns.forget();
    this.tell("cells");
    this.askSoon();
  }

  /** The coordinates of each cell, as texts. */
  #everyPlace() {
    const wide = this.axes.length;
    return Array.from({ length: this.total }, (_, cell) =>
      String([...this.coords.subarray(cell * wide, (cell + 1) * wide)]));
  }

  forget() {
    this.items.clear();
    this.marks.clear();
    this.details.forget();
    this.pictures.clear();
    this.encoded.clear();
    for (const picture of this.#previews.values()) picture.image.close();
    this.#previews.clear();
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onState(content, buffers) {
    this.run = content.run;
    let news = false;
    for (const [index, status, step, steps, error, seconds] of content.cells) {
      this.cells.set(index, { status, step, steps, error, seconds });
      if (status !== "running" && status !== "done") this.#dropPreview(index);
      if (this.#seen.has(index)) {
        this.tell("cell", index);
        news ||= this.made(index);
      }
    }
    content.previews.forEach((/** @type {[number, number]} */ [index, frames], /** @type {number} */ n) =>
      this.#showPreview(index, frames, buffers[n]));
    this.tell("run");
    if (news) this.askSoon();
  }

  /** @param {number} index @param {number} frames @param {DataView} data */
  async #showPreview(index, frames, data) {
    try {
      const image = await this.decode(blob(data));
      if (this.cells.get(index)?.status !== "running" || this.pictures.has(index)) {
        image.close();
        return;
      }
      this.#dropPreview(index);
      const sheet = { frames, width: image.width / frames, height: image.height, count: frames, fps: 8 };
      this.#previews.set(index, { image, sheet, preview: true });
      this.tell("cell", index);
    } catch {
      // A preview that can't be decoded is followed by another one.
    }
  }

  /** @param {number} index */
  #dropPreview(index) {
    this.#previews.get(index)?.image.close();
    this.#previews.delete(index);
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onSheets(content, buffers) {
    this.say({ kind: "ack", id: content.id });
    for (const { i, sheet, fps, frames, stars, rejected, tags, ...item } of content.items) {
      this.items.set(i, item);
      if (stars !== undefined && !this.#given.has(i)) this.marks.set(i, { stars, rejected, tags: tags ?? [] });
      this.#asked.delete(i);
      if (sheet) {
        const { at, ...size } = sheet;
        // A view would keep the whole message in memory; a blob keeps its own bytes, elsewhere.
        const data = blob(buffers[at]);
        this.encoded.set(i, { data, sheet: { ...size, fps, count: frames } }, data.size);
        if (this.#seen.has(i)) this.#queueDecode(i);
      }
      this.tell("cell", i);
    }
  }

  /** @param {number} index */
  #queueDecode(index) {
    if (!this.#toDecode.includes(index)) this.#toDecode.push(index);
    this.#decodeNext();
  }

  async #decodeNext() {
    if (this.#decoding >= DECODERS || this.closed) return;
    const index = this.#toDecode.shift();
    if (index === undefined) return;
    const found = this.encoded.get(index);
    if (!found || !this.#seen.has(index)) {
      this.#decodeNext();
      return;
    }
    this.#decoding++;
    try {
      const sheet = reduced(found.sheet, this.pixels);
      const smaller = sheet.width < found.sheet.width;
      const image = await this.decode(found.data, smaller ? [sheet.width * sheet.frames, sheet.height] : undefined);
      if (this.closed) {
        image.close();
        return;
      }
      this.pictures.set(
        index, { image, sheet, preview: false }, image.width * image.height * 4,
      );
      this.#dropPreview(index);
    } catch {
      this.items.set(index, { ...this.items.get(index), problem: "This clip's sheet is damaged." });
    } finally {
      this.#decoding--;
      this.tell("cell", index);
      this.#decodeNext();
    }
  }

  /** @param {any} content */
  #onMarks(content) {
    // What was read before the last press here was heard would undo it; the answer to that follows.
    const heard = content.heard?.[this.client] ?? Infinity;
    for (const [index, stars, rejected, tags] of content.cells) {
      if ((this.#given.get(index) ?? 0) > heard) continue;
      this.#given.delete(index);
      this.marks.set(index, { stars, rejected, tags });
      this.tell("cell", index);
    }
    this.tell("marks");
  }

  /** @param {any} content @param {DataView[]} buffers */
  #onColumns(content, buffers) {
    this.columns.hear(content, buffers);
    this.tell("columns");
  }

  close() {
    this.say({ kind: "bye" });
    this.closed = true;
    clearInterval(this.timer);
    if (this.#asking) clearTimeout(this.#asking);
    this.forget();
  }
}

/**
 * @param {Mark} mark
 * @param {Marking} marking
 * @returns {Mark}
 */
function marked(mark, { stars = mark.stars, rejected = mark.rejected, tag, on = true }) {
  const others = tag === undefined ? mark.tags : mark.tags.filter((one) => one !== tag);
  return { stars, rejected, tags: tag !== undefined && on ? [...others, tag] : others };
}
