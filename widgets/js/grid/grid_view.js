// One view of a grid: the bar, the tools, and the cells.

import { Arrangement } from "./arrangement.js";
import { Toolbar } from "./toolbar.js";
import { hoverBar } from "./hover_bar.js";
import { filterAndSort } from "../data/filtering.js";
import { button, div, setButton, element, focus } from "../core/dom.js";
import { SearchBox } from "../large/search_box.js";
import { Pointer } from "./pointer.js";
import { CLOSE, COMPARE, PLUS } from "../core/icons.js";
import { nextCell } from "./layout.js";
import { Overlay } from "../large/overlay.js";
import { VirtualGrid } from "./virtual_grid.js";

/** @typedef {import("../data/store.js").Store} Store */

// Cells that come to suit a filter, or don't any more, are gathered for so long.
const GATHER = 120;
// Of a larger table empty places are not counted.
const COUNTED = 20_000;

export class GridView extends Overlay {
  #status = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #choosing;
  #bar;
  #beside;
  #arrangement;
  #nothing;
  #pointer;
  #more;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    this.playing = Boolean(model.get("playing")) && !this.reducedMotion;
    const root = () => this.root;
    this.grid = new VirtualGrid(store, {
      rows: () => model.get("rows"), columns: () => model.get("columns"),
      fixed: () => model.get("fixed"), size: () => model.get("size"), height: () => this.#height(),
      cells: () => this.choice, ordered: () => Boolean(model.get("sort")),
      seen: (cells) => store.setVisible(this.name, cells, this.grid.size * devicePixelRatio),
    });
    this.grid.current = model.get("_current");
    this.grid.selected = new Set(model.get("_selected"));
    this.#bar = new Toolbar(store, {
      play: () => this.play(!this.playing), size: (size) => this.setSize(size), help: () => this.help(),
      scrub: (share) => this.#scrub(share), speed: (speed) => this.save("speed", speed), root,
      full: () => this.full(), shown: () => this.choice.length, leave: () => focus(this.field),
    });
    this.#beside = button(COMPARE, "", () => this.compare());
    this.#more = button(PLUS, "make the clips at the empty places", () => store.fillEmpty(this.grid.allMissing()));
    this.#arrangement = new Arrangement(store, {
      now: () => ({ rows: model.get("rows"), columns: model.get("columns"), fixed: model.get("fixed") }),
      change: (places) => this.#arrange(places), root, say: (text) => this.say(text),
    });
    this.searchBox = new SearchBox(store, {
      filter: () => model.get("filter"), sort: () => model.get("sort"), root,
      set: (name, value) => this.save(name, value),
      leave: () => focus(this.grid.node),
    });
    this.hover = hoverBar(store, () => this.#pointer.hovered, (cells, marks) => this.rate(cells, marks));
    this.#nothing = div("bcm-nothing");
    this.#nothing.hidden = true;
    const all = button(CLOSE, "show all clips", () => this.#showAll(), "Show all");
    this.#nothing.append(element("p", "", ""), all);
    this.#assemble();
    this.#pointer = new Pointer(this);
    this.clock.speed = model.get("speed");
    this.clock.painters.add((seconds) => this.#paint(seconds));
    this.#listen();
    this.watch((changed) => {
      if (changed) this.relayout();
      this.grid.fill();
    }, (seen) => this.#wakeUp(seen));
    this.#offerBeside();
    this.relayout();
    this.clock.play(this.playing);
  }

  #assemble() {
    const tools = div("bcm-tools", this.#arrangement.node, this.#more, this.#beside, this.searchBox.node);
    const body = div("bcm-body", this.grid.node, this.#nothing, this.lightbox.node, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(this.#bar.node, tools, body, this.live);
  }

  // --- what comes from elsewhere --------------------------------------------------------------

  #listen() {
    const { store, model, ending: { signal } } = this;
    this.hear({
      cells: () => this.relayout(), cell: (cell) => this.grid.tiles.get(cell)?.refresh(),
      marks: () => this.#rechooseSoon(), columns: () => this.#rechooseSoon(), run: () => this.#onRun(), away: () => this.#bar.refresh(),
    });
    const relayout = () => this.scheduleLayout();
    this.heed({
      rows: relayout, columns: relayout, fixed: relayout, size: relayout, height: relayout,
      filter: relayout, sort: relayout,
      playing: () => this.play(Boolean(model.get("playing")), false),
      speed: () => {
        this.clock.speed = model.get("speed");
        this.#showBar();
      },
      _current: () => this.goTo(model.get("_current"), false),
      _selected: () => {
        this.grid.selected = new Set(model.get("_selected"));
        this.grid.markAll();
        this.#offerBeside();
      },
    });
    document.addEventListener("visibilitychange", () => store.requestSoon(), { signal });
    document.addEventListener("fullscreenchange", () => this.relayout(), { signal });
  }

  /** @param {boolean} seen whether anybody can see it now */
  #wakeUp(seen) {
    this.grid.asleep = !seen;
    this.clock.sleep(!seen);
    // Lab takes outputs off the page and puts them back: a canvas may come back empty.
    for (const tile of this.grid.tiles.values()) tile.forget();
    if (seen && !this.grid.tiles.size) this.relayout();
    this.grid.see();
  }

  relayout() {
    const { store, model } = this;
    const filter = model.get("filter");
    this.choice = filterAndSort(store, { filter, sort: model.get("sort"), fixed: model.get("fixed") }).cells;
    this.#bar.refresh();
    this.#arrangement.refresh();
    this.searchBox.refresh();
    // What is hidden has no room to be laid out in.
    const empty = store.ready && store.total > 0 && !this.choice.length;
    this.#nothing.hidden = !empty;
    this.grid.node.classList.toggle("bcm-none", empty);
    this.grid.layout();
    this.grid.markAll();
    const { rows, columns } = this.grid.geometry;
    this.#offer(store.fills && !filter && rows * columns <= COUNTED ? this.grid.allMissing().length : 0);
    /** @type {HTMLElement} */ (this.#nothing.firstElementChild).textContent = filter
      ? `No clip suits  ${filter}` : "No clip is there.";
    this.#showBar();
    this.clock.wake();
  }

  /** Marks or values are new: others may suit the filter, or stand elsewhere. */
  #rechooseSoon() {
    const { model } = this;
    if (!model.get("filter") && !model.get("sort")) return;
    this.#choosing ??= setTimeout(() => {
      this.#choosing = undefined;
      const wish = { filter: model.get("filter"), sort: model.get("sort"), fixed: model.get("fixed") };
      const { cells } = filterAndSort(this.store, wish);
      if (String(cells) === String(this.choice)) return;
      const { table, current } = this.grid;
      const next = cells.includes(current) ? current : nextCell(table, current, 1);
      this.relayout();
      if (current >= 0 && next >= 0 && next !== current && !this.lightbox.open) this.goTo(next);
    }, GATHER);
  }

  /** @param {number} empty how many places of the table have no cell */
  #offer(empty) {
    this.#more.hidden = !empty;
    const label = "make the clips at the empty places";
    if (empty) setButton(this.#more, PLUS, label, `Make ${empty.toLocaleString("en")} more`);
  }

  #offerBeside() {
    const { size } = this.grid.selected;
    this.#beside.hidden = size < 2;
    if (size > 1) setButton(this.#beside, COMPARE, "the selected clips side by side (C)", `Compare ${size}`);
  }

  #showBar() {
    this.#bar.show(this.playing, this.grid.size, this.clock.speed);
  }

  #onRun() {
    this.#bar.refresh();
    const status = this.store.run?.status ?? "";
    if (status !== this.#status && this.#status) this.say(this.#bar.count.textContent ?? "");
    this.#status = status;
  }

  /** @param {number} seconds */
  #paint(seconds) {
    if (this.lightbox.open) this.lightbox.paint(seconds, this.playing, this.clock.speed);
    else this.grid.paint(seconds);
    this.#bar.player.moved(seconds, this.#length());
  }

  // --- actions -----------------------------------------------------------------------------------

  /** How long the longest clip in sight is, in seconds. */
  #length() {
    if (this.lightbox.length) return this.lightbox.length;
    let longest = 0;
    for (const cell of this.grid.tiles.keys()) {
      const sheet = this.store.imageOf(cell)?.sheet;
      if (sheet) longest = Math.max(longest, sheet.count / (sheet.fps || 8));
    }
    return longest || 1;
  }

  /** Show all clips at one place. @param {number} share 0 to 1 */
  #scrub(share) {
    if (this.playing) this.play(false);
    this.clock.seek(share * this.#length() * 0.9999);
  }

  /** @param {import("./arrangement.js").Places} places */
  #arrange({ rows, columns, fixed }) {
    const { model } = this;
    model.set({ rows, columns, fixed });
    model.save_changes();
  }

  #showAll() {
    this.searchBox.clear();
    this.#arrange({ rows: this.model.get("rows"), columns: this.model.get("columns"), fixed: {} });
    focus(this.field);
  }

  /** @param {number} cell @param {boolean} tell whether Python is told */
  goTo(cell, tell = true) {
    this.grid.current = cell;
    if (cell >= 0) this.grid.reveal(cell);
    this.grid.markAll();
    this.clock.wake();
    if (tell) this.save("_current", cell);
  }

  /** @param {number[]} cells @param {import("../data/store.js").AnnotationChange} marking */
  rate(cells, marking) {
    super.rate(cells, marking);
    if (this.#pointer.hovered >= 0) this.hover.refresh(this.#pointer.hovered);
  }

  /** @param {boolean} playing @param {boolean} tell whether Python is told */
  play(playing, tell = true) {
    this.playing = playing;
    this.clock.play(playing);
    this.#showBar();
    if (tell) this.save("playing", playing);
  }

  /** @param {number} size */
  setSize(size) {
    this.save("size", Math.max(48, Math.min(640, Math.round(size))));
  }

  /**
   * The height that cells may take.
   * @returns {number}
   */
  #height() {
    if (document.fullscreenElement !== this.root) return this.model.get("height");
    const above = this.grid.node.getBoundingClientRect().top - this.root.getBoundingClientRect().top;
    return Math.max(200, this.root.clientHeight - above - 12);
  }

  // --- as one of the surfaces on which clips are opened ------------------------------------------

  get field() {
    return this.grid.node;
  }

  /** @param {number} cell @param {number} by */
  nextCell(cell, by) {
    return nextCell(this.grid.table, cell, by);
  }

  /** @param {number} cell */
  labelOf(cell) {
    return this.grid.labelOf(cell, true);
  }

  /** @param {import("../core/keys.js").Command} command @param {number} at */
  actions(command, at) {
    return { ...super.actions(command, at), ...this.#pointer.moves(command), find: () => this.searchBox.focus() };
  }

  /** @param {number[]} cells */
  openLarge(cells) {
    this.#pointer.unhover();
    super.openLarge(cells);
  }

  close() {
    clearTimeout(this.#choosing);
    super.close();
  }
}
