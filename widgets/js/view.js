// One view of a grid: the bar, the cells, the large view, and what hands do with them.

import { Bar } from "./bar.js";
import { Clock } from "./clock.js";
import { helpBox, hoverBar } from "./boxes.js";
import { element, ground } from "./dom.js";
import { commandFor, guard, notebooks } from "./keys.js";
import { Large } from "./large.js";
import { following, neighbour, rectangle } from "./layout.js";
import { Scroller } from "./scroller.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./keys.js").Command} Command */

let views = 0;

export class View {
  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    this.store = store;
    this.model = model;
    this.name = `view${++views}`;
    this.ending = new AbortController();
    this.hovered = -1;
    this.wide = 0;
    this.status = "";
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.playing = Boolean(model.get("playing")) && !this.calm;
    this.root = element("div", "bcm-root");
    this.scroller = new Scroller(store, {
      rows: () => model.get("rows"), columns: () => model.get("columns"),
      size: () => model.get("size"), height: () => model.get("height"),
      seen: (cells) => store.see(this.name, cells, this.scroller.size * devicePixelRatio),
    });
    this.scroller.current = model.get("_current");
    this.scroller.selected = new Set(model.get("_selected"));
    this.bar = new Bar(store, {
      play: () => this.play(!this.playing), size: (size) => this.setSize(size), help: () => this.help(),
    });
    this.large = new Large(store, {
      step: (by) => this.step(by), close: () => this.closeLarge(),
      rate: (marks) => this.rate([this.large.cell], marks), label: (cell) => this.placeOf(cell),
    });
    this.live = element("div", "bcm-hidden");
    this.live.setAttribute("aria-live", "polite");
    this.toast = element("div", "bcm-toast");
    this.toast.setAttribute("role", "alert");
    this.toast.hidden = true;
    this.helpBox = helpBox(() => this.help());
    this.hover = hoverBar(store, () => this.hovered, (cells, marks) => this.rate(cells, marks));
    const hiding = element("style", "", hideStatic(model.get("_sheet")));
    const body = element("div", "bcm-body");
    body.append(this.scroller.node, this.large.node, this.helpBox, this.toast);
    this.root.append(hiding, this.bar.node, body, this.live);
    this.host = host;
    host.append(this.root);
    this.clock = new Clock((f) => requestAnimationFrame(f), (h) => cancelAnimationFrame(h));
    this.clock.painters.add((seconds) => {
      if (this.large.open) this.large.paint(seconds);
      else this.scroller.paint(seconds);
    });
    this.listen();
    this.watch();
    this.theme();
    this.relayout();
    this.clock.play(this.playing);
  }

  // --- what comes from elsewhere --------------------------------------------------------------

  listen() {
    const { store, model, ending: { signal } } = this;
    const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ act) =>
      store.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail), { signal });
    on("cells", () => {
      if (this.large.cell >= store.total) this.closeLarge();
      this.relayout();
    });
    on("cell", (cell) => {
      this.scroller.tiles.get(cell)?.refresh();
      if (cell === this.large.cell) this.large.refresh();
      this.clock.wake();
    });
    on("run", () => this.onRun());
    on("problem", (text) => this.complain(text));
    on("detail", (detail) => this.large.describe(detail));
    on("mp4", (mp4) => this.large.play(mp4));
    /** @type {[string, () => void][]} */
    const traits = [
      ["rows", () => this.relayout()], ["columns", () => this.relayout()],
      ["size", () => this.relayout()], ["height", () => this.relayout()],
      ["playing", () => this.play(Boolean(model.get("playing")), false)],
      ["_current", () => this.goTo(model.get("_current"), false)],
      ["_selected", () => {
        this.scroller.selected = new Set(model.get("_selected"));
        this.scroller.markAll();
      }],
    ];
    for (const [name, act] of traits) {
      model.on(`change:${name}`, act);
      signal.addEventListener("abort", () => model.off(`change:${name}`, act));
    }
    // Before the document, where Jupyter listens.
    window.addEventListener("keydown", (event) => guard(event, this.root), { capture: true, signal });
    document.addEventListener("visibilitychange", () => store.askSoon(), { signal });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    const cells = this.scroller.node;
    cells.addEventListener("pointermove", (event) => this.onPoint(event));
    cells.addEventListener("pointerleave", () => this.unhover());
    cells.addEventListener("pointerdown", () => cells.focus({ preventScroll: true }));
    cells.addEventListener("click", (event) => this.onClick(event));
    cells.addEventListener("focus", () => {
      if (this.scroller.current < 0 && store.total && cells.matches(":focus-visible")) this.goTo(0);
    });
  }

  /** Follow the page: size, theme, and whether anybody can see it. */
  watch() {
    const sizes = new ResizeObserver(() => {
      // Lab puts the host on its page after this was made: only then is its ground known.
      this.theme();
      const wide = this.root.clientWidth;
      if (wide && wide !== this.wide) this.relayout();
      this.wide = wide;
      this.scroller.fill();
    });
    sizes.observe(this.root);
    const sight = new IntersectionObserver((entries) => {
      const seen = entries[entries.length - 1].isIntersecting;
      this.scroller.asleep = !seen;
      this.clock.sleep(!seen);
      // Lab takes outputs off the page and puts them back: a canvas may come back empty.
      for (const tile of this.scroller.tiles.values()) tile.forget();
      if (seen && !this.scroller.tiles.size) this.relayout();
      this.scroller.see();
    });
    sight.observe(this.root);
    const themes = new MutationObserver(() => this.theme());
    themes.observe(document.body, { attributes: true });
    themes.observe(document.documentElement, { attributes: true });
    this.ending.signal.addEventListener("abort", () => {
      for (const observer of [sizes, sight, themes]) observer.disconnect();
    });
  }

  theme() {
    const { color, dark } = ground(this.host);
    this.root.style.setProperty("--bcm-paper", color);
    this.root.classList.toggle("bcm-dark", dark);
  }

  relayout() {
    this.bar.refresh();
    this.scroller.layout();
    this.scroller.markAll();
    this.bar.show(this.playing, this.scroller.size);
    this.clock.wake();
  }

  onRun() {
    this.bar.refresh();
    const status = this.store.run?.status ?? "";
    if (status !== this.status && this.status) this.say(this.bar.count.textContent ?? "");
    this.status = status;
  }

  // --- hands ----------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (notebooks(event)) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const slider = target instanceof HTMLInputElement;
    const pressed = target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
    const command = slider || pressed ? null : commandFor(event, this.large.open ? "large" : "grid");
    // Tab leaves the grid; all other keys end here, or the notebook would act on them.
    if (event.key !== "Tab") event.stopPropagation();
    if (!command && !(slider && event.key === "Escape")) return;
    event.preventDefault();
    this.obey(command ?? { name: "close" });
  }

  /** @param {Command} command */
  obey(command) {
    const at = this.large.open ? this.large.cell : this.scroller.current;
    const { by = 0, down = 0 } = command;
    /** @type {Record<string, () => void>} */
    const acts = {
      move: () => this.move(down, by, Boolean(command.extend)),
      page: () => this.move(down * this.page(), 0, false),
      edge: () => this.move(0, by * 1e6, false),
      step: () => this.step(by),
      open: () => this.openLarge(at < 0 ? 0 : at),
      close: () => this.back(),
      play: () => (this.large.open ? this.large.toggle() : this.play(!this.playing)),
      help: () => this.help(),
      size: () => this.setSize(this.scroller.size + 16 * by),
      select: () => this.select(at),
      stars: () => this.rate(this.chosen(at), { stars: command.stars ?? 0 }),
      reject: () => this.rate(this.chosen(at), { rejected: !this.store.items.get(at)?.rejected }),
    };
    acts[command.name]();
  }

  /** Marks go to all selected cells when the current one is among them. @param {number} at */
  chosen(at) {
    if (at < 0) return [];
    return !this.large.open && this.scroller.selected.has(at) ? [...this.scroller.selected] : [at];
  }

  page() {
    const { clientHeight } = this.scroller.node;
    const { height, gap, headHeight } = this.scroller.geometry;
    return Math.max(1, Math.floor((clientHeight - headHeight) / (height + gap)));
  }

  /** @param {number} down @param {number} by @param {boolean} extend */
  move(down, by, extend) {
    const { table, current, selected } = this.scroller;
    const cell = table.place(current) ? neighbour(table, current, down, by) : 0;
    if (extend) this.selectThese([...selected, current, cell]);
    this.goTo(cell);
  }

  /** @param {number} cell @param {boolean} tell whether Python is told */
  goTo(cell, tell = true) {
    this.scroller.current = cell;
    if (cell >= 0) this.scroller.reveal(cell);
    this.scroller.markAll();
    this.clock.wake();
    if (tell) this.save("_current", cell);
  }

  /** @param {PointerEvent} event */
  onPoint(event) {
    const node = /** @type {HTMLElement} */ (event.target).closest?.(".bcm-cell");
    const cell = node ? Number(/** @type {HTMLElement} */ (node).dataset.cell) : -1;
    if (cell !== this.hovered) this.unhover();
    const tile = this.scroller.tiles.get(cell);
    if (!tile) return;
    if (this.hovered !== cell) this.showHover(tile);
    this.hovered = cell;
    const box = tile.face.getBoundingClientRect();
    tile.scrubTo(Math.max(0, Math.min(0.9999, (event.clientX - box.left) / box.width)));
    this.clock.wake();
  }

  unhover() {
    this.scroller.tiles.get(this.hovered)?.scrubTo(null);
    this.hovered = -1;
    this.hover.bar.remove();
    this.clock.wake();
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const node = /** @type {HTMLElement} */ (event.target).closest(".bcm-cell");
    if (!node) return;
    const cell = Number(/** @type {HTMLElement} */ (node).dataset.cell);
    const last = this.scroller.current;
    this.goTo(cell);
    if (event.shiftKey && last >= 0) {
      this.selectThese([...this.scroller.selected, ...rectangle(this.scroller.table, last, cell)]);
    } else if (event.ctrlKey || event.metaKey) this.select(cell);
    else this.openLarge(cell);
  }

  /** @param {number} cell */
  select(cell) {
    if (cell < 0) return;
    const now = new Set(this.scroller.selected);
    if (!now.delete(cell)) now.add(cell);
    this.selectThese([...now]);
  }

  /** @param {number[]} cells */
  selectThese(cells) {
    const now = [...new Set(cells)].sort((a, b) => a - b);
    this.scroller.selected = new Set(now);
    this.scroller.markAll();
    this.save("_selected", now);
    this.say(`${now.length} selected`);
  }

  /** @param {number[]} cells @param {{stars?: number, rejected?: boolean}} marks */
  rate(cells, marks) {
    this.store.rate(cells, marks);
    if (!cells.length) return;
    const words = marks.stars === undefined ? (marks.rejected ? "rejected" : "not rejected")
      : `${marks.stars} ${marks.stars === 1 ? "star" : "stars"}`;
    this.say(cells.length > 1 ? `${cells.length} clips: ${words}` : words);
    if (this.hovered >= 0) this.hover.refresh(this.hovered);
  }

  /** @param {boolean} playing @param {boolean} tell whether Python is told */
  play(playing, tell = true) {
    this.playing = playing;
    this.clock.play(playing);
    this.bar.show(playing, this.scroller.size);
    if (tell) this.save("playing", playing);
  }

  /** @param {number} size */
  setSize(size) {
    this.save("size", Math.max(48, Math.min(320, Math.round(size))));
  }

  // --- boxes over the cells -------------------------------------------------------------------

  /** @param {number} cell */
  openLarge(cell) {
    if (cell < 0 || cell >= this.store.total) return;
    this.unhover();
    this.root.classList.add("bcm-opened");
    this.goTo(cell);
    this.large.show(cell);
    this.root.scrollIntoView({ block: "nearest" });
    this.clock.wake();
  }

  closeLarge() {
    this.large.hide();
    this.root.classList.remove("bcm-opened");
    this.scroller.reveal(this.scroller.current);
    this.scroller.node.focus({ preventScroll: true });
    this.clock.wake();
  }

  /** @param {number} by to the next or previous clip, as one reads */
  step(by) {
    const cell = following(this.scroller.table, this.large.cell, by);
    if (cell < 0) return;
    this.goTo(cell);
    this.large.show(cell);
  }

  /** Esc: close what is open, then deselect, then leave. */
  back() {
    if (!this.helpBox.hidden) this.help();
    else if (this.large.open) this.closeLarge();
    else if (this.scroller.selected.size) this.selectThese([]);
    else {
      const outside = /** @type {HTMLElement | null} */ (this.root.parentElement?.closest("[tabindex]"));
      /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
      outside?.focus({ preventScroll: true });
    }
  }

  help() {
    this.helpBox.hidden = !this.helpBox.hidden;
  }

  /** @param {import("./tile.js").Tile} tile */
  showHover(tile) {
    this.hover.refresh(tile.cell);
    tile.face.append(this.hover.bar);
  }

  /** @param {number} cell */
  placeOf(cell) {
    return this.scroller.labelOf(cell) || `${cell + 1} of ${this.store.total}`;
  }

  /** @param {string} text */
  complain(text) {
    this.toast.textContent = text;
    this.toast.hidden = false;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.toast.hidden = true; }, 8000);
  }

  /** @param {string} text for screen readers */
  say(text) {
    this.live.textContent = text;
  }

  /** @param {string} name @param {unknown} value */
  save(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  close() {
    this.ending.abort();
    clearTimeout(this.quiet);
    this.clock.stop();
    this.large.hide();
    this.store.leave(this.name);
    this.root.remove();
  }
}

/** The static sheet beside the grid is hidden while the grid is there. @param {string} name */
function hideStatic(name) {
  if (!/^[\w-]+$/.test(name)) return "";
  return `.${name}{display:none}\n.jp-OutputArea-child:has(.${name}){display:none}`;
}
