// The grid surface: the toolbar, the tools that arrange and filter, and the cells.

import { attributes, button, div, element, focus, setButton } from "../core/dom.js";
import { CLOSE, COMPARE, PLUS } from "../core/icons.js";
import { ClipSurface } from "../surface/clip_surface.js";
import { SearchBox } from "../surface/search_box.js";
import { Arrangement } from "./arrangement.js";
import { createHoverBar } from "./hover_bar.js";
import { nextCell } from "./layout.js";
import { Pointer } from "./pointer.js";
import { Toolbar } from "./toolbar.js";
import { VirtualGrid } from "./virtual_grid.js";

/** @typedef {import("../data/store.js").Store} Store */

// Milliseconds in which changes of annotations and values are collected before filtering again.
const FILTER_DELAY = 120;
// In larger tables empty cells are not counted.
const MAX_COUNTED = 20_000;
const FILL_LABEL = "generate the clips of the empty cells";

/** A grid of clips with its controls. */
export class GridView extends ClipSurface {
  #status = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #filterTimer;
  #toolbar;
  #compareButton;
  #arrangement;
  #noMatches;
  #pointer;
  #fillButton;
  #showAllButton = button(CLOSE, "show all clips", () => this.#showAll());

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    this.playing = Boolean(model.get("playing")) && !this.reducedMotion;
    const root = () => this.root;
    /** @type {VirtualGrid} */
    this.grid = new VirtualGrid(store, {
      rows: () => model.get("rows"), columns: () => model.get("columns"),
      fixed: () => model.get("fixed"), size: () => model.get("size"), height: () => this.heightOf(this.grid.node),
      cells: () => this.shown, sorted: () => Boolean(model.get("sort")),
      onVisible: (cells) => store.setVisible(this.name, cells, this.grid.size * devicePixelRatio),
    });
    this.grid.current = model.get("_current");
    this.grid.selected = new Set(model.get("_selected"));
    this.#compareButton = button(COMPARE, "", () => this.compare());
    this.#fillButton = button(PLUS, FILL_LABEL, () => store.fillEmpty(this.grid.allEmptyCoords()));
    this.#arrangement = new Arrangement(store, {
      current: () => ({ rows: model.get("rows"), columns: model.get("columns"), fixed: model.get("fixed") }),
      change: (placement) => this.#arrange(placement), room: () => (this.grid.node.clientWidth ? this.grid.room() : undefined), root, announce: (text) => this.announce(text),
    });
    this.searchBox = new SearchBox(store, {
      filter: () => model.get("filter"), sort: () => model.get("sort"), root,
      set: (name, value) => this.saveTrait(name, value),
      leave: () => focus(this.grid.node),
    });
    this.#toolbar = new Toolbar(store, {
      play: () => this.play(!this.playing), size: (size) => this.setSize(size), help: () => this.toggleHelp(),
      scrub: (share) => this.#scrub(share), speed: (speed) => this.saveTrait("speed", speed), root,
      fullScreen: () => this.toggleFullScreen(), shown: () => this.shown.length, inView: () => this.grid.whole,
      focusCells: () => focus(this.focusTarget),
    }, { run: [this.#fillButton], find: [this.#compareButton, this.searchBox.node], look: [this.#arrangement.node] });
    this.hover = createHoverBar(store, () => this.hovered, (cells, change) => this.annotate(cells, change));
    this.#noMatches = div("bcm-empty");
    this.#noMatches.hidden = true;
    this.#noMatches.append(element("p", "", ""), this.#showAllButton);
    this.#assemble();
    this.#pointer = new Pointer(this);
    this.clock.speed = model.get("speed");
    this.clock.painters.add((seconds) => this.#paint(seconds));
    this.#listen();
    this.observe((changed) => {
      if (changed) this.relayout();
      this.grid.render();
    }, (visible) => this.#onVisible(visible));
    this.#updateCompareButton();
    this.relayout();
    this.clock.play(this.playing);
  }

  #assemble() {
    const body = div("bcm-body",
      this.grid.node, this.#noMatches, this.lightbox.node, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(this.#toolbar.node, body, this.liveRegion);
  }

  // --- events of the store, the model and the page ----------------------------------------------

  #listen() {
    const { store, model, lifetime: { signal } } = this;
    this.listen({
      cells: () => this.relayout(), cell: (cell) => this.grid.refresh(cell),
      annotations: () => this.#scheduleFilter(), columns: () => this.#scheduleFilter(),
      run: () => this.#onRun(), connection: () => this.#toolbar.refresh(),
    });
    const relayout = () => this.scheduleLayout();
    this.listenToTraits({
      rows: relayout, columns: relayout, fixed: relayout, size: relayout, height: relayout,
      filter: relayout, sort: relayout,
      playing: () => this.play(Boolean(model.get("playing")), false),
      speed: () => {
        this.clock.speed = model.get("speed");
        this.#updateToolbar();
      },
      _current: () => {
        if (model.get("_current") !== this.grid.current) this.goTo(model.get("_current"), false);
      },
      _selected: () => {
        this.grid.selected = new Set(model.get("_selected"));
        this.grid.updateStates();
        this.#updateCompareButton();
      },
    });
    document.addEventListener("visibilitychange", () => store.requestSoon(), { signal });
    document.addEventListener("fullscreenchange", () => this.relayout(), { signal });
  }

  /** @param {boolean} visible */
  #onVisible(visible) {
    this.grid.asleep = !visible;
    // JupyterLab detaches outputs and attaches them again: a canvas may come back empty.
    for (const tile of this.grid.tiles.values()) tile.invalidate();
    if (visible && !this.grid.tiles.size) this.relayout();
    this.grid.reportVisible();
  }

  relayout() {
    const { store, model } = this;
    const filter = model.get("filter");
    // Other cells come to lie under the pointer.
    this.unhover();
    this.shown = this.matchingCells(model.get("fixed"));
    this.#arrangement.refresh();
    this.searchBox.refresh();
    // Before the layout, because a hidden grid has no width.
    const empty = store.ready && store.total > 0 && !this.shown.length;
    // The page below must not move while a filter is typed.
    if (!this.grid.node.hidden) this.#noMatches.style.minHeight = `${this.grid.node.offsetHeight}px`;
    this.#noMatches.hidden = !empty;
    this.grid.node.hidden = empty;
    setButton(this.#showAllButton, CLOSE, filter ? "clear the filter" : "show all clips", filter ? "Clear the filter" : "Show all");
    this.grid.layout();
    attributes(this.grid.node, { "aria-label": store.title || "clips" });
    this.#toolbar.refresh();
    this.grid.updateStates();
    const { rows, columns } = this.grid.geometry;
    const counts = store.fills && !filter && rows * columns <= MAX_COUNTED;
    this.#updateFillButton(counts ? this.grid.allEmptyCoords().length : 0);
    /** @type {HTMLElement} */ (this.#noMatches.firstElementChild).textContent = this.noMatchText();
    this.#updateToolbar();
    this.#updateCompareButton();
    this.clock.wake();
  }

  /** Filter and sort again shortly, because annotations or values changed. */
  #scheduleFilter() {
    const { model } = this;
    if (!model.get("filter") && !model.get("sort")) return;
    this.#filterTimer ??= setTimeout(() => {
      this.#filterTimer = undefined;
      const cells = this.matchingCells(model.get("fixed"));
      if (String(cells) === String(this.shown)) return;
      const { table, current } = this.grid;
      const next = cells.includes(current) ? current : nextCell(table, current, 1);
      this.relayout();
      if (current >= 0 && next >= 0 && next !== current && !this.lightbox.open) this.goTo(next);
    }, FILTER_DELAY);
  }

  /** @param {number} count of empty cells */
  #updateFillButton(count) {
    this.#fillButton.hidden = !count;
    if (count) setButton(this.#fillButton, PLUS, FILL_LABEL, `Generate ${count.toLocaleString("en")} more`);
  }

  #updateCompareButton() {
    const { size } = this.grid.selected;
    // Disabled instead of hidden: its place would be taken from the clips.
    this.#compareButton.disabled = size < 2;
    this.#compareButton.hidden = this.store.total < 2;
    setButton(this.#compareButton, COMPARE, size < 2 ? "compare clips: select two to eight first (S)" : `compare ${size} selected clips (C)`,
      size < 2 ? "Compare" : `Compare ${size}`);
  }

  #updateToolbar() {
    this.#toolbar.show(this.playing, this.grid.size, this.clock.speed);
  }

  #onRun() {
    this.#toolbar.refresh();
    const status = this.store.run?.status ?? "";
    if (status !== this.#status && this.#status) this.announce(this.#toolbar.count.textContent ?? "");
    this.#status = status;
  }

  /** @param {number} seconds */
  #paint(seconds) {
    if (this.lightbox.open) this.lightbox.paint(seconds, this.playing, this.clock.speed);
    else this.grid.paint(seconds);
    this.#toolbar.player.showTime(seconds, this.#length());
  }

  // --- actions ----------------------------------------------------------------------------------

  /** Return the duration of the longest clip in view, in seconds. */
  #length() {
    if (this.lightbox.length) return this.lightbox.length;
    let longest = 0;
    for (const cell of this.grid.tiles.keys()) {
      const sheet = this.store.imageOf(cell)?.sheet;
      if (sheet) longest = Math.max(longest, sheet.count / (sheet.fps || 8));
    }
    return longest || 1;
  }

  /** Show all clips at one position. @param {number} share 0 to 1 */
  #scrub(share) {
    if (this.playing) this.play(false);
    this.clock.seek(share * this.#length() * 0.9999);
  }

  /** @param {import("./arrangement.js").Placement} placement */
  #arrange({ rows, columns, fixed }) {
    const { model } = this;
    model.set({ rows, columns, fixed });
    model.save_changes();
  }

  #showAll() {
    this.searchBox.clear();
    this.#arrange({ rows: this.model.get("rows"), columns: this.model.get("columns"), fixed: {} });
    focus(this.focusTarget);
  }

  /** @param {number} cell @param {boolean} save whether to send it to Python */
  goTo(cell, save = true) {
    this.grid.current = cell;
    if (cell >= 0) this.grid.reveal(cell);
    this.grid.updateStates();
    this.clock.wake();
    if (save) this.saveTrait("_current", cell);
  }

  /** @param {number} cell */
  pointAt(cell) {
    this.grid.current = cell;
    this.grid.updateStates();
    super.pointAt(cell);
  }

  unhover() {
    this.grid.tiles.get(this.hovered)?.scrubTo(null);
    super.unhover();
    this.hover.bar.remove();
    this.clock.wake();
  }

  /** @param {number[]} cells @param {import("../data/store.js").AnnotationChange} change */
  annotate(cells, change) {
    super.annotate(cells, change);
    if (this.hovered >= 0) this.hover.refresh(this.hovered);
  }

  /** @param {boolean} playing @param {boolean} save whether to send it to Python */
  play(playing, save = true) {
    this.playing = playing;
    this.clock.play(playing);
    this.#updateToolbar();
    if (save) this.saveTrait("playing", playing);
  }

  /** Set the width of cells. @param {number} size pixels */
  setSize(size) {
    this.saveTrait("size", Math.max(48, Math.min(640, Math.round(size))));
  }

  // --- overrides of ClipSurface ---------------------------------------------------------------------

  get focusTarget() {
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
    return {
      ...super.actions(command, at), ...this.#pointer.actions(command), find: () => this.searchBox.focus(),
    };
  }

  /** @param {number[]} cells */
  openLarge(cells) {
    this.unhover();
    super.openLarge(cells);
  }

  close() {
    clearTimeout(this.#filterTimer);
    super.close();
  }
}
