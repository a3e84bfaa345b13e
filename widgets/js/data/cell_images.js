// The images of cells: sheets as they arrive, decoded sheets of visible cells, previews of running clips.

import { Lru } from "./lru.js";
import { decode, isTooSmall, jpegBlob, reducedSheet } from "./sheets.js";

/**
 * @typedef {import("./sheets.js").Sheet} Sheet
 * @typedef {{bitmap: ImageBitmap, sheet: Sheet, preview: boolean}} CellImage
 * @typedef {(data: Blob, size?: [number, number]) => Promise<ImageBitmap>} Decoder
 */

const DECODED_BYTES = 48e6;
const ENCODED_BYTES = 24e6;
// Concurrent decoders: results arrive between paints, so with few of them decoding waits for painting.
const DECODERS = 8;

/**
 * Caches and decodes images within a budget of memory. While one is decoded, its cell may get another, or all
 * may be dropped: what is decoded counts only if it is still the latest of its cell.
 */
export class CellImages {
  #options;
  /** @type {Map<number, CellImage & {turn: number}>} */
  #previews = new Map();
  /** @type {number[]} */
  #queue = [];
  #decoding = 0;
  /** Numbers images in the order in which their decoding starts. */
  #turn = 0;
  /** All up to this turn are dropped. */
  #dropped = 0;

  /**
   * @param {{decode?: Decoder, pixels: () => number, isVisible: (cell: number) => boolean,
   *   isRunning: (cell: number) => boolean, onChange: (cell: number) => void,
   *   onDamaged: (cell: number) => void}} options pixels: device pixels across the widest visible cell
   */
  constructor(options) {
    this.#options = options;
    this.decode = options.decode ?? decode;
    /** @type {Lru<CellImage>} */
    this.decoded = new Lru(DECODED_BYTES, (image) => image.bitmap.close(), options.isVisible);
    /** @type {Lru<{data: Blob, sheet: Sheet}>} */
    this.encoded = new Lru(ENCODED_BYTES);
  }

  /**
   * Return the best image of a cell: its sheet, or the preview of a running clip.
   * @param {number} cell
   * @returns {CellImage | undefined}
   */
  get(cell) {
    return this.decoded.get(cell) ?? this.#previews.get(cell);
  }

  /** Return whether a cell's sheet is here, at a sufficient size. @param {number} cell */
  hasSheet(cell) {
    const sheet = this.encoded.get(cell)?.sheet ?? this.decoded.get(cell)?.sheet;
    return sheet !== undefined && !isTooSmall(sheet, this.#options.pixels());
  }

  /** Add a sheet, and decode it if its cell is visible. @param {number} cell @param {DataView} bytes @param {Sheet} sheet */
  addSheet(cell, bytes, sheet) {
    // A view would keep the whole message in memory; a blob owns a copy of its bytes.
    const data = jpegBlob(bytes);
    this.encoded.set(cell, { data, sheet }, data.size);
    if (this.#options.isVisible(cell)) this.#enqueue(cell);
  }

  /** Decode the sheets of cells for which the decoded size is too small. @param {number[]} cells */
  sharpen(cells) {
    for (const cell of cells) {
      const sheet = this.encoded.get(cell)?.sheet;
      const width = this.decoded.get(cell)?.sheet.width ?? 0;
      if (sheet && width < reducedSheet(sheet, this.#options.pixels()).width) this.#enqueue(cell);
    }
  }

  /** Decode and show a preview. @param {number} cell @param {number} frames @param {DataView} bytes */
  async addPreview(cell, frames, bytes) {
    const turn = ++this.#turn;
    try {
      const bitmap = await this.decode(jpegBlob(bytes));
      const latest = this.#previews.get(cell)?.turn ?? this.#dropped;
      if (turn <= latest || !this.#options.isRunning(cell) || this.decoded.has(cell)) {
        bitmap.close();
        return;
      }
      this.dropPreview(cell);
      const sheet = { frames, width: bitmap.width / frames, height: bitmap.height, count: frames, fps: 8 };
      this.#previews.set(cell, { bitmap, sheet, preview: true, turn });
      this.#options.onChange(cell);
    } catch {
      // Ignored: another preview follows.
    }
  }

  /** Drop a preview. @param {number} cell */
  dropPreview(cell) {
    this.#previews.get(cell)?.bitmap.close();
    this.#previews.delete(cell);
  }

  /** @param {number} cell */
  #enqueue(cell) {
    if (!this.#queue.includes(cell)) this.#queue.push(cell);
    this.#decodeNext();
  }

  async #decodeNext() {
    if (this.#decoding >= DECODERS) return;
    const cell = this.#queue.shift();
    if (cell === undefined) return;
    const encoded = this.encoded.get(cell);
    if (!encoded || !this.#options.isVisible(cell)) {
      this.#decodeNext();
      return;
    }
    this.#decoding++;
    const turn = ++this.#turn;
    // One that was dropped for room is still the latest.
    const isOld = () => turn <= this.#dropped || (this.encoded.get(cell) ?? encoded) !== encoded;
    try {
      const sheet = reducedSheet(encoded.sheet, this.#options.pixels());
      const smaller = sheet.width < encoded.sheet.width;
      const bitmap = await this.decode(encoded.data, smaller ? [sheet.width * sheet.frames, sheet.height] : undefined);
      if (isOld()) {
        bitmap.close();
        return;
      }
      this.decoded.set(cell, { bitmap, sheet, preview: false }, bitmap.width * bitmap.height * 4);
      this.dropPreview(cell);
    } catch {
      if (!isOld()) this.#options.onDamaged(cell);
    } finally {
      this.#decoding--;
      this.#options.onChange(cell);
      this.#decodeNext();
    }
  }

  /** Drop all images, those included that are being decoded. */
  clear() {
    this.#dropped = this.#turn;
    this.#queue = [];
    this.decoded.clear();
    this.encoded.clear();
    for (const cell of [...this.#previews.keys()]) this.dropPreview(cell);
  }
}
