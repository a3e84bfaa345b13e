// The clips of the large view, side by side: as large as they can be, each with a line that says
// what it differs in.

import { div, on } from "../core/dom.js";
import { describeDifferences } from "./differences.js";
import { VideoStage } from "./video_stage.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("./differences.js").Detail} Detail */

// Pixels.
const GAP = 8;
const EDGE = 4; // around all panes, for the ring of the chosen one
const CAPTION = 22;
const MIN_COLUMN = 150; // if there is room: the line below a narrow clip needs some
const LETTER = 6.4;

/**
 * Arrange clips in rows and columns, so that they are shown as large as possible.
 * @param {{width: number, height: number}} room
 * @param {number[]} aspects height / width of each clip
 * @param {number} caption height of the line below each
 * @returns {{columns: number, column: number, sizes: {width: number, height: number}[]}} the number
 *   of columns, the width of each, and the size of each clip
 */
export function arrangePanes({ width, height }, aspects, caption) {
  let best = { columns: 1, column: 1, sizes: aspects.map(() => ({ width: 1, height: 1 })), area: -1 };
  for (let columns = 1; columns <= aspects.length; columns++) {
    const rows = Math.ceil(aspects.length / columns);
    const share = Math.max(1, Math.floor((width - GAP * (columns - 1)) / columns));
    const line = Math.max(1, Math.floor((height - GAP * (rows - 1)) / rows) - caption);
    const sizes = aspects.map((aspect) => {
      const fitted = Math.max(1, Math.floor(Math.min(share, line / aspect)));
      return { width: fitted, height: Math.max(1, Math.min(line, Math.round(fitted * aspect))) };
    });
    const area = sizes.reduce((total, size) => total + size.width * size.height, 0);
    const column = Math.min(share, Math.max(MIN_COLUMN, ...sizes.map((size) => size.width)));
    if (area > best.area) best = { columns, column, sizes, area };
  }
  return best;
}

/** The panes, which follow the size of what they are in. */
export class Panes {
  /** @type {Pane[]} */
  #panes = [];
  /** @type {Detail[]} */
  #details = [];
  #arranged = "";
  #sizes;
  #store;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    this.node = div("bcm-panes");
    this.#sizes = new ResizeObserver(() => this.arrange());
  }

  /** The stages of the clips. @returns {VideoStage[]} */
  get stages() {
    return this.#panes.map((pane) => pane.stage);
  }

  /** Show cells. @param {number[]} cells @param {(pane: number) => void} choose called with a clicked one */
  show(cells, choose) {
    this.clear();
    this.#panes = cells.map((cell, i) => new Pane(this.#store, cell, () => choose(i)));
    this.node.replaceChildren(...this.#panes.map((pane) => pane.node));
    this.#sizes.observe(this.node);
    this.arrange();
  }

  /** Remove all panes. */
  clear() {
    this.#sizes.disconnect();
    for (const pane of this.#panes) pane.stage.unload();
    this.#panes = [];
    this.#details = [];
    this.#arranged = "";
  }

  /** Update the notes, and which pane is chosen. @param {number} chosen -1 for none */
  refresh(chosen) {
    this.#panes.forEach((pane, i) => {
      pane.stage.refresh();
      pane.node.classList.toggle("bcm-activepane", i === chosen);
    });
    this.arrange();
  }

  /** Play a clip's mp4. @param {number} pane @param {{i: number, data: Blob}} mp4 @param {() => void} ready called when it can be painted */
  play(pane, mp4, ready) {
    this.#panes[pane]?.stage.play(mp4, () => {
      this.arrange();
      ready();
    });
  }

  /** Show below each clip what it differs in. @param {Detail[]} details one for each clip */
  showDifferences(details) {
    this.#details = details;
    this.#arranged = "";
    this.arrange();
  }

  /** Paint all clips. @param {number} seconds @param {boolean} playing @param {number} speed */
  paint(seconds, playing, speed) {
    for (const { stage } of this.#panes) stage.paint(seconds, playing, speed);
  }

  /** Lay out again, if something that matters for it has changed. */
  arrange() {
    const { clientWidth, clientHeight } = this.node;
    const single = this.node.closest(".bcm-flickering") !== null;
    const aspects = this.stages.map((stage) => stage.aspect);
    const arranged = JSON.stringify([clientWidth, clientHeight, single, aspects]);
    // Without width it is hidden or not attached yet.
    if (!clientWidth || !aspects.length || arranged === this.#arranged) return;
    this.#arranged = arranged;
    const room = { width: clientWidth - 2 * EDGE, height: clientHeight - 2 * EDGE };
    const caption = aspects.length > 1 ? CAPTION : 0;
    const found = single
      // In turns at one place, each has all the room.
      ? { columns: 1, column: room.width, sizes: aspects.map((aspect) => arrangePanes(room, [aspect], caption).sizes[0]) }
      : arrangePanes(room, aspects, caption);
    this.node.style.gridTemplateColumns = `repeat(${found.columns}, ${found.column}px)`;
    const letters = Math.floor(found.column / LETTER);
    const lines = this.#details.length ? describeDifferences(this.#details, letters) : [];
    this.#panes.forEach((pane, i) => {
      pane.resize(found.sizes[i]);
      if (lines.length) pane.describe(lines[i]);
    });
  }
}

/** One of the clips: its stage, and the line below. */
class Pane {
  /** @param {Store} store @param {number} cell @param {() => void} onClick */
  constructor(store, cell, onClick) {
    this.stage = new VideoStage(store);
    this.stage.show(cell);
    this.node = div("bcm-pane");
    this.text = div("bcm-panetext");
    this.text.dir = "auto";
    this.node.append(this.stage.node, this.text);
    on(this.node, "click", onClick);
  }

  /** @param {{width: number, height: number}} size */
  resize({ width, height }) {
    Object.assign(this.stage.node.style, { width: `${width}px`, height: `${height}px` });
  }

  /** @param {{line: string, title: string}} text */
  describe({ line, title }) {
    this.text.textContent = line;
    this.text.title = title;
  }
}
