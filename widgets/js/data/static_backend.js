// Answers the grid's messages from the data of an exported page, in place of a kernel.

/** @typedef {import("./store.js").Annotation} Annotation */

const BATCH = 6; // clips per message

/** Implements the kernel's side of the protocol. */
export class StaticBackend {
  /** @type {number[]} */
  #queue = [];
  #sending = false;
  /** Annotations set in this page. @type {Map<number, Annotation>} */
  #annotations = new Map();

  /**
   * @param {any} contents head, coords, columns, items and details, as beecam.export writes them
   * @param {Element[]} figures one per cell, with its media
   */
  constructor(contents, figures) {
    this.contents = contents;
    this.figures = figures;
    /** @type {(content: object, buffers: DataView[]) => void} */
    this.onMessage = () => {};
  }

  /** Receive a message of the grid. @param {any} content */
  receive(content) {
    /** @type {Record<string, () => void>} */
    const actions = {
      ping: () => this.onMessage({ kind: "pong" }, []),
      hello: () => this.onMessage(this.contents.head, [packNumbers(Int32Array, this.contents.coords)]),
      viewport: () => this.sendSheets(content.requested), columns: () => this.sendColumns(),
      annotate: () => this.annotate(content), detail: () => this.sendDetail(content.cell),
    };
    // Asynchronous, as a kernel's answers: the sender is not ready for a reply yet.
    if (content.kind in actions) setTimeout(actions[content.kind]);
  }

  /** Send the sheets of cells, replacing what is queued. @param {number[]} cells */
  sendSheets(cells) {
    this.#queue = [...cells];
    if (!this.#sending) this.#sendNext();
  }

  /** Send the next batch of sheets. */
  #sendNext() {
    const cells = this.#queue.splice(0, BATCH);
    this.#sending = cells.length > 0;
    if (!this.#sending) return;
    /** @type {DataView[]} */
    const buffers = [];
    const items = cells.map((i) => {
      const item = { ...this.contents.items[i], ...this.#annotations.get(i), i };
      const data = item.sheet && mediaBytes(this.figures[i], "img");
      if (!data) return { ...item, sheet: undefined };
      buffers.push(data);
      return { ...item, sheet: { ...item.sheet, buffer: buffers.length - 1 } };
    });
    this.onMessage({ kind: "sheets", id: 0, items }, buffers);
    // Leaves time to paint in between.
    setTimeout(() => this.#sendNext());
  }

  /** Send the columns, then the annotations set here. */
  sendColumns() {
    const { columns: { cells, states, columns, ...content } } = this.contents;
    this.onMessage({ ...content, columns }, [
      packNumbers(Int32Array, cells),
      ...columns.map((/** @type {any} */ { texts, values }) => packNumbers(texts ? Int32Array : Float64Array, values)),
      packNumbers(Int32Array, states),
    ]);
    this.#sendAnnotations([...this.#annotations.keys()]);
  }

  /** Change annotations. @param {any} content the message of the store */
  annotate({ cells, stars, rejected, tag, on = true }) {
    for (const i of cells) {
      const now = this.#annotations.get(i) ?? this.contents.items[i];
      if (!now.tags) continue;
      const others = tag === undefined ? now.tags : now.tags.filter((/** @type {string} */ one) => one !== tag);
      this.#annotations.set(i, {
        stars: stars ?? now.stars, rejected: rejected ?? now.rejected,
        tags: tag !== undefined && on ? [...others, tag] : others,
      });
    }
    this.#sendAnnotations(cells);
  }

  /** Send the annotations of cells. @param {number[]} cells */
  #sendAnnotations(cells) {
    const changed = cells.flatMap((i) => {
      const annotation = this.#annotations.get(i);
      return annotation ? [[i, annotation.stars, annotation.rejected, annotation.tags]] : [];
    });
    if (changed.length) this.onMessage({ kind: "annotations", cells: changed }, []);
  }

  /** Send the details and the video of a cell. @param {number} i */
  sendDetail(i) {
    const video = mediaBytes(this.figures[i], "video");
    this.onMessage({ kind: "detail", i, problem: "", parts: video ? 1 : 0, ...this.contents.details[i] }, []);
    if (video) this.onMessage({ kind: "mp4", i, part: 0, parts: 1 }, [video]);
  }
}

/**
 * Decode the bytes of an image or a video in the page.
 * @param {Element | undefined} figure
 * @param {"img" | "video"} tag
 * @returns {DataView | null} null if the figure has none
 */
function mediaBytes(figure, tag) {
  // The attribute, not the `src` property, which would parse and copy the data.
  const data = figure?.querySelector(tag)?.getAttribute("src")?.split(",")[1];
  if (!data) return null;
  const letters = atob(data);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new DataView(bytes.buffer);
}

/**
 * Pack numbers as the buffer of a message; null becomes NaN.
 * @param {Int32ArrayConstructor | Float64ArrayConstructor} kind
 * @param {(number | null)[]} values
 */
function packNumbers(kind, values) {
  return new DataView(new kind(values.map((value) => value ?? NaN)).buffer);
}
