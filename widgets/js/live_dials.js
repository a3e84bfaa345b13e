// The live view's dials: sliders, texts and seeds, each with a label and a figure.

import { button, element } from "./dom.js";

/** @typedef {{name: string, least: number, most: number, step: number, usual: number}} Slider */

const DICE = "M3.5 1.5h9a2 2 0 012 2v9a2 2 0 01-2 2h-9a2 2 0 01-2-2v-9a2 2 0 012-2zm0 1.4a.6.6 0 00-.6.6v9c0 .3.3.6.6.6h9c.3 0 .6-.3.6-.6v-9a.6.6 0 00-.6-.6zM5.3 4.2a1.1 1.1 0 110 2.2 1.1 1.1 0 010-2.2zm5.4 0a1.1 1.1 0 110 2.2 1.1 1.1 0 010-2.2zM8 6.9a1.1 1.1 0 110 2.2 1.1 1.1 0 010-2.2zM5.3 9.6a1.1 1.1 0 110 2.2 1.1 1.1 0 010-2.2zm5.4 0a1.1 1.1 0 110 2.2 1.1 1.1 0 010-2.2z";
let made = 0;

/** A seed that nobody has chosen. */
export function roll() {
  return String(Math.floor(Math.random() * 1_000_000));
}

/**
 * Where a share is between two things, in words.
 * @param {number} share
 */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/**
 * A number with as many digits as its slider's step has.
 * @param {number} value
 * @param {number} step
 */
export function figure(value, step) {
  const digits = Math.max(0, Math.min(4, Math.ceil(-Math.log10(step) - 1e-9)));
  return value.toFixed(digits);
}

/**
 * A slider in a row of its own. A double click puts it back where it is by itself.
 * @param {{label: string, least: number, most: number, step: number, usual: number,
 *   words?: (value: number) => string, say?: (value: number) => string}} options
 * @param {() => void} turned
 */
export function sliderRow({ label, least, most, step, usual, words, say }, turned) {
  const row = element("div", "bcm-dial");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-dialname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-slide"));
  const shown = element("output", "bcm-reading");
  Object.assign(input, { type: "range", min: String(least), max: String(most), step: String(step) });
  input.id = name.htmlFor = `bcm-dial-${++made}`;
  const text = words ?? ((/** @type {number} */ value) => figure(value, step));
  const refresh = () => {
    const value = Number(input.value);
    shown.textContent = text(value);
    input.setAttribute("aria-valuetext", (say ?? text)(value));
  };
  const set = (/** @type {number} */ value) => {
    input.value = String(value);
    refresh();
  };
  input.addEventListener("input", () => {
    refresh();
    turned();
  });
  input.addEventListener("dblclick", () => {
    set(usual);
    turned();
  });
  set(usual);
  row.append(name, input, shown);
  return { row, name, input, set, value: () => Number(input.value) };
}

/**
 * A prompt.
 * @param {string} label
 * @param {string} hint
 * @param {(soon: boolean) => void} turned true while somebody types
 */
export function promptBox(label, hint, turned) {
  const box = element("label", "bcm-text");
  const area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-words"));
  Object.assign(area, { rows: 2, placeholder: hint, spellcheck: false, dir: "auto", maxLength: 4000 });
  box.append(element("span", "bcm-dialname", label), area);
  area.addEventListener("input", () => turned(true));
  area.addEventListener("change", () => turned(false));
  return { box, area };
}

/**
 * A seed with dice.
 * @param {string} label
 * @param {() => void} turned
 */
export function seedBox(label, turned) {
  const box = element("div", "bcm-seed");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-dialname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-digits"));
  Object.assign(input, { type: "text", inputMode: "numeric", pattern: "[0-9]*", autocomplete: "off" });
  input.id = name.htmlFor = `bcm-dial-${++made}`;
  input.addEventListener("input", () => {
    const right = /^\d{1,19}$/.test(input.value) && BigInt(input.value) < 2n ** 63n;
    input.setAttribute("aria-invalid", String(!right));
    if (right) turned();
  });
  const rolled = () => {
    input.value = roll();
    input.setAttribute("aria-invalid", "false");
    turned();
  };
  const dice = button("play", `roll ${label.toLowerCase()}`, rolled);
  dice.querySelector("path")?.setAttribute("d", DICE);
  dice.classList.add("bcm-quiet");
  box.append(name, input, dice);
  return { box, input, roll: rolled };
}
