// All about some cells, one message each, and their mp4s, which come in parts.

/** @typedef {import("./store.js").Store} Store */

export class Details {
  /** @type {Map<number, {parts: DataView[], have: number}>} videos under way */
  #under = new Map();
  #store;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** @param {number} cell */
  want(cell) {
    this.#under.delete(cell);
    this.#store.say({ kind: "detail", cell });
  }

  /** @param {any} content */
  onDetail(content) {
    this.#under.set(content.i, { parts: [], have: 0 });
    this.#store.tell("detail", content);
  }

  /** @param {any} content @param {DataView[]} buffers */
  onMp4(content, buffers) {
    const video = this.#under.get(content.i);
    if (!video) return;
    video.parts[content.part] = buffers[0];
    video.have++;
    if (video.have < content.parts) return;
    this.#under.delete(content.i);
    const parts = /** @type {any[]} */ (video.parts);
    this.#store.tell("mp4", { i: content.i, data: new Blob(parts, { type: "video/mp4" }) });
  }

  forget() {
    this.#under.clear();
  }
}
