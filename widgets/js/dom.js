// Small helpers for the page. Text from outside only ever becomes text.

import { STAR } from "./icons.js";

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function element(tag, className = "", text = undefined) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {string} className @param {...(Node | string)} parts what lies in it @returns {HTMLElement} */
export function div(className, ...parts) {
  const made = element("div", className);
  made.append(...parts);
  return made;
}

/** Give a node the keys; the page stays where it is. @param {HTMLElement | null | undefined} node */
export function focus(node) {
  node?.focus({ preventScroll: true });
}

/** @param {Element} node @param {Record<string, string | number | boolean>} values by name */
export function attributes(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, String(value));
}

/**
 * @template {keyof HTMLElementEventMap} T
 * @param {EventTarget} target
 * @param {T} type
 * @param {(event: HTMLElementEventMap[T]) => void} act
 * @param {AddEventListenerOptions} [how]
 */
export function on(target, type, act, how) {
  target.addEventListener(type, /** @type {any} */ (act), how);
}

/**
 * @param {string} path of `icons.js`
 * @returns {SVGElement}
 */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  attributes(svg, { viewBox: "0 0 16 16", "aria-hidden": "true", class: "bcm-icon" });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  attributes(line, { d: path });
  svg.append(line);
  return svg;
}

/**
 * @param {string} path of the icon; "" for none
 * @param {string} label what it does, for pointers and screen readers
 * @param {() => void} act
 * @param {string} [text] shown beside the icon
 * @returns {HTMLButtonElement}
 */
export function button(path, label, act, text = "") {
  const made = /** @type {HTMLButtonElement} */ (element("button", "bcm-button"));
  made.type = "button";
  dress(made, path, label, text);
  on(made, "click", (event) => {
    event.stopPropagation();
    act();
  });
  return made;
}

/**
 * Give a button another icon and label; does nothing when it has them already.
 * @param {HTMLButtonElement} made
 * @param {string} path
 * @param {string} label
 * @param {string} [text]
 */
export function dress(made, path, label, text = "") {
  const now = `${path}|${label}|${text}`;
  if (made.dataset.dress === now) return;
  made.dataset.dress = now;
  made.replaceChildren(...(path ? [icon(path)] : []), ...(text ? [element("span", "", text)] : []));
  attributes(made, { "aria-label": label });
  made.title = label;
}

/**
 * Five stars that can be pressed.
 * @param {(stars: number) => void} act
 */
export function starRow(act) {
  const row = div("bcm-stars");
  const all = [1, 2, 3, 4, 5].map((stars) => {
    const star = button(STAR, `${stars} ${stars === 1 ? "star" : "stars"}`, () =>
      act(Number(row.dataset.stars) === stars ? 0 : stars));
    star.tabIndex = -1;
    return star;
  });
  row.append(...all);
  /** @param {number} stars */
  const show = (stars) => {
    row.dataset.stars = String(stars);
    all.forEach((star, i) => star.classList.toggle("bcm-on", i < stars));
  };
  show(0);
  return { row, show };
}

/**
 * Copy a text. The clipboard is not there on plain-http hosts other than localhost.
 * @param {string} text
 * @param {HTMLElement} root something inside the widget
 * @returns {Promise<boolean>}
 */
export async function copy(text, root) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = /** @type {HTMLTextAreaElement} */ (element("textarea", "bcm-hidden"));
    area.value = text;
    root.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/**
 * What lies behind a node, so that it can paint the same: hosts differ in where they put colours.
 * @param {HTMLElement} node
 * @returns {{color: string, dark: boolean}}
 */
export function ground(node) {
  for (let at = /** @type {HTMLElement | null} */ (node); at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    const found = color.match(/^rgba?\((.*)\)$/)?.[1].split(/[ ,/]+/).map(Number);
    if (found && (found.length < 4 || found[3] > 0.5)) {
      return { color, dark: 0.299 * found[0] + 0.587 * found[1] + 0.114 * found[2] < 128 };
    }
  }
  return { color: "Canvas", dark: matchMedia("(prefers-color-scheme: dark)").matches };
}
