// The small boxes over the cells: marks under the pointer, and the help.

import { attributes, button, div, element, on, starRow } from "../core/dom.js";
import { CLOSE, REJECT } from "../core/icons.js";
import { HELP } from "../core/keys.js";

/** @typedef {import("../data/store.js").Store} Store */

/**
 * One set of marks for the cell under the pointer, instead of one for every cell.
 * @param {Store} store
 * @param {() => number} hovered
 * @param {(cells: number[], marks: {stars?: number, rejected?: boolean}) => void} rate
 */
export function hoverBar(store, hovered, rate) {
  const bar = div("bcm-hover");
  const stars = starRow((n) => rate([hovered()], { stars: n }));
  const reject = button(REJECT, "reject (X)", () =>
    rate([hovered()], { rejected: !store.annotation(hovered()).rejected }));
  const drop = button(CLOSE, "leave this clip out of the run", () => store.controlRun("drop", hovered()));
  for (const one of [reject, drop]) one.tabIndex = -1;
  bar.append(stars.row, reject, drop);
  // A press beside a star doesn't open the clip.
  on(bar, "click", (event) => event.stopPropagation());
  /** @param {number} cell */
  const refresh = (cell) => {
    const mark = store.annotation(cell);
    const status = store.cells.get(cell)?.status ?? "";
    stars.show(mark.stars);
    reject.classList.toggle("bcm-on", mark.rejected);
    stars.row.hidden = reject.hidden = !store.hasClip(cell);
    drop.hidden = !store.live || (status !== "queued" && status !== "running");
  };
  return { bar, refresh };
}

/** @param {Store} store @param {() => void} close */
export function helpBox(store, close) {
  const box = div("bcm-help");
  box.hidden = true;
  attributes(box, { role: "note" });
  const list = element("dl", "bcm-keys");
  const fill = () => list.replaceChildren(...HELP.flatMap(([keys, what, makes]) =>
    makes && !store.live ? [] : [element("dt", "", keys), element("dd", "", what)]));
  fill();
  store.addEventListener("cells", fill);
  box.append(list, button(CLOSE, "close the help (Esc)", close));
  return box;
}
