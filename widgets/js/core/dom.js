// Small helpers for the DOM; text from outside only ever becomes text nodes.

import { STAR } from "./icons.js";
import { pluralize } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element.
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function element(tag, className = "", text = undefined) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Create a `div`. @param {string} className @param {...(Node | string)} parts its content @returns {HTMLElement} */
export function div(className, ...parts) {
  const node = element("div", className);
  node.append(...parts);
  return node;
}

/** Focus a node without scrolling the page. @param {HTMLElement | null | undefined} node */
export function focus(node) {
  node?.focus({ preventScroll: true });
}

/** Set attributes. @param {Element} node @param {Record<string, string | number | boolean>} values by name */
export function attributes(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, String(value));
}

/**
 * Add an event listener.
 * @template {keyof HTMLElementEventMap} T
 * @param {EventTarget} target
 * @param {T} type
 * @param {(event: HTMLElementEventMap[T]) => void} listener
 * @param {AddEventListenerOptions} [options]
 */
export function on(target, type, listener, options) {
  target.addEventListener(type, /** @type {any} */ (listener), options);
}

/**
 * Create an icon.
 * @param {string} path one of `icons.js`
 * @returns {SVGElement}
 */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  attributes(svg, { viewBox: "0 0 16 16", "aria-hidden": "true", class: "bcm-icon" });
  const line = document.createElementNS(SVG, "path");
  attributes(line, { d: path });
  svg.append(line);
  return svg;
}

/**
 * Create a button.
 * @param {string} path of the icon; "" for no icon
 * @param {string} label what it does, for the tooltip and screen readers
 * @param {() => void} action
 * @param {string} [text] shown next to the icon
 * @returns {HTMLButtonElement}
 */
export function button(path, label, action, text = "") {
  const node = /** @type {HTMLButtonElement} */ (element("button", "bcm-button"));
  node.type = "button";
  setButton(node, path, label, text);
  on(node, "click", (event) => {
    event.stopPropagation();
    action();
  });
  return node;
}

/**
 * Change the icon, label and text of a button; does nothing if it has them already.
 * @param {HTMLButtonElement} node
 * @param {string} path
 * @param {string} label
 * @param {string} [text]
 */
export function setButton(node, path, label, text = "") {
  const content = `${path}|${label}|${text}`;
  if (node.dataset.content === content) return;
  node.dataset.content = content;
  node.replaceChildren(...(path ? [icon(path)] : []), ...(text ? [element("span", "", text)] : []));
  attributes(node, { "aria-label": label });
  node.title = label;
}

/** Show whether a button that switches something is on. @param {HTMLElement} node @param {boolean} isOn */
export function press(node, isOn) {
  node.classList.toggle("bcm-on", isOn);
  attributes(node, { "aria-pressed": isOn });
}

/**
 * Create a row of five stars; pressing the current rating again clears it.
 * @param {(stars: number) => void} action
 */
export function starRow(action) {
  const row = div("bcm-stars");
  const all = [1, 2, 3, 4, 5].map((stars) => {
    const star = button(STAR, pluralize(stars, "star"), () =>
      action(Number(row.dataset.stars) === stars ? 0 : stars));
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
 * Copy text. The clipboard API is missing on plain-http hosts other than localhost.
 * @param {string} text
 * @param {HTMLElement} root an element of the widget
 * @returns {Promise<boolean>} whether it was copied
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
 * Return the background behind a node: hosts differ in which element has the color.
 * @param {HTMLElement} node
 * @returns {{color: string, dark: boolean}}
 */
export function backgroundOf(node) {
  for (let at = /** @type {HTMLElement | null} */ (node); at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    const found = color.match(/^rgba?\((.*)\)$/)?.[1].split(/[ ,/]+/).map(Number);
    if (found && (found.length < 4 || found[3] > 0.5)) {
      return { color, dark: 0.299 * found[0] + 0.587 * found[1] + 0.114 * found[2] < 128 };
    }
  }
  return { color: "Canvas", dark: matchMedia("(prefers-color-scheme: dark)").matches };
}
