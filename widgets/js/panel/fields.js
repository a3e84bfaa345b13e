// Small parts of a form.

import { div, element } from "../core/dom.js";

/** A field that is typed in has the last word. @param {HTMLInputElement} field @param {string} text */
export function fill(field, text) {
  if (document.activeElement !== field) field.value = text;
}

/** @param {string} value @param {string} text */
export function option(value, text) {
  const made = /** @type {HTMLOptionElement} */ (element("option", "", text));
  made.value = value;
  return made;
}

/** What is wrong, where it is. */
export function problem() {
  const made = element("p", "bcm-wrong");
  made.hidden = true;
  made.dir = "auto";
  return made;
}

/** @param {string} label @param {HTMLElement[]} parts */
export function row(label, ...parts) {
  const made = div("bcm-pair");
  const name = element("span", "bcm-name", label);
  name.dir = "auto";
  name.title = label;
  const body = div("bcm-holderbody", ...parts);
  made.append(name, body);
  return made;
}
