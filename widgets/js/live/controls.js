// Controls of the live view: sliders, prompts and seeds, each with a label.

import { attributes, button, div, element, on } from "../core/dom.js";
import { DICE } from "../core/icons.js";

let count = 0;

/** Return a random seed. */
export function randomSeed() {
  return String(Math.floor(Math.random() * 1_000_000));
}

/**
 * Return a share as a percentage.
 * @param {number} share
 */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/**
 * Return a number with as many decimals as its slider's step.
 * @param {number} value
 * @param {number} step
 */
export function formatNumber(value, step) {
  const digits = Math.max(0, Math.min(4, Math.ceil(-Math.log10(step) - 1e-9)));
  return value.toFixed(digits);
}

/**
 * Create a row with a slider. A double click resets it to its default value.
 * @param {{label: string, min: number, max: number, step: number, default: number,
 *   format?: (value: number) => string, describe?: (value: number) => string}} options format: text next
 *   to the slider; describe: text for screen readers, the same by default
 * @param {() => void} onChange
 */
export function sliderRow({ label, min, max, step, default: initial, format, describe }, onChange) {
  const row = div("bcm-sliderrow");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-controlname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-slider"));
  const shown = element("output", "bcm-slidervalue");
  Object.assign(input, { type: "range", min: String(min), max: String(max), step: String(step) });
  input.id = name.htmlFor = `bcm-control-${++count}`;
  const text = format ?? ((/** @type {number} */ value) => formatNumber(value, step));
  const refresh = () => {
    const value = Number(input.value);
    shown.textContent = text(value);
    attributes(input, { "aria-valuetext": (describe ?? text)(value) });
  };
  const set = (/** @type {number} */ value) => {
    input.value = String(value);
    refresh();
  };
  on(input, "input", () => {
    refresh();
    onChange();
  });
  on(input, "dblclick", () => {
    set(initial);
    onChange();
  });
  set(initial);
  row.append(name, input, shown);
  return { row, name, input, set, value: () => Number(input.value) };
}

/**
 * Create a prompt field.
 * @param {string} label
 * @param {string} placeholder
 * @param {(typing: boolean) => void} onChange typing: whether more text is likely to follow
 */
export function promptBox(label, placeholder, onChange) {
  const box = element("label", "bcm-promptfield");
  const area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-input bcm-prompttext"));
  Object.assign(area, { rows: 2, placeholder, spellcheck: false, dir: "auto", maxLength: 4000 });
  box.append(element("span", "bcm-controlname", label), area);
  on(area, "input", () => onChange(true));
  on(area, "change", () => onChange(false));
  return { box, area };
}

/**
 * Create a seed field with a button for a random seed.
 * @param {string} label
 * @param {() => void} onChange
 */
export function seedBox(label, onChange) {
  const box = div("bcm-seedfield");
  const name = /** @type {HTMLLabelElement} */ (element("label", "bcm-controlname", label));
  const input = /** @type {HTMLInputElement} */ (element("input", "bcm-input bcm-seedinput"));
  Object.assign(input, { type: "text", inputMode: "numeric", pattern: "[0-9]*", autocomplete: "off" });
  input.id = name.htmlFor = `bcm-control-${++count}`;
  on(input, "input", () => {
    const valid = /^\d{1,19}$/.test(input.value) && BigInt(input.value) < 2n ** 63n;
    attributes(input, { "aria-invalid": !valid });
    if (valid) onChange();
  });
  const randomize = () => {
    input.value = randomSeed();
    attributes(input, { "aria-invalid": "false" });
    onChange();
  };
  const dice = button(DICE, `random ${label.toLowerCase()}`, randomize);
  dice.classList.add("bcm-flat");
  box.append(name, input, dice);
  return { box, input, randomize };
}
