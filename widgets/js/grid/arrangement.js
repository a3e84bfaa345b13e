// Chips that assign each axis to the rows, to the columns or to one fixed value, by drag or menu.

import { attributes, button, div, element, on } from "../core/dom.js";
import { NEXT, PREVIOUS } from "../core/icons.js";
import { openMenu } from "../core/menu.js";
import { isolateBidi } from "../core/text.js";
import { chooseAxes } from "./layout.js";

/** @typedef {import("../data/store.js").Store} Store */
/** @typedef {"rows" | "columns" | "fixed"} Zone */
/** @typedef {{rows: string[], columns: string[], fixed: Record<string, string>}} Placement */

/** @type {[Zone, string][]} */
const ZONES = [["rows", "↓ rows"], ["columns", "→ columns"], ["fixed", "only"]];
const DRAG_DISTANCE = 5; // pixels that the pointer moves before a drag starts

/**
 * Return an arrangement with an axis moved to a zone, before another one or at the end.
 * @param {Placement} current has each varying axis in one of its zones
 * @param {string} name
 * @param {Zone} zone
 * @param {{label?: string, before?: string}} options label: the value of a fixed axis; before: the axis that follows it
 * @returns {Placement}
 */
export function moveAxis(current, name, zone, { label = "", before = "" } = {}) {
  const without = (/** @type {string[]} */ names) => names.filter((one) => one !== name);
  const { [name]: _, ...fixed } = current.fixed;
  const next = { rows: without(current.rows), columns: without(current.columns), fixed };
  if (zone === "fixed") return { ...next, fixed: { ...fixed, [name]: label } };
  const at = before ? next[zone].indexOf(before) : -1;
  next[zone].splice(at < 0 ? next[zone].length : at, 0, name);
  return next;
}

/** Three zones of chips, one chip per varying axis. */
export class Arrangement {
  #options;
  #rendered = "";
  #dropTime = -1e3;
  #store;

  /**
   * @param {Store} store
   * @param {{current: () => Placement, change: (placement: Placement) => void, room: () => import("./layout.js").Room | undefined, root: () => HTMLElement,
   *   announce: (text: string) => void}} options
   */
  constructor(store, options) {
    this.#store = store;
    this.#options = options;
    this.node = div("bcm-arrangement");
    attributes(this.node, { role: "group", "aria-label": "axes" });
  }

  /** Return the current arrangement of all varying axes. */
  #placement() {
    const { axes, coords } = this.#store;
    const requested = this.#options.current();
    const known = new Set(axes.filter((axis) => axis.labels.length > 1).map((axis) => axis.name));
    const fixed = Object.fromEntries(Object.entries(requested.fixed).filter(([name]) => known.has(name)));
    const chosen = chooseAxes(axes, coords, requested.rows, requested.columns, Object.keys(fixed), this.#options.room());
    const names = (/** @type {number[]} */ side) => side.map((a) => axes[a].name).filter((n) => known.has(n));
    // A flow has no rows and columns: its axes count as columns.
    const flowing = chosen.flow ? [...known].filter((name) => !(name in fixed)) : [];
    return { rows: names(chosen.rows), columns: [...names(chosen.columns), ...flowing], fixed };
  }

