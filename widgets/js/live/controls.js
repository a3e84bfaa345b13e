// The live view's dials: sliders, texts and seeds, each with a label and a figure.

import { attributes, button, div, element, on } from "../core/dom.js";
import { DICE } from "../core/icons.js";

/** @typedef {{name: string, least: number, most: number, step: number, usual: number}} Slider */

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
  const row = div("bcm-dial");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-dialname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-slide"));
  const shown = element("output", "bcm-reading");
  Object.assign(input, { type: "range", min: String(least), max: String(most), step: String(step) });
  input.id = name.htmlFor = `bcm-dial-${++made}`;
  const text = words ?? ((/** @type {number} */ value) => figure(value, step));
  const refresh = () => {
    const value = Number(input.value);
    shown.textContent = text(value);
    attributes(input, { "aria-valuetext": (say ?? text)(value) });
  };
  const set = (/** @type {number} */ value) => {
    input.value = String(value);
    refresh();
  };
  on(input, "input", () => {
    refresh();
    turned();
  });
  on(input, "dblclick", () => {
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
  const area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-input bcm-words"));
  Object.assign(area, { rows: 2, placeholder: hint, spellcheck: false, dir: "auto", maxLength: 4000 });
  box.append(element("span", "bcm-dialname", label), area);
  on(area, "input", () => turned(true));
  on(area, "change", () => turned(false));
  return { box, area };
}

/**
 * A seed with dice.
 * @param {string} label
 * @param {() => void} turned
 */
export function seedBox(label, turned) {
  const box = div("bcm-seed");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-dialname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-digits"));
  Object.assign(input, { type: "text", inputMode: "numeric", pattern: "[0-9]*", autocomplete: "off" });
  input.id = name.htmlFor = `bcm-dial-${++made}`;
  on(input, "input", () => {
    const right = /^\d{1,19}$/.test(input.value) && BigInt(input.value) < 2n ** 63n;
    attributes(input, { "aria-invalid": !right });
    if (right) turned();
  });
  const rolled = () => {
    input.value = roll();
    attributes(input, { "aria-invalid": "false" });
    turned();
  };
  const dice = button(DICE, `roll ${label.toLowerCase()}`, rolled);
  dice.classList.add("bcm-quiet");
  box.append(name, input, dice);
  return { box, input, roll: rolled };
}
