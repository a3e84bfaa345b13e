// Controls that play all clips at once: play or pause, position, speed.

import { attributes, button, div, setButton, element, on } from "./dom.js";
import { PAUSE, PLAY } from "./icons.js";
import { openMenu } from "./menu.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

/** Play button, position slider and speed menu. */
export class Player {
  #currentSpeed = 1;
  #playButton;
  #speedButton;
  #position;

  /**
   * @param {{play: () => void, scrub: (share: number) => void, speed: (speed: number) => void,
   *   root: () => HTMLElement}} actions
   */
  constructor(actions) {
    this.node = div("bcm-group bcm-player");
    this.#playButton = button(PAUSE, "pause all clips", actions.play, "Pause all");
    this.#position = /** @type {HTMLInputElement} */ (element("input", "bcm-range bcm-scrub"));
    Object.assign(this.#position, { type: "range", min: "0", max: "1", step: "0.001", value: "0" });
    attributes(this.#position, { "aria-label": "position in all clips" });
    this.#position.title = "position in all clips";
    on(this.#position, "input", () => actions.scrub(Number(this.#position.value)));
    this.#speedButton = button("", "speed", () => openMenu(this.#speedButton, SPEEDS.map((speed) => ({
      label: `${speed}×`, checked: speed === this.#currentSpeed, action: () => actions.speed(speed),
    })), actions.root()), "1×");
    attributes(this.#speedButton, { "aria-haspopup": "menu" });
    for (const node of [this.#playButton, this.#speedButton]) node.classList.add("bcm-flat");
    const time = element("label", "bcm-named", "time");
    time.append(this.#position);
    this.node.append(this.#playButton, time, this.#speedButton);
  }

  /** Show the time of the clock. @param {number} seconds @param {number} length of the longest clip, in seconds */
  showTime(seconds, length) {
    const share = (((seconds % length) + length) % length) / length;
    if (!this.#position.matches(":active")) this.#position.value = String(share);
  }

  /** Show the state of playback. @param {boolean} playing @param {number} speed */
  show(playing, speed) {
    this.#currentSpeed = speed;
    setButton(this.#speedButton, "", `speed, ${speed}×`, `${speed}×`);
    setButton(this.#playButton, playing ? PAUSE : PLAY, playing ? "pause all clips (space)" : "play all clips (space)", playing ? "Pause all" : "Play all");
  }
}
