// Which axes are rows, which are columns, and which are held at one value: chips to drag or choose.

import { attributes, button, div, element, on } from "../core/dom.js";
import { NEXT, PREVIOUS } from "../core/icons.js";
import { chooseAxes } from "./layout.js";
import { openMenu } from "../core/menu.js";
import { isolateBidi } from "../core/text.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {"rows" | "columns" | "fixed"} Zone */
/** @typedef {{rows: string[], columns: string[], fixed: Record<string, string>}} Places */

/** @type {[Zone, string][]} */
const ZONES = [["rows", "↓ rows"], ["columns", "→ columns"], ["fixed", "only"]];
const FAR = 5; // pixels that the pointer goes before it drags

/**
 * Put an axis into a zone, before another one or at the end.
 * @param {Places} now all axes that vary are in one of its zones
 * @param {string} name
 * @param {Zone} zone
 * @param {{label?: string, before?: string}} how label: the value that is shown, where it is fixed
 * @returns {Places}
 */
export function moveAxis(now, name, zone, { label = "", before = "" } = {}) {
  const without = (/** @type {string[]} */ names) => names.filter((one) => one !== name);
  const { [name]: _, ...fixed } = now.fixed;
  const next = { rows: without(now.rows), columns: without(now.columns), fixed };
  if (zone === "fixed") return { ...next, fixed: { ...fixed, [name]: label } };
  const at = before ? next[zone].indexOf(before) : -1;
  next[zone].splice(at < 0 ? next[zone].length : at, 0, name);
  return next;
}

export class Arrangement {
  #options;
  #drawn = "";
  #dropped = -1e3;
  #store;

  /**
   * @param {Store} store
   * @param {{now: () => Places, change: (places: Places) => void, root: () => HTMLElement,
   *   say: (text: string) => void}} options
   */
  constructor(store, options) {
    this.#store = store;
    this.#options = options;
    this.node = div("bcm-arrangement");
    attributes(this.node, { role: "group", "aria-label": "axes" });
  }

