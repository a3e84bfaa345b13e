// One clock for all clips of a surface, so that they play in sync.

/**
 * @typedef {(seconds: number) => void} Painter
 */

export class Clock {
  #request;
  #cancel;
  playing = false;
  #asleep = false;
  seconds = 0;
  /** Playback speed: clip seconds per wall-clock second. */
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

  /** Start or pause. @param {boolean} playing */
  play(playing) {
    this.playing = playing;
    this.wake();
  }

  /** Pause while nothing is visible. @param {boolean} asleep */
  sleep(asleep) {
    this.#asleep = asleep;
    if (!asleep) this.wake();
  }

  /** Request one paint, whether playing or not. */
  wake() {
    if (this.#handle === null && !this.#asleep) this.#handle = this.#request(this.tick);
  }

  /** Paint one frame. @param {number} now milliseconds */
  tick(now) {
    this.#handle = null;
    // A page that returns from the background resumes where it was.
    const elapsed = this.#last === null ? 0 : Math.min(0.25, (now - this.#last) / 1000);
    this.#last = this.playing ? now : null;
    if (this.playing) this.seconds += elapsed * this.speed;
    for (const paint of this.painters) paint(this.seconds);
    if (this.playing && !this.#asleep) this.wake();
    else this.#last = null;
  }

  /** Move by frames. @param {number} by negative for backwards @param {number} fps */
  step(by, fps) {
    // To the middle of a frame: an edge may round to either side.
    this.seek((Math.floor(this.seconds * fps + 1e-6) + by + 0.5) / fps);
  }

  /** Move to a time. @param {number} seconds */
  seek(seconds) {
    this.seconds = seconds;
    this.wake();
  }

  /** Stop for good. */
  stop() {
    if (this.#handle !== null) this.#cancel(this.#handle);
    this.#handle = null;
    this.painters.clear();
    this.#asleep = true;
  }
}

/**
 * Return the index of the frame of a sheet to paint.
 * @param {{frames: number, count: number, fps: number}} sheet frames: in the sheet;
 *   count and fps: of the clip itself
 * @param {number} seconds the clock
 * @param {number | null} scrub 0 to 1 across the cell while the pointer scrubs it, else null
 */
export function frameAt(sheet, seconds, scrub) {
  const length = Math.max(1, sheet.count) / (sheet.fps || 8);
  const share = scrub ?? (((seconds % length) + length) % length) / length;
  return Math.max(0, Math.min(sheet.frames - 1, Math.floor(share * sheet.frames)));
}
