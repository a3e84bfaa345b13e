// What plays all clips at once: play, place, speed.

import { attributes, button, div, dress, element, on } from "./dom.js";
import { PAUSE, PLAY } from "./icons.js";
import { openMenu } from "./menu.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Player {
  #shown = 1;
  #playing;
  #speed;
  #place;

  /**
   * @param {{play: () => void, scrub: (share: number) => void, speed: (speed: number) => void,
   *   root: () => HTMLElement}} acts
   */
  constructor(acts) {
    this.node = div("bcm-group bcm-right");
    this.#playing = button(PAUSE, "stop all clips", acts.play);
    this.#place = /** @type {HTMLInputElement} */ (element("input", "bcm-range bcm-scrub"));
    Object.assign(this.#place, { type: "range", min: "0", max: "1", step: "0.001", value: "0" });
    attributes(this.#place, { "aria-label": "place in all clips" });
    this.#place.title = "place in all clips";
    on(this.#place, "input", () => acts.scrub(Number(this.#place.value)));
    this.#speed = button("", "speed", () => openMenu(this.#speed, SPEEDS.map((speed) => ({
      label: `${speed}×`, on: speed === this.#shown, act: () => acts.speed(speed),
    })), acts.root()), "1×");
    attributes(this.#speed, { "aria-haspopup": "menu" });
    for (const one of [this.#playing, this.#speed]) one.classList.add("bcm-quiet");
    this.node.append(this.#playing, this.#place, this.#speed);
  }

  /** @param {number} seconds the clock @param {number} length of the longest clip, in seconds */
  moved(seconds, length) {
    const share = (((seconds % length) + length) % length) / length;
    if (!this.#place.matches(":active")) this.#place.value = String(share);
  }

  /** @param {boolean} playing @param {number} speed */
  show(playing, speed) {
    this.#shown = speed;
    dress(this.#speed, "", `speed, ${speed}×`, `${speed}×`);
    dress(this.#playing, playing ? PAUSE : PLAY, playing ? "stop all clips (space)" : "play all clips (space)");
  }
}
