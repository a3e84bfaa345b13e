// One clip large, or the selected ones side by side, beside a grid whose cursor it follows.

import { helpBox } from "./boxes.js";
import { Clock } from "./clock.js";
import { div, element, on } from "./dom.js";
import { commandFor, notebooks } from "./keys.js";
import { Large, MOST } from "./large.js";
import { leave } from "./page.js";
import { Player } from "./player.js";
import { Surface } from "./surface.js";
import { placeOf } from "./text.js";

/** @typedef {import("./store.js").Store} Store */

export class Viewer extends Surface {
  #clock = new Clock();
  #playing;
  #large;
  #player;
  #helpBox;
  #nothing;

  /**
   * @param {Store} store
   * @param {any} model
   * @param {HTMLElement} host
   */
  constructor(store, model, host) {
    super(store, model, host);
    this.#playing = !this.calm;
    this.#large = new Large(store, {
      step: (by) => this.#step(by), close: () => this.#leave(), wake: () => this.#clock.wake(),
      rate: (cells, marking) => this.rate(cells, marking), say: (text) => this.say(text),
      label: (cell) => this.#labelOf(cell),
    });
    this.#player = new Player({
      play: () => this.#play(!this.#playing), root: () => this.root,
      scrub: (share) => {
        this.#play(false);
        this.#clock.seek(share * (this.#large.length || 1) * 0.9999);
      },
      speed: (speed) => {
        this.#clock.speed = speed;
        this.#player.show(this.#playing, speed);
      },
    });
    this.#helpBox = helpBox(store, () => { this.#helpBox.hidden = true; });
    this.#nothing = element("p", "bcm-nothing", "Point a grid of these clips at one, or select some there.");
    const bar = div("bcm-bar", this.#player.node);
    const body = div("bcm-body bcm-viewer", this.#large.node, this.#nothing, this.#helpBox, this.toast);
    this.root.append(bar, body, this.live);
    this.#clock.painters.add((seconds) => {
      this.#large.paint(seconds, this.#playing, this.#clock.speed);
      this.#player.moved(seconds, this.#large.length || 1);
    });
    this.hear({
      cells: () => this.relayout(),
      cell: (cell) => {
        this.#large.refresh(cell);
        this.#clock.wake();
      },
      detail: (detail) => this.#large.describe(detail), mp4: (mp4) => this.#large.play(mp4),
      problem: (text) => this.complain(text),
    });
    const again = () => this.relayoutSoon();
    this.heed({ _current: again, _selected: again, height: again });
    this.watch(() => {}, (seen) => {
      this.#clock.sleep(!seen);
      this.see(seen);
    });
    on(this.root, "keydown", (event) => this.#onKey(event));
    this.relayout();
    this.#play(this.#playing);
  }

  /** What is shown: two selected clips and more, else the one under the cursor. */
  #cells() {
    const { store, model } = this;
    const selected = model.get("_selected").filter((/** @type {number} */ cell) => cell < store.total);
    if (selected.length > 1) return selected.slice(0, MOST);
    const current = model.get("_current");
    if (current >= 0 && current < store.total) return [current];
    return selected.length ? selected : store.total ? [0] : [];
  }

  relayout() {
    if (!this.store.ready) return;
    this.root.style.setProperty("--bcm-tall", `${this.model.get("height")}px`);
    const cells = this.#cells();
    const held = this.#large.node.contains(document.activeElement);
    this.#nothing.hidden = cells.length > 0;
    if (String(cells) !== String(this.#large.cells)) {
      if (cells.length) this.#large.show(cells, held);
      else this.#large.hide();
    }
    this.see(true);
    this.#clock.wake();
  }

  /** @param {boolean} seen */
  see(seen) {
    this.store.see(this.name, seen ? this.#large.cells : [], 160 * devicePixelRatio);
  }

  /** @param {number} by */
  #step(by) {
    const { total } = this.store;
    if (total) this.save("_current", (Math.max(0, this.#large.cell) + by + total) % total);
    this.relayout();
  }

  /** @param {number} cell */
  #labelOf(cell) {
    return placeOf(this.store, cell, true) || `${cell + 1} of ${this.store.total}`;
  }

  /** @param {boolean} playing */
  #play(playing) {
    this.#playing = playing;
    this.#clock.play(playing);
    this.#player.show(playing, this.#clock.speed);
  }

  /** @param {number} by */
  #frame(by) {
    if (this.#playing) this.#play(false);
    const { fps } = this.#large;
    this.#clock.step(by, fps);
  }

  #leave() {
    if (!this.#helpBox.hidden) {
      this.#helpBox.hidden = true;
      return;
    }
    leave(this.root);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (notebooks(event)) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const pressed = target instanceof HTMLButtonElement && [" ", "Enter"].includes(event.key);
    const command = target instanceof HTMLInputElement || pressed ? null : commandFor(event, "large");
    if (event.key !== "Tab") event.stopPropagation();
    if (!command) return;
    event.preventDefault();
    const { cell } = this.#large;
    const { by = 0 } = command;
    /** @type {Record<string, () => void>} */
    const acts = {
      step: () => this.#large.step(by), frame: () => this.#frame(by), play: () => this.#play(!this.#playing),
      stars: () => this.rate([cell], { stars: command.stars ?? 0 }),
      reject: () => this.rate([cell], { rejected: !this.store.mark(cell).rejected }),
      copy: () => this.#large.copy(command.what ?? "code"), flicker: () => this.#large.toggleFlicker(),
      full: () => this.root.requestFullscreen?.(), close: () => this.#leave(),
      help: () => { this.#helpBox.hidden = !this.#helpBox.hidden; },
    };
    acts[command.name]?.();
  }

  close() {
    this.#clock.stop();
    this.#large.hide();
    super.close();
  }
}
