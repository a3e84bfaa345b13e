// One quiet bar for anything long.

import { attributes, div, element } from "./dom.js";
import { ENDED, theme } from "./page.js";
import { timeLeft } from "./text.js";

/**
 * @typedef {{label: string, done: number, total: number | null, rate: number | null,
 *   left: number | null, status: "running" | "done" | "stopped", note: string}} State
 */

/** @param {number} rate things a second */
export function pace(rate) {
  if (rate >= 1) return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second`;
  return rate * 60 >= 1 ? `${(rate * 60).toFixed(1)} a minute` : `${(rate * 3600).toFixed(1)} an hour`;
}

/** @param {State} state */
export function words({ done, total, rate, left, status, note }) {
  const count = total === null ? done.toLocaleString("en") : `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  const parts = [count];
  if (status === "stopped") parts.push("stopped");
  if (status === "running" && rate) parts.push(pace(rate));
  if (status === "running" && left !== null) parts.push(timeLeft(left));
  if (note) parts.push(note);
  return parts.filter(Boolean).join(" · ");
}

export default () => ({
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el }) {
    const root = div("bcm-root bcm-quietbar");
    const label = element("span", "bcm-quietlabel");
    label.dir = "auto";
    const track = div("bcm-quiettrack");
    const fill = div("bcm-quietfill");
    track.append(fill);
    attributes(track, { role: "progressbar" });
    const text = element("span", "bcm-quiettext");
    root.append(label, track, text);
    el.append(root);
    let ended = false;
    const draw = () => {
      /** @type {State} */
      const state = { ...model.get("_state") };
      if (ended && state.status === "running") Object.assign(state, { status: "stopped", note: "the kernel is gone" });
      theme(root, el);
      label.textContent = state.label;
      label.hidden = !state.label;
      text.textContent = words(state);
      const share = state.total ? Math.min(1, state.done / state.total) : 0;
      fill.style.transform = `scaleX(${share})`;
      root.dataset.status = state.status;
      root.classList.toggle("bcm-endless", state.total === null && state.status === "running");
      attributes(track, { "aria-label": state.label || "progress", "aria-valuetext": text.textContent });
      if (state.total) {
        attributes(track, { "aria-valuemax": state.total, "aria-valuenow": state.done });
      }
    };
    const sizes = new ResizeObserver(draw);
    sizes.observe(root);
    const end = () => {
      ended = true;
      draw();
    };
    model.on("change:_state", draw);
    model.on(ENDED, end);
    draw();
    return () => {
      sizes.disconnect();
      model.off("change:_state", draw);
      model.off(ENDED, end);
    };
  },
});