  /** Render the chips again if the arrangement changed. */
  refresh() {
    const placement = this.#placement();
    const count = placement.rows.length + placement.columns.length + Object.keys(placement.fixed).length;
    this.node.hidden = count < 2;
    const now = JSON.stringify([placement, this.#store.token]);
    if (this.node.hidden || now === this.#rendered) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.axis;
    const focusedChip = this.node.contains(document.activeElement) ? focused : undefined;
    this.#rendered = now;
    this.node.replaceChildren(...ZONES.map(([zone, title]) => this.#createZone(zone, title, placement)));
    if (focusedChip) /** @type {HTMLElement | null} */ (this.node.querySelector(`[data-axis="${CSS.escape(focusedChip)}"]`))?.focus();
  }

  /** @param {Zone} zone @param {string} title @param {Placement} placement */
  #createZone(zone, title, placement) {
    const box = div("bcm-zone");
    box.dataset.zone = zone;
    box.append(element("span", "bcm-zonename", title));
    const names = zone === "fixed" ? Object.keys(placement.fixed) : placement[zone];
    // Its place is kept, for the time that an axis is dragged.
    box.classList.toggle("bcm-vacant", zone === "fixed" && !names.length);
    for (const name of names) box.append(this.#createChip(name, zone, placement));
    return box;
  }

  /** @param {string} name @param {Zone} zone @param {Placement} placement */
  #createChip(name, zone, placement) {
    const box = element("span", "bcm-axischip");
    const label = placement.fixed[name];
    const text = zone === "fixed" ? `${isolateBidi(name)}: ${isolateBidi(label)}` : name;
    const chip = /** @type {HTMLButtonElement} */ (element("button", "bcm-chip", text));
    Object.assign(chip, { type: "button", title: `${name}: drag it, or press for a menu` });
    chip.dir = "auto";
    chip.dataset.axis = name;
    attributes(chip, {
      "aria-haspopup": "menu",
      "aria-label": `${text}, ${zone === "fixed" ? "only this value" : zone}`,
    });
    on(chip, "click", (event) => {
      event.stopPropagation();
      // The click at the end of a drag does not count.
      if (event.detail && event.timeStamp - this.#dropTime < 100) return;
      openMenu(chip, this.#menuItems(name, zone, placement), this.#options.root());
    });
    this.#makeDraggable(chip, name);
    if (zone !== "fixed") {
      box.append(chip);
      return box;
    }
    const { labels } = /** @type {any} */ (this.#store.axes.find((axis) => axis.name === name));
    const step = (/** @type {number} */ by) => {
      const next = labels[(labels.indexOf(label) + by + labels.length) % labels.length];
      this.#change(moveAxis(placement, name, "fixed", { label: next }), `${name} ${next}`);
    };
    box.append(
      button(PREVIOUS, `previous ${name}`, () => step(-1)), chip, button(NEXT, `next ${name}`, () => step(1)),
    );
    return box;
  }

  /** @param {string} name @param {Zone} zone @param {Placement} placement */
  #menuItems(name, zone, placement) {
    const axis = /** @type {any} */ (this.#store.axes.find((one) => one.name === name));
    const to = (/** @type {Zone} */ target, /** @type {string} */ text, label = "") => () =>
      this.#change(moveAxis(placement, name, target, { label }), `${name}: ${text}`);
    return [
      { label: "as rows", checked: zone === "rows", action: to("rows", "rows") },
      { label: "as columns", checked: zone === "columns", action: to("columns", "columns") },
      { label: "only", heading: true },
      ...axis.labels.map((/** @type {string} */ label, /** @type {number} */ n) => ({
        label, checked: placement.fixed[name] === label, title: axis.notes[n] ?? "",
        action: to("fixed", `only ${label}`, label),
      })),
    ];
  }

  /** @param {Placement} placement @param {string} text for screen readers */
  #change(placement, text) {
    this.#options.change(placement);
    this.#options.announce(text);
  }

  /** @param {HTMLElement} chip @param {string} name */
  #makeDraggable(chip, name) {
    on(chip, "pointerdown", (down) => {
      if (down.button) return;
      const controller = new AbortController();
      const { signal } = controller;
      // Captured at once: a fast pointer leaves the chip before it has moved far enough.
      chip.setPointerCapture(down.pointerId);
      let dragging = false;
      /** @type {Element | null} */
      let over = null;
      const move = (/** @type {PointerEvent} */ event) => {
        const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY];
        if (!dragging && Math.hypot(dx, dy) < DRAG_DISTANCE) return;
        dragging = true;
        this.node.classList.add("bcm-moving");
        chip.classList.add("bcm-dragged");
        chip.style.transform = `translate(${dx}px, ${dy}px)`;
        over?.classList.remove("bcm-dragover");
        over = this.#zoneAt(event);
        over?.classList.add("bcm-dragover");
      };
      const end = (/** @type {PointerEvent} */ event) => {
        controller.abort();
        chip.classList.remove("bcm-dragged");
        this.node.classList.remove("bcm-moving");
        chip.style.transform = "";
        over?.classList.remove("bcm-dragover");
        if (!dragging) return;
        this.#dropTime = event.timeStamp;
        if (event.type === "pointerup") this.#drop(event, name);
      };
      on(chip, "pointermove", move, { signal });
      on(chip, "pointerup", end, { signal });
      on(chip, "pointercancel", end, { signal });
    });
  }

  /** Return the zone under the pointer. @param {PointerEvent} event */
  #zoneAt(event) {
    const zone = document.elementsFromPoint(event.clientX, event.clientY)
      .find((one) => one instanceof HTMLElement && one.classList.contains("bcm-zone"));
    return zone && this.node.contains(zone) ? zone : null;
  }

  /** @param {PointerEvent} event @param {string} name */
  #drop(event, name) {
    const box = /** @type {HTMLElement | null} */ (this.#zoneAt(event));
    if (!box) return;
    const zone = /** @type {Zone} */ (box.dataset.zone);
    const placement = this.#placement();
    const chips = /** @type {HTMLElement[]} */ ([...box.querySelectorAll(".bcm-chip")]);
    const nextChip = chips.find((one) => {
      const side = one.getBoundingClientRect();
      return one.dataset.axis !== name && event.clientX < side.left + side.width / 2;
    });
    const axis = this.#store.axes.find((one) => one.name === name);
    const label = placement.fixed[name] ?? axis?.labels[0] ?? "";
    this.#change(moveAxis(placement, name, zone, { label, before: nextChip?.dataset.axis }), `${name}: ${zone}`);
  }
}
