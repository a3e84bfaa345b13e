// One clock for all clips of a grid, so that they play in step.

/**
 * @typedef {(seconds: number) => void} Painter
 */

export class Clock {
  #request;
  #cancel;
  playing = false;
  #asleep = false;
  seconds = 0;
  /** Seconds of the clips in a second of the page. */
  speed = 1;
  /** @type {number | null} */
  #last = null;
  /** @type {number | null} */
  #handle = null;
  /** @type {Set<Painter>} */
  painters = new Set();

  /**
   * @param {(callback: (now: number) => void) => number} [request]
   * @param {(handle: number) => void} [cancel]
   */
  constructor(request = (f) => requestAnimationFrame(f), cancel = (h) => cancelAnimationFrame(h)) {
    this.#request = request;
    this.#cancel = cancel;
    this.tick = this.tick.bind(this);
  }

  /** @param {boolean} playing */
  play(playing) {
    this.playing = playing;
    this.wake();
  }

  /** Nothing is seen: stand still until it is. @param {boolean} asleep */
  sleep(asleep) {
    this.#asleep = asleep;
    if (!asleep) this.wake();
  }

  /** Paint in the next frame, playing or not. */
  wake() {
    if (this.#handle === null && !this.#asleep) this.#handle = this.#request(this.tick);
  }

  /** @param {number} now milliseconds */
  tick(now) {
    this.#handle = null;
    // A page that comes back from the background goes on where it was.
    const passed = this.#last === null ? 0 : Math.min(0.25, (now - this.#last) / 1000);
    this.#last = this.playing ? now : null;
    if (this.playing) this.seconds += passed * this.speed;
    for (const paint of this.painters) paint(this.seconds);
    if (this.playing && !this.#asleep) this.wake();
    else this.#last = null;
  }

  /** @param {number} by frames, back or on @param {number} fps */
  step(by, fps) {
    // To the middle of a frame: its edge may fall on either side.
    this.seek((Math.floor(this.seconds * fps + 1e-6) + by + 0.5) / fps);
  }

  /** @param {number} seconds paint another moment */
  seek(seconds) {
    this.seconds = seconds;
    this.wake();
  }

  stop() {
    if (this.#handle !== null) this.#cancel(this.#handle);
    this.#handle = null;
    this.painters.clear();
    this.#asleep = true;
  }
}

/**
 * Which frame of a sheet is shown.
 * @param {{frames: number, count: number, fps: number}} sheet frames in the sheet; frames and
 *   frames a second of the clip
 * @param {number} seconds the clock
 * @param {number | null} scrub 0 to 1 across the cell while it is scrubbed
 */
export function frameAt(sheet, seconds, scrub) {
  const length = Math.max(1, sheet.count) / (sheet.fps || 8);
  const share = scrub ?? (((seconds % length) + length) % length) / length;
  return Math.max(0, Math.min(sheet.frames - 1, Math.floor(share * sheet.frames)));
}
