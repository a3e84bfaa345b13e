// A box that lists the keys of a surface.

import { attributes, button, div, element } from "./dom.js";
import { CLOSE } from "./icons.js";

/**
 * Create a help box, hidden at first.
 * @param {() => void} close called by its close button
 * @returns {{box: HTMLElement, show: (rows: string[][]) => void}} show: lists keys and what they do
 */
export function createHelpBox(close) {
  const box = div("bcm-help");
  box.hidden = true;
  attributes(box, { role: "note" });
  const list = element("dl", "bcm-keys");
  box.append(list, button(CLOSE, "close the help (Esc)", close));
  return {
    box,
    show: (rows) => list.replaceChildren(
      ...rows.flatMap(([keys, what]) => [element("dt", "", keys), element("dd", "", what)])),
  };
}
