// What a kernel would answer to the grid's messages, from what lies in an offline page.

/** @typedef {import("./store.js").Mark} Mark */

const AT_ONCE = 6; // clips in a message

export class Answers {
  /** @type {number[]} */
  #wishes = [];
  #sending = false;
  /** Marks that were given in this page. @type {Map<number, Mark>} */
  #marks = new Map();

  /**
   * @param {any} facts head, coords, columns, items and details, as beecam.export writes them
   * @param {Element[]} figures of the cells, with their media
   */
  constructor(facts, figures) {
    this.facts = facts;
    this.figures = figures;
    /** @type {(content: object, buffers: DataView[]) => void} */
    this.hear = () => {};
  }

  /** @param {any} content */
  take(content) {
    /** @type {Record<string, () => void>} */
    const acts = {
      ping: () => this.hear({ kind: "heard" }, []),
      hello: () => this.hear(this.facts.head, [numbers(Int32Array, this.facts.coords)]),
      see: () => this.see(content.want), columns: () => this.columns(),
      rate: () => this.rate(content), detail: () => this.detail(content.cell),
    };
    // Later, as a kernel's: whoever asks is not ready for the answer yet.
    if (content.kind in acts) setTimeout(acts[content.kind]);
  }

  /** @param {number[]} cells */
  see(cells) {
    this.#wishes = [...cells];
    if (!this.#sending) this.send();
  }

  send() {
    const cells = this.#wishes.splice(0, AT_ONCE);
    this.#sending = cells.length > 0;
    if (!this.#sending) return;
    /** @type {DataView[]} */
    const buffers = [];
    const items = cells.map((i) => {
      const item = { ...this.facts.items[i], ...this.#marks.get(i), i };
      const data = item.sheet && media(this.figures[i], "img");
      if (!data) return { ...item, sheet: undefined };
      buffers.push(data);
      return { ...item, sheet: { ...item.sheet, at: buffers.length - 1 } };
    });
    this.hear({ kind: "sheets", id: 0, items }, buffers);
    // The page is painted in between.
    setTimeout(() => this.send());
  }

  columns() {
    const { columns: { cells, states, columns, ...content } } = this.facts;
    this.hear({ ...content, columns }, [
      numbers(Int32Array, cells),
      ...columns.map((/** @type {any} */ { texts, values }) => numbers(texts ? Int32Array : Float64Array, values)),
      numbers(Int32Array, states),
    ]);
    this.#tell([...this.#marks.keys()]);
  }

  /** @param {any} marking as the store takes it */
  rate({ cells, stars, rejected, tag, on = true }) {
    for (const i of cells) {
      const now = this.#marks.get(i) ?? this.facts.items[i];
      if (!now.tags) continue;
      const others = tag === undefined ? now.tags : now.tags.filter((/** @type {string} */ one) => one !== tag);
      this.#marks.set(i, {
        stars: stars ?? now.stars, rejected: rejected ?? now.rejected,
        tags: tag !== undefined && on ? [...others, tag] : others,
      });
    }
    this.#tell(cells);
  }

  /** @param {number[]} cells whose marks are said */
  #tell(cells) {
    const told = cells.flatMap((i) => {
      const mark = this.#marks.get(i);
      return mark ? [[i, mark.stars, mark.rejected, mark.tags]] : [];
    });
    if (told.length) this.hear({ kind: "marks", cells: told }, []);
  }

  /** @param {number} i */
  detail(i) {
    const film = media(this.figures[i], "video");
    this.hear({ kind: "detail", i, problem: "", parts: film ? 1 : 0, ...this.facts.details[i] }, []);
    if (film) this.hear({ kind: "mp4", i, part: 0, parts: 1 }, [film]);
  }
}

/**
 * @param {Element | undefined} figure
 * @param {"img" | "video"} tag
 * @returns {DataView | null} the bytes of a picture or a film in the page
 */
function media(figure, tag) {
  // The attribute, not the element's address: that would be parsed and copied.
  const data = figure?.querySelector(tag)?.getAttribute("src")?.split(",")[1];
  if (!data) return null;
  const letters = atob(data);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return new DataView(bytes.buffer);
}

/**
 * @param {Int32ArrayConstructor | Float64ArrayConstructor} kind
 * @param {(number | null)[]} values
 */
function numbers(kind, values) {
  return new DataView(new kind(values.map((value) => value ?? NaN)).buffer);
}
