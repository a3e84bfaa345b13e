// A small menu inside the widget: the notebook would clip a popup that reaches outside.

import { attributes, div, element, focus, on } from "./dom.js";

/**
 * @typedef {{label: string, action?: () => void, checked?: boolean, heading?: boolean, title?: string}} Item
 */

/** The open menu: its root, and how to close it. @type {{root: HTMLElement, close: () => void} | null} */
let opened = null;

/** Close the menu of a view that goes: it listens to the window. @param {HTMLElement} root */
export function closeMenuOf(root) {
  if (opened?.root === root) opened.close();
}

/**
 * Open a menu under a button and close any other menu.
 * @param {HTMLElement} anchor
 * @param {Item[]} items headings are not selectable
 * @param {HTMLElement} root the element that contains the menu
 */
export function openMenu(anchor, items, root) {
  const wasOpen = anchor.getAttribute("aria-expanded") === "true";
  opened?.close();
  if (wasOpen) return;
  const menu = div("bcm-menu");
  attributes(menu, { role: "menu", "aria-label": anchor.getAttribute("aria-label") ?? "" });
  const controller = new AbortController();
  const close = () => {
    opened = null;
    controller.abort();
    attributes(anchor, { "aria-expanded": "false" });
    const hadFocus = menu.contains(document.activeElement);
    menu.remove();
    if (hadFocus && anchor.isConnected) focus(anchor);
  };
  opened = { root, close };
  for (const item of items) menu.append(item.heading ? element("div", "bcm-menuhead", item.label) : createItem(item, close));
  on(menu, "keydown", (event) => onKey(event, menu, close));
  // A press elsewhere closes the menu and still has its own effect.
  on(window, "pointerdown", (event) => {
    const at = /** @type {Node} */ (event.composedPath()[0]);
    if (!menu.contains(at) && !anchor.contains(at)) close();
  }, { capture: true, signal: controller.signal });
  on(menu, "focusout", (event) => {
    if (event.relatedTarget && !menu.contains(/** @type {Node} */ (event.relatedTarget))) close();
  });
  attributes(anchor, { "aria-expanded": "true" });
  root.append(menu);
  placeBelow(menu, anchor, root);
  const chosen = /** @type {HTMLElement | null} */ (menu.querySelector("[aria-checked=true]"));
  focus(chosen ?? /** @type {HTMLElement | null} */ (menu.querySelector("button")));
  chosen?.scrollIntoView({ block: "nearest" });
}

/** Create the button of an item. @param {Item} item @param {() => void} close */
function createItem(item, close) {
  const node = /** @type {HTMLButtonElement} */ (element("button", "bcm-menuitem", item.label));
  node.type = "button";
  node.tabIndex = -1;
  node.dir = "auto";
  node.title = item.title ?? "";
  attributes(node, { role: item.checked === undefined ? "menuitem" : "menuitemradio" });
  if (item.checked !== undefined) node.setAttribute("aria-checked", String(item.checked));
  on(node, "click", (event) => {
    event.stopPropagation();
    close();
    item.action?.();
  });
  return node;
}

/** Handle a key in the menu. @param {KeyboardEvent} event @param {HTMLElement} menu @param {() => void} close */
function onKey(event, menu, close) {
  const all = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("button")]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  /** @type {Record<string, number>} */
  const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
  if (event.key in targets) all[(targets[event.key] + all.length) % all.length]?.focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else if (event.key.length === 1 && event.key !== " ") {
    const letter = event.key.toLowerCase();
    const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
    after.find((one) => one.textContent?.toLowerCase().startsWith(letter))?.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Place the menu below its anchor, or above it where there is more room.
 * @param {HTMLElement} menu
 * @param {HTMLElement} anchor
 * @param {HTMLElement} root
 */
function placeBelow(menu, anchor, root) {
  const [a, r] = [anchor.getBoundingClientRect(), root.getBoundingClientRect()];
  const [above, below] = [a.top - r.top - 8, r.bottom - a.bottom - 12];
  const isAbove = below < Math.min(140, menu.offsetHeight) && above > below;
  menu.style.maxHeight = `${Math.max(isAbove ? 60 : 140, Math.min(320, isAbove ? above : below))}px`;
  menu.style.top = `${isAbove ? a.top - r.top - menu.offsetHeight - 4 : a.bottom - r.top + 4}px`;
  menu.style.left = `${Math.max(0, Math.min(a.left - r.left, r.width - menu.offsetWidth - 4))}px`;
}
