// The annotation buttons that appear over the cell under the pointer.

import { button, div, on, starRow } from "../core/dom.js";
import { CLOSE, REJECT } from "../core/icons.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {import("../data/store.js").AnnotationChange} AnnotationChange */

/**
 * Create the bar; one for the whole grid, because only one cell is hovered at a time.
 * @param {Store} store
 * @param {() => number} hovered the cell under the pointer
 * @param {(cells: number[], change: AnnotationChange) => void} annotate
 */
export function createHoverBar(store, hovered, annotate) {
  const bar = div("bcm-hoverbar");
  const stars = starRow((n) => annotate([hovered()], { stars: n }));
  const reject = button(REJECT, "reject (X)", () =>
    annotate([hovered()], { rejected: !store.annotation(hovered()).rejected }));
  const skip = button(CLOSE, "leave this clip out of the run", () => store.controlRun("skip", hovered()));
  for (const node of [reject, skip]) node.tabIndex = -1;
  bar.append(stars.row, reject, skip);
  // A press next to a star must not open the clip.
  on(bar, "click", (event) => event.stopPropagation());
  /** Show the state of a cell. @param {number} cell */
  const refresh = (cell) => {
    const annotation = store.annotation(cell);
    const status = store.cells.get(cell)?.status ?? "";
    stars.show(annotation.stars);
    reject.classList.toggle("bcm-on", annotation.rejected);
    stars.row.hidden = reject.hidden = !store.hasClip(cell);
    skip.hidden = !store.live || (status !== "queued" && status !== "running");
  };
  return { bar, refresh };
}
