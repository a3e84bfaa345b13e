// Small parts of the form.

import { div, element } from "../core/dom.js";

/** Set the text of a field, unless the user is typing in it. @param {HTMLInputElement} field @param {string} text */
export function setText(field, text) {
  if (document.activeElement !== field) field.value = text;
}

/** Create an option. @param {string} value @param {string} text */
export function option(value, text) {
  const node = /** @type {HTMLOptionElement} */ (element("option", "", text));
  node.value = value;
  return node;
}

/** Create a hidden line for the problems of a field. */
export function problemLine() {
  const node = element("p", "bcm-fieldproblem");
  node.hidden = true;
  node.dir = "auto";
  return node;
}

/** Create a labelled row. @param {string} label @param {HTMLElement[]} parts */
export function labelledRow(label, ...parts) {
  const node = div("bcm-formrow");
  const name = element("span", "bcm-fieldname", label);
  name.dir = "auto";
  name.title = label;
  const body = div("bcm-formbody", ...parts);
  node.append(name, body);
  return node;
}