  /** Axes that vary, each in its zone, as they are laid out now. */
  #places() {
    const { axes, coords } = this.#store;
    const wish = this.#options.now();
    const known = new Set(axes.filter((axis) => axis.labels.length > 1).map((axis) => axis.name));
    const fixed = Object.fromEntries(Object.entries(wish.fixed).filter(([name]) => known.has(name)));
    const chosen = chooseAxes(axes, coords, wish.rows, wish.columns, Object.keys(fixed));
    const names = (/** @type {number[]} */ side) => side.map((a) => axes[a].name).filter((n) => known.has(n));
    // In a flow all axes run in lines.
    const flowing = chosen.flow ? [...known].filter((name) => !(name in fixed)) : [];
    return { rows: names(chosen.rows), columns: [...names(chosen.columns), ...flowing], fixed };
  }

  refresh() {
    const places = this.#places();
    const some = places.rows.length + places.columns.length + Object.keys(places.fixed).length;
    this.node.hidden = some < 2;
    const now = JSON.stringify([places, this.#store.token]);
    if (this.node.hidden || now === this.#drawn) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.axis;
    const held = this.node.contains(document.activeElement) ? focused : undefined;
    this.#drawn = now;
    this.node.replaceChildren(...ZONES.map(([zone, title]) => this.#zone(zone, title, places)));
    if (held) /** @type {HTMLElement | null} */ (this.node.querySelector(`[data-axis="${CSS.escape(held)}"]`))?.focus();
  }

  /** @param {Zone} zone @param {string} title @param {Places} places */
  #zone(zone, title, places) {
    const box = div("bcm-zone");
    box.dataset.zone = zone;
    box.append(element("span", "bcm-zonename", title));
    const names = zone === "fixed" ? Object.keys(places.fixed) : places[zone];
    for (const name of names) box.append(this.#chip(name, zone, places));
    return box;
  }

  /** @param {string} name @param {Zone} zone @param {Places} places */
  #chip(name, zone, places) {
    const box = element("span", "bcm-axischip");
    const label = places.fixed[name];
    const text = zone === "fixed" ? `${isolateBidi(name)}: ${isolateBidi(label)}` : name;
    const chip = /** @type {HTMLButtonElement} */ (element("button", "bcm-chip", text));
    Object.assign(chip, { type: "button", title: `${name}: drag it, or press for its places` });
    chip.dir = "auto";
    chip.dataset.axis = name;
    attributes(chip, {
      "aria-haspopup": "menu",
      "aria-label": `${text}, ${zone === "fixed" ? "only this value" : zone}`,
    });
    on(chip, "click", (event) => {
      event.stopPropagation();
      // The click at the end of a drag is none.
      if (event.detail && event.timeStamp - this.#dropped < 100) return;
      openMenu(chip, this.#entries(name, zone, places), this.#options.root());
    });
    this.#draggable(chip, name);
    if (zone !== "fixed") {
      box.append(chip);
      return box;
    }
    const { labels } = /** @type {any} */ (this.#store.axes.find((axis) => axis.name === name));
    const step = (/** @type {number} */ by) => {
      const next = labels[(labels.indexOf(label) + by + labels.length) % labels.length];
      this.#change(moveAxis(places, name, "fixed", { label: next }), `${name} ${next}`);
    };
    box.append(
      button(PREVIOUS, `previous ${name}`, () => step(-1)), chip, button(NEXT, `next ${name}`, () => step(1)),
    );
    return box;
  }

  /** @param {string} name @param {Zone} zone @param {Places} places */
  #entries(name, zone, places) {
    const axis = /** @type {any} */ (this.#store.axes.find((one) => one.name === name));
    const to = (/** @type {Zone} */ there, /** @type {string} */ words, label = "") => () =>
      this.#change(moveAxis(places, name, there, { label }), `${name}: ${words}`);
    return [
      { label: "as rows", on: zone === "rows", act: to("rows", "rows") },
      { label: "as columns", on: zone === "columns", act: to("columns", "columns") },
      { label: "only", heading: true },
      ...axis.labels.map((/** @type {string} */ label, /** @type {number} */ n) => ({
        label, on: places.fixed[name] === label, title: axis.notes[n] ?? "", act: to("fixed", `only ${label}`, label),
      })),
    ];
  }

  /** @param {Places} places @param {string} words for screen readers */
  #change(places, words) {
    this.#options.change(places);
    this.#options.say(words);
  }

  /** @param {HTMLElement} chip @param {string} name */
  #draggable(chip, name) {
    on(chip, "pointerdown", (down) => {
      if (down.button) return;
      const ending = new AbortController();
      const { signal } = ending;
      // At once: a quick hand is elsewhere before it has moved far enough.
      chip.setPointerCapture(down.pointerId);
      let dragging = false;
      /** @type {Element | null} */
      let over = null;
      const move = (/** @type {PointerEvent} */ event) => {
        const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY];
        if (!dragging && Math.hypot(dx, dy) < FAR) return;
        dragging = true;
        chip.classList.add("bcm-dragged");
        chip.style.transform = `translate(${dx}px, ${dy}px)`;
        over?.classList.remove("bcm-over");
        over = this.#zoneAt(event);
        over?.classList.add("bcm-over");
      };
      const end = (/** @type {PointerEvent} */ event) => {
        ending.abort();
        chip.classList.remove("bcm-dragged");
        chip.style.transform = "";
        over?.classList.remove("bcm-over");
        if (!dragging) return;
        this.#dropped = event.timeStamp;
        if (event.type === "pointerup") this.#drop(event, name);
      };
      on(chip, "pointermove", move, { signal });
      on(chip, "pointerup", end, { signal });
      on(chip, "pointercancel", end, { signal });
    });
  }

  /** @param {PointerEvent} event */
  #zoneAt(event) {
    const found = document.elementsFromPoint(event.clientX, event.clientY)
      .find((one) => one instanceof HTMLElement && one.classList.contains("bcm-zone"));
    return found && this.node.contains(found) ? found : null;
  }

  /** @param {PointerEvent} event @param {string} name */
  #drop(event, name) {
    const box = /** @type {HTMLElement | null} */ (this.#zoneAt(event));
    if (!box) return;
    const zone = /** @type {Zone} */ (box.dataset.zone);
    const places = this.#places();
    const chips = /** @type {HTMLElement[]} */ ([...box.querySelectorAll(".bcm-chip")]);
    const after = chips.find((one) => {
      const side = one.getBoundingClientRect();
      return one.dataset.axis !== name && event.clientX < side.left + side.width / 2;
    });
    const axis = this.#store.axes.find((one) => one.name === name);
    const label = places.fixed[name] ?? axis?.labels[0] ?? "";
    this.#change(moveAxis(places, name, zone, { label, before: after?.dataset.axis }), `${name}: ${zone}`);
  }
}
