// One clip large, or the selected ones side by side, beside a grid whose cursor it follows.

import { filterAndSort } from "../data/filtering.js";
import { div, element } from "../core/dom.js";
import { MAX_CLIPS } from "./lightbox.js";
import { Overlay } from "./overlay.js";
import { leave } from "../core/host.js";
import { Player } from "../core/player.js";

/** @typedef {import("../data/store.js").Store} Store */

export class Viewer extends Overlay {
  #player;
  #nothing;

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
    this.#nothing = element("p", "bcm-nothing", "Point a grid of these clips at one, or select some there.");
    const bar = div("bcm-bar", this.#player.node);
    const body = div("bcm-body bcm-viewer", this.lightbox.node, this.#nothing, this.helpBox, this.tagBox.node, this.toast);
    this.root.append(bar, body, this.live);
    this.clock.painters.add((seconds) => {
      this.lightbox.paint(seconds, this.playing, this.clock.speed);
      this.#player.moved(seconds, this.lightbox.length || 1);
    });
    const again = () => this.scheduleLayout();
    this.hear({ cells: () => this.#anew(), marks: again, columns: again });
    this.heed({ _current: again, _selected: again, height: again, filter: again, sort: again });
    this.watch(() => {}, (seen) => {
      this.clock.sleep(!seen);
      this.see(seen);
    });
    this.relayout();
    this.play(!this.reducedMotion);
  }

  /** Other cells may be other clips: what is told of them is asked for again. */
  #anew() {
    this.lightbox.hide();
    this.relayout();
  }

  /** What is shown: two selected clips and more, else the one under the cursor. */
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
    this.root.style.setProperty("--bcm-tall", `${model.get("height")}px`);
    this.choice = filterAndSort(store, { filter: model.get("filter"), sort: model.get("sort"), fixed: {} }).cells;
    const cells = this.#cells();
    const held = this.lightbox.node.contains(document.activeElement);
    this.#nothing.hidden = cells.length > 0;
    if (String(cells) !== String(this.lightbox.cells)) {
      if (cells.length) this.lightbox.show(cells, held);
      else this.lightbox.hide();
    }
    this.see(true);
    this.clock.wake();
  }

  /** @param {boolean} seen */
  see(seen) {
    this.store.setVisible(this.name, seen ? this.lightbox.cells : [], 160 * devicePixelRatio);
  }

  /** @param {number} cell @param {boolean} [tell] */
  goTo(cell, tell = true) {
    super.goTo(cell, tell);
    this.relayout();
  }

  /** @param {boolean} playing */
  play(playing) {
    super.play(playing);
    this.#player.show(playing, this.clock.speed);
  }

  /** It is always open: Esc leaves it. */
  closeLarge() {
    leave(this.root);
  }
}
