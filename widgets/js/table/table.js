// The table surface: a row per clip with its poster, annotations and values, sorted by its headers.

import { attributes, button, div, element, focus, on } from "../core/dom.js";
import { CLOSE, PLUS } from "../core/icons.js";
import { openMenu } from "../core/menu.js";
import { pluralize } from "../core/text.js";
import { ClipSurface } from "../surface/clip_surface.js";
import { SearchBox } from "../surface/search_box.js";
import { POSTER_WIDTH, ROW_HEIGHT, TableRow, formatValue } from "./row.js";
import { ShortValues } from "../captions/short_values.js";

/** @typedef {import("../data/store.js").Store} Store */

const HEAD_HEIGHT = 32; // pixels
const OVERSCAN = 6; // rows rendered around those in view
const AS_IS = new Set(["stars", "tags", "created", "seconds"]); // columns whose values are not shortened

/** A table of clips with its controls. */
export class Table extends ClipSurface {
  /** @type {Map<number, TableRow>} by position in the table */
  #rows = new Map();
  #asleep = false;
  /** @type {number | undefined} */
  #pending;
  #node;
  #head;
  #content;
  #noMatches;
  #searchBox;
  #count;
  #columnsButton;
  #shortValues;
  #place = "";

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    const root = () => this.root;
    this.#searchBox = new SearchBox(store, {
      filter: () => model.get("filter"), sort: () => model.get("sort"), root,
      set: (name, value) => this.saveTrait(name, value), leave: () => focus(this.#node),
    });
    this.#count = element("span", "bcm-count");
    this.#columnsButton = button(PLUS, "columns", () => this.#openColumns(), "Columns");
    attributes(this.#columnsButton, { "aria-haspopup": "menu" });
    this.#searchBox.node.append(this.#columnsButton);
    const tools = div("bcm-tools", this.#count, this.#searchBox.node);
    this.#node = div("bcm-scroll bcm-tablescroll");
    this.#node.tabIndex = 0;
    attributes(this.#node, { role: "grid", "aria-multiselectable": "true", "aria-label": "clips" });
    this.#head = div("bcm-tablehead");
    attributes(this.#head, { role: "row" });
    this.#content = div("bcm-content");
    attributes(this.#content, { role: "presentation" });
    this.#node.append(this.#head, this.#content);
    this.#shortValues = new ShortValues(
      (name) => /** @type {HTMLElement | undefined} */ (this.#head.children[this.#names().indexOf(name) + 1])?.clientWidth ?? 0,
      (name) => this.shown.map((cell) => formatValue(name, store.columns.value(cell, name))),
    );
    this.#noMatches = div("bcm-empty", element("p", "", ""), button(CLOSE, "clear the filter", () => {
      this.#searchBox.clear();
      focus(this.#node);
    }, "Clear the filter"));
    const help = button("", "keys (?)", () => this.toggleHelp(), "?");
    help.classList.add("bcm-flat");
    this.#searchBox.node.append(help);
    const body = div("bcm-body",
      this.#node, this.#noMatches, this.lightbox.node, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(tools, body, this.liveRegion);
    this.clock.painters.add((seconds) => {
      if (this.lightbox.open) this.lightbox.paint(seconds, this.playing, 1);
      else for (const row of this.#rows.values()) row.tile.paint(seconds);
    });
    this.#listen();
    this.observe((changed) => (changed ? this.relayout() : this.#render()), (visible) => {
      this.#asleep = !visible;
      for (const row of this.#rows.values()) row.tile.invalidate();
      this.#reportVisible();
    });
    store.columns.request();
    this.relayout();
    this.play(!this.reducedMotion);
  }

  #listen() {
    const { store, model } = this;
    const relayout = () => this.scheduleLayout();
    this.listen({
      cells: () => {
        store.columns.request();
        this.relayout();
      },
      cell: (cell) => {
        for (const row of this.#rows.values()) if (row.cell === cell) row.refresh();
      },
      columns: () => {
        this.#shortValues.clear();
        relayout();
      },
      annotations: relayout, run: () => this.#updateCount(),
    });
    this.listenToTraits({
      filter: relayout, sort: relayout, columns: relayout, height: relayout,
      _current: () => this.#follow(), _selected: () => this.#updateStates(),
    });
    on(this.#node, "scroll", () => {
      this.#pending ??= requestAnimationFrame(() => {
        this.#pending = undefined;
        this.#render();
      });
    }, { passive: true });
    on(this.#node, "click", (event) => this.#onClick(event));
    on(this.#node, "pointermove", (event) => this.#onMove(event));
    on(this.#node, "pointerleave", () => this.unhover());
  }

  /** Go to the current clip, unless it is current because the pointer is on it. */
  #follow() {
    if (this.#current === this.hovered) this.#updateStates();
    else this.goTo(this.#current, false);
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const place = `${event.screenX},${event.screenY}`;
    // Rows that scroll under a pointer at rest make the browser report a movement.
    if (event.pointerType === "touch" || place === this.#place) return;
    this.#place = place;
    const row = /** @type {HTMLElement} */ (event.target).closest(".bcm-tablerow");
    this.hovered = row instanceof HTMLElement ? Number(row.dataset.cell) : -1;
  }

  get #current() {
    return this.model.get("_current");
  }

  /** Return the names of the shown columns: the requested ones, or by default those in which clips differ. */
  #names() {
    const requested = this.model.get("columns");
    if (requested.length) return requested;
    const axes = this.store.axes.filter((axis) => axis.labels.length > 1).map((axis) => axis.name);
    return [...(axes.length ? axes : ["prompt", "seed"]), "stars", "tags", "seconds"];
  }

  relayout() {
    const { store } = this;
    if (!store.ready || !this.root.clientWidth) return;
    this.unhover();
    this.shown = this.matchingCells();
    this.#searchBox.refresh();
    this.#updateCount();
    this.#shortValues.clear(JSON.stringify([this.root.clientWidth, this.#names(), this.shown]));
    this.#renderHead();
    // The page below must not move while a filter is typed.
    if (!this.#node.hidden) this.#noMatches.style.minHeight = this.#node.style.height;
    const full = this.shown.length * ROW_HEIGHT;
    this.#content.style.height = `${full}px`;
    this.#node.style.height = `${Math.min(this.heightOf(this.#node), full + HEAD_HEIGHT + 2)}px`;
    this.#node.hidden = !this.shown.length;
    this.#noMatches.hidden = Boolean(this.shown.length);
    /** @type {HTMLElement} */ (this.#noMatches.firstElementChild).textContent = this.noMatchText();
    attributes(this.#node, { "aria-rowcount": this.shown.length + 1 });
    for (const row of this.#rows.values()) row.node.remove();
    this.#rows.clear();
    this.#render();
  }

  /** Return a value as a row shows it. @param {string} name of the column @param {string} text */
  shortened(name, text) {
    return AS_IS.has(name) ? text : this.#shortValues.of(name, text);
  }

  #updateCount() {
    const { store, shown } = this;
    const { length } = shown;
    this.#count.textContent = length === store.total
      ? pluralize(length, "clip") : `${length.toLocaleString("en")} of ${store.total.toLocaleString("en")}`;
  }

  #renderHead() {
    const names = this.#names();
    const sort = this.model.get("sort");
    this.root.style.setProperty("--bcm-columns", [`${POSTER_WIDTH + 4}px`, ...names.map((/** @type {string} */ name) => this.#widthOf(name))].join(" "));
    attributes(this.#node, { "aria-colcount": names.length + 1 });
    const poster = div("bcm-columnhead");
    attributes(poster, { role: "columnheader" });
    poster.append(element("span", "bcm-hidden", "clip"));
    this.#head.replaceChildren(poster, ...names.map((/** @type {string} */ name) => {
      const direction = sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none";
      const header = div("bcm-columnhead");
      attributes(header, { role: "columnheader", "aria-sort": direction });
      const arrow = { ascending: " ↑", descending: " ↓", none: "" }[direction];
      const sortButton = button("", `sort by ${name}`, () => this.#sortBy(name), name + arrow);
      sortButton.tabIndex = -1;
      sortButton.dir = "auto";
      sortButton.disabled = name === "tags";
      header.append(sortButton);
      return header;
    }));
  }

  /** Return the width of a column for `grid-template-columns`. @param {string} name */
  #widthOf(name) {
    if (name === "prompt" || name === "negative_prompt") return "minmax(160px, 3fr)";
    if (name === "stars") return "104px";
    return name === "tags" ? "minmax(80px, 1.5fr)" : `minmax(${this.#shortValues.widthOf(name, 64)}px, 1fr)`;
  }

  /** Sort descending at first, then ascending, then not at all. @param {string} name */
  #sortBy(name) {
    const sort = this.model.get("sort");
    this.saveTrait("sort", sort === `-${name}` ? name : sort === name ? "" : `-${name}`);
  }

  #openColumns() {
    const names = this.#names();
    const all = [...new Set([...names, "tags", ...this.store.columns.names()])];
    openMenu(this.#columnsButton, all.map((name) => ({
      label: name, checked: names.includes(name),
      action: () => this.saveTrait("columns", names.includes(name)
        ? names.filter((/** @type {string} */ one) => one !== name) : [...names, name]),
    })), this.root);
  }

  /** Add the rows in view, and remove those out of view. */
  #render() {
    const { scrollTop, clientHeight } = this.#node;
    if (!clientHeight) return;
    const from = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN);
    const to = Math.min(this.shown.length, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + OVERSCAN);
    for (const [position, row] of this.#rows) {
      if (position >= from && position < to) continue;
      row.node.remove();
      this.#rows.delete(position);
    }
    const names = this.#names();
    for (let position = from; position < to; position++) {
      if (this.#rows.has(position)) continue;
      const row = new TableRow(this, this.shown[position], position, names);
      this.#rows.set(position, row);
      this.#content.append(row.node);
    }
    this.#updateStates();
    this.#reportVisible();
    this.clock.wake();
  }

  /** Report to the store which cells are rendered. */
  #reportVisible() {
    const cells = this.#asleep ? []
      : [...this.#rows.keys()].sort((a, b) => a - b).map((position) => this.shown[position]);
    this.store.setVisible(this.name, cells, POSTER_WIDTH * devicePixelRatio);
  }

  /** Show which row is current and which are selected. */
  #updateStates() {
    const { selected } = this;
    this.#node.removeAttribute("aria-activedescendant");
    for (const row of this.#rows.values()) {
      row.node.classList.toggle("bcm-current", row.cell === this.#current);
      attributes(row.node, { "aria-selected": selected.has(row.cell) });
      if (row.cell === this.#current) this.#node.setAttribute("aria-activedescendant", row.node.id);
    }
  }

  /** @param {number} cell @param {boolean} save whether to send it to Python */
  goTo(cell, save = true) {
    super.goTo(cell, save);
    const position = this.shown.indexOf(cell);
    if (position >= 0) {
      const top = position * ROW_HEIGHT;
      const room = this.#node.clientHeight - HEAD_HEIGHT;
      if (top < this.#node.scrollTop) this.#node.scrollTop = top;
      else if (top + ROW_HEIGHT > this.#node.scrollTop + room) this.#node.scrollTop = top + ROW_HEIGHT - room;
    }
    this.#render();
  }

  get focusTarget() {
    return this.#node;
  }

  /** @param {import("../core/keys.js").Command} command @param {number} current */
  actions(command, current) {
    const { by = 0, down = 0, extend } = command;
    const at = this.shown.indexOf(current);
    const page = Math.max(1, Math.floor((this.#node.clientHeight - HEAD_HEIGHT) / ROW_HEIGHT));
    const step = (/** @type {number} */ rows) => {
      const position = Math.max(0, Math.min(this.shown.length - 1, at < 0 ? 0 : at + rows));
      if (extend && at >= 0) this.select([...this.selected, current, this.shown[position]]);
      this.goTo(this.shown[position]);
    };
    return {
      ...super.actions(command, current), find: () => this.#searchBox.focus(),
      move: () => step(down), page: () => step(down * page), edge: () => step(by * 1e9),
    };
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = /** @type {HTMLElement | null} */ (target.closest(".bcm-tablerow"));
    if (!node) return;
    focus(this.#node);
    const cell = Number(node.dataset.cell);
    const last = this.shown.indexOf(this.#current);
    if (event.shiftKey && last >= 0) {
      const position = this.shown.indexOf(cell);
      const range = this.shown.slice(Math.min(last, position), Math.max(last, position) + 1);
      this.select([...this.selected, ...range]);
    } else if (event.ctrlKey || event.metaKey) this.toggleSelected(cell);
    this.goTo(cell);
    if (target.closest(".bcm-cell") && !event.shiftKey && !event.ctrlKey && !event.metaKey) this.openLarge([cell]);
  }
}
