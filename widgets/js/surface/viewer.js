// A surface that shows one clip large, or the selected ones side by side, following the cursor of a grid.

import { div, element } from "../core/dom.js";
import { Player } from "../core/player.js";
import { MAX_CLIPS } from "./lightbox.js";
import { ClipSurface } from "./clip_surface.js";

/** @typedef {import("../data/store.js").Store} Store */

/** The viewer: a large view that is always open. */
export class Viewer extends ClipSurface {
  #player;
  #placeholder;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    this.#player = new Player({
      play: () => this.play(!this.playing), root: () => this.root,
      scrub: (share) => {
        this.play(false);
        this.clock.seek(share * (this.lightbox.length || 1) * 0.9999);
      },
      speed: (speed) => {
        this.clock.speed = speed;
        this.#player.show(this.playing, speed);
      },
    });
    this.#placeholder = element("p", "bcm-empty", "Click a clip in a grid of these clips, or select several there.");
    const bar = div("bcm-toolbar", this.#player.node);
    const body = div("bcm-body bcm-viewer",
      this.lightbox.node, this.#placeholder, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(bar, body, this.liveRegion);
    this.clock.painters.add((seconds) => {
      this.lightbox.paint(seconds, this.playing, this.clock.speed);
      this.#player.showTime(seconds, this.lightbox.length || 1);
    });
    const relayout = () => this.scheduleLayout();
    this.listen({ cells: () => this.#onCells(), annotations: relayout, columns: relayout });
    this.listenToTraits({
      _current: relayout, _selected: relayout, height: relayout, filter: relayout, sort: relayout,
    });
    this.observe(() => {}, (visible) => this.#reportVisible(visible));
    this.relayout();
    this.play(!this.reducedMotion);
  }

  /** The same indices may now be other clips: close the large view, so that details are requested again. */
  #onCells() {
    this.lightbox.hide();
    this.relayout();
  }

  /** Return the cells to show: two or more selected ones, else the current one. */
  #cells() {
    const { store, model } = this;
    const selected = model.get("_selected").filter((/** @type {number} */ cell) => cell < store.total);
    if (selected.length > 1) return selected.slice(0, MAX_CLIPS);
    const current = model.get("_current");
    if (current >= 0 && current < store.total) return [current];
    return selected.length ? selected : store.total ? [0] : [];
  }

  relayout() {
    if (!this.store.ready) return;
    const { store, model } = this;
    this.root.style.setProperty("--bcm-viewerheight", `${model.get("height")}px`);
    this.shown = this.matchingCells();
    const cells = this.#cells();
    const hasFocus = this.lightbox.node.contains(document.activeElement);
    this.#placeholder.hidden = cells.length > 0;
    if (String(cells) !== String(this.lightbox.cells)) {
      if (cells.length) this.lightbox.show(cells, hasFocus);
      else this.lightbox.hide();
    }
    this.#reportVisible(true);
    this.clock.wake();
  }

  /** Report to the store which cells are visible. @param {boolean} visible */
  #reportVisible(visible) {
    this.store.setVisible(this.name, visible ? this.lightbox.cells : [], 160 * devicePixelRatio);
  }

  /** @param {number} cell @param {boolean} [save] */
  goTo(cell, save = true) {
    super.goTo(cell, save);
    this.relayout();
  }

  /** @param {boolean} playing */
  play(playing) {
    super.play(playing);
    this.#player.show(playing, this.clock.speed);
  }

  /** Do nothing: its large view is always open. */
  closeLarge() {}
}
