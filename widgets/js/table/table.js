// Clips as a table: posters, marks, values; ordered by a press on a header.

import { filterAndSort } from "../data/filtering.js";
import { attributes, button, div, element, focus, on, starRow } from "../core/dom.js";
import { SearchBox } from "../large/search_box.js";
import { PLUS } from "../core/icons.js";
import { openMenu } from "../core/menu.js";
import { Overlay } from "../large/overlay.js";
import { formatDuration, isolateBidi } from "../core/text.js";
import { Tile } from "../large/tile.js";

/** @typedef {import("../data/store.js").Store} Store */

const ROW = 52;
const HEAD = 32;
const MORE = 6; // rows around what is seen
const NUMBER = /^-?[\d.]+(e[+-]?\d+)?$/i;

/** Values as people read them. @param {string} name @param {any} value */
export function told(name, value) {
  if (value === null || value === undefined) return "";
  if (name === "created") return new Date(value * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  if (name === "seconds") return formatDuration(value);
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  return String(value);
}

export class Table extends Overlay {
  /** @type {Map<number, Line>} by place in the table */
  #lines = new Map();
  #asleep = false;
  /** @type {number | undefined} */
  #pending;
  #node;
  #head;
  #field;
  #nothing;
  #searchBox;
  #count;
  #chosen;

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
      set: (name, value) => this.save(name, value), leave: () => focus(this.#node),
    });
    this.#count = element("span", "bcm-count");
    this.#chosen = button(PLUS, "columns", () => this.#openColumns(), "Columns");
    attributes(this.#chosen, { "aria-haspopup": "menu" });
    this.#searchBox.node.append(this.#chosen);
    const tools = div("bcm-tools", this.#count, this.#searchBox.node);
    this.#node = div("bcm-scroll bcm-tablescroll");
    this.#node.tabIndex = 0;
    attributes(this.#node, { role: "grid", "aria-multiselectable": "true", "aria-label": "clips" });
    this.#head = div("bcm-tablehead");
    attributes(this.#head, { role: "row" });
    this.#field = div("bcm-field");
    attributes(this.#field, { role: "presentation" });
    this.#node.append(this.#head, this.#field);
    this.#nothing = element("p", "bcm-nothing");
    const help = button("", "keys (?)", () => this.help(), "?");
    help.classList.add("bcm-quiet");
    this.#searchBox.node.append(help);
    const body = div("bcm-body", this.#node, this.#nothing, this.lightbox.node, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(tools, body, this.live);
    this.clock.painters.add((seconds) => {
      if (this.lightbox.open) this.lightbox.paint(seconds, this.playing, 1);
      else for (const line of this.#lines.values()) line.tile.paint(seconds);
    });
    this.#listen();
    this.watch((changed) => (changed ? this.relayout() : this.#fill()), (seen) => {
      this.#asleep = !seen;
      this.clock.sleep(!seen);
      for (const line of this.#lines.values()) line.tile.forget();
      this.see();
    });
    store.columns.request();
    this.relayout();
    this.play(!this.reducedMotion);
  }

  #listen() {
    const { store, model } = this;
    const relayout = () => this.scheduleLayout();
    this.hear({
      cells: () => {
        store.columns.request();
        this.relayout();
      },
      cell: (cell) => {
        for (const line of this.#lines.values()) if (line.cell === cell) line.refresh();
      },
      marks: relayout, columns: relayout, run: () => this.#tell(),
    });
    this.heed({
      filter: relayout, sort: relayout, columns: relayout, height: relayout,
      _current: () => this.goTo(model.get("_current"), false), _selected: () => this.#markAll(),
    });
    on(this.#node, "scroll", () => {
      this.#pending ??= requestAnimationFrame(() => {
        this.#pending = undefined;
        this.#fill();
      });
    }, { passive: true });
    on(this.#node, "click", (event) => this.#onClick(event));
  }

  get #current() {
    return this.model.get("_current");
  }

  /** The columns that are shown: those that were asked for, or what tells clips loopOffset. */
  #names() {
    const asked = this.model.get("columns");
    if (asked.length) return asked;
    const axes = this.store.axes.filter((axis) => axis.labels.length > 1).map((axis) => axis.name);
    return [...(axes.length ? axes : ["prompt", "seed"]), "stars", "tags", "seconds"];
  }

  relayout() {
    const { store, model } = this;
    if (!store.ready || !this.root.clientWidth) return;
    const wish = { filter: model.get("filter"), sort: model.get("sort"), fixed: {} };
    this.choice = filterAndSort(store, wish).cells;
    this.#searchBox.refresh();
    this.#tell();
    this.#drawHead();
    const full = this.choice.length * ROW;
    this.#field.style.height = `${full}px`;
    this.#node.style.height = `${Math.min(model.get("height"), full + HEAD + 2)}px`;
    this.#node.hidden = !this.choice.length;
    this.#nothing.hidden = Boolean(this.choice.length);
    this.#nothing.textContent = wish.filter ? `No clip suits  ${wish.filter}` : "No clip is there.";
    attributes(this.#node, { "aria-rowcount": this.choice.length + 1 });
    for (const line of this.#lines.values()) line.node.remove();
    this.#lines.clear();
    this.#fill();
  }

  #tell() {
    const { store, choice } = this;
    const all = store.total.toLocaleString("en");
    this.#count.textContent = choice.length === store.total
      ? `${all} ${store.total === 1 ? "clip" : "clips"}` : `${choice.length.toLocaleString("en")} of ${all}`;
  }

  #drawHead() {
    const names = this.#names();
    const sort = this.model.get("sort");
    this.root.style.setProperty("--bcm-columns", ["72px", ...names.map(widthOf)].join(" "));
    attributes(this.#node, { "aria-colcount": names.length + 1 });
    const poster = div("bcm-tablename");
    attributes(poster, { role: "columnheader" });
    poster.append(element("span", "bcm-hidden", "clip"));
    this.#head.replaceChildren(poster, ...names.map((/** @type {string} */ name) => {
      const way = sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none";
      const cell = div("bcm-tablename");
      attributes(cell, { role: "columnheader", "aria-sort": way });
      const arrow = { ascending: " ↑", descending: " ↓", none: "" }[way];
      const press = button("", `order by ${name}`, () => this.#order(name), name + arrow);
      press.tabIndex = -1;
      press.dir = "auto";
      press.disabled = name === "tags";
      cell.append(press);
      return cell;
    }));
  }

  /** First the largest, then the smallest, then as it was. @param {string} name */
  #order(name) {
    const sort = this.model.get("sort");
    this.save("sort", sort === `-${name}` ? name : sort === name ? "" : `-${name}`);
  }

  #openColumns() {
    const names = this.#names();
    const all = [...new Set([...names, "tags", ...this.store.columns.names()])];
    openMenu(this.#chosen, all.map((name) => ({
      label: name, on: names.includes(name),
      act: () => this.save("columns", names.includes(name)
        ? names.filter((/** @type {string} */ one) => one !== name) : [...names, name]),
    })), this.root);
  }

  /** Put on the page what is in the window, and take off what is not. */
  #fill() {
    const { scrollTop, clientHeight } = this.#node;
    if (!clientHeight) return;
    const from = Math.max(0, Math.floor((scrollTop) / ROW) - MORE);
    const to = Math.min(this.choice.length, Math.ceil((scrollTop + clientHeight) / ROW) + MORE);
    for (const [place, line] of this.#lines) {
      if (place >= from && place < to) continue;
      line.node.remove();
      this.#lines.delete(place);
    }
    const names = this.#names();
    for (let place = from; place < to; place++) {
      if (this.#lines.has(place)) continue;
      const line = new Line(this, this.choice[place], place, names);
      this.#lines.set(place, line);
      this.#field.append(line.node);
    }
    this.#markAll();
    this.see();
    this.clock.wake();
  }

  see() {
    const cells = this.#asleep ? [] : [...this.#lines.keys()].sort((a, b) => a - b).map((place) => this.choice[place]);
    this.store.setVisible(this.name, cells, 64 * devicePixelRatio);
  }

  #markAll() {
    const { selected } = this;
    this.#node.removeAttribute("aria-activedescendant");
    for (const line of this.#lines.values()) {
      line.node.classList.toggle("bcm-current", line.cell === this.#current);
      attributes(line.node, { "aria-selected": selected.has(line.cell) });
      if (line.cell === this.#current) this.#node.setAttribute("aria-activedescendant", line.node.id);
    }
  }

  /** @param {number} cell @param {boolean} tell whether Python is told */
  goTo(cell, tell = true) {
    super.goTo(cell, tell);
    const place = this.choice.indexOf(cell);
    if (place >= 0) {
      const top = place * ROW;
      const room = this.#node.clientHeight - HEAD;
      if (top < this.#node.scrollTop) this.#node.scrollTop = top;
      else if (top + ROW > this.#node.scrollTop + room) this.#node.scrollTop = top + ROW - room;
    }
    this.#fill();
  }

  get field() {
    return this.#node;
  }

  /** @param {import("../core/keys.js").Command} command @param {number} current */
  actions(command, current) {
    const { by = 0, down = 0, extend } = command;
    const at = this.choice.indexOf(current);
    const page = Math.max(1, Math.floor((this.#node.clientHeight - HEAD) / ROW));
    const step = (/** @type {number} */ on) => {
      const place = Math.max(0, Math.min(this.choice.length - 1, at < 0 ? 0 : at + on));
      if (extend && at >= 0) this.select([...this.selected, current, this.choice[place]]);
      this.goTo(this.choice[place]);
    };
    return {
      ...super.actions(command, current), find: () => this.#searchBox.focus(),
      move: () => step(down), page: () => step(down * page), edge: () => step(by * 1e9),
    };
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = /** @type {HTMLElement | null} */ (target.closest(".bcm-line"));
    if (!node) return;
    focus(this.#node);
    const cell = Number(node.dataset.cell);
    const last = this.choice.indexOf(this.#current);
    if (event.shiftKey && last >= 0) {
      const now = this.choice.indexOf(cell);
      this.select([...this.selected, ...this.choice.slice(Math.min(last, now), Math.max(last, now) + 1)]);
    } else if (event.ctrlKey || event.metaKey) this.toggle(cell);
    this.goTo(cell);
    if (target.closest(".bcm-cell") && !event.shiftKey && !event.ctrlKey && !event.metaKey) this.openLarge([cell]);
  }
}

/** One clip's row. */
class Line {
  #table;
  #stars;

  /** @param {Table} table @param {number} cell @param {number} place @param {string[]} names */
  constructor(table, cell, place, names) {
    this.#table = table;
    this.cell = cell;
    this.names = names;
    this.node = div("bcm-line");
    this.node.id = `${table.name}-line-${cell}`;
    this.node.dataset.cell = String(cell);
    attributes(this.node, { role: "row", "aria-rowindex": place + 2 });
    this.node.style.top = `${place * ROW}px`;
    this.tile = new Tile(table.store);
    this.#stars = starRow((stars) => {
      table.rate([cell], { stars });
      // The row is drawn anew: the star that was pressed doesn't take the keys with it.
      focus(table.field);
    });
    this.refresh();
  }

  refresh() {
    const { store } = this.#table;
    this.tile.take(this.cell, "");
    this.#stars.show(store.annotation(this.cell).stars);
    this.#stars.row.hidden = !store.hasClip(this.cell);
    this.node.classList.toggle("bcm-rejected", store.annotation(this.cell).rejected);
    this.node.replaceChildren(this.tile.node, ...this.names.map((name) => this.#value(name)));
  }

  /** @param {string} name */
  #value(name) {
    const { store } = this.#table;
    const cell = div("bcm-value");
    attributes(cell, { role: "gridcell" });
    if (name === "stars") cell.append(this.#stars.row);
    else {
      const text = name === "tags" ? store.annotation(this.cell).tags.map(isolateBidi).join(" · ") : told(name, store.columns.value(this.cell, name));
      cell.textContent = text;
      cell.title = text;
      cell.dir = "auto";
      cell.classList.toggle("bcm-figure", NUMBER.test(text));
    }
    return cell;
  }
}

/** @param {string} name */
function widthOf(name) {
  if (name === "prompt" || name === "negative_prompt") return "minmax(160px, 3fr)";
  if (name === "stars") return "104px";
  return name === "tags" ? "minmax(80px, 1.5fr)" : "minmax(64px, 1fr)";
}
