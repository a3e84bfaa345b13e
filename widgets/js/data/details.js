// The full description of single cells, and their mp4 files, which arrive in parts.

/** @typedef {import("./store.js").Store} Store */

/** Requests details and assembles videos. */
export class Details {
  /** @type {Map<number, {parts: DataView[], received: number}>} videos that are arriving */
  #arriving = new Map();
  #store;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** Request the details of a cell. @param {number} cell */
  request(cell) {
    this.#arriving.delete(cell);
    this.#store.send({ kind: "detail", cell });
  }

  /** Handle a description. @param {any} content */
  onDetail(content) {
    this.#arriving.set(content.i, { parts: [], received: 0 });
    this.#store.emit("detail", content);
  }

  /** Handle a part of an mp4. @param {any} content @param {DataView[]} buffers */
  onMp4(content, buffers) {
    const video = this.#arriving.get(content.i);
    if (!video) return;
    video.parts[content.part] = buffers[0];
    video.received++;
    if (video.received < content.parts) return;
    this.#arriving.delete(content.i);
    const parts = /** @type {any[]} */ (video.parts);
    this.#store.emit("mp4", { i: content.i, data: new Blob(parts, { type: "video/mp4" }) });
  }

  /** Drop what is arriving. */
  clear() {
    this.#arriving.clear();
  }
}
