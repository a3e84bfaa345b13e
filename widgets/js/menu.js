// A small menu inside the widget: popups outside it would be cut off by the notebook.

import { attributes, div, element, focus, on } from "./dom.js";

/**
 * @typedef {{label: string, act?: () => void, on?: boolean, heading?: boolean, title?: string}} Item
 */

/** @type {(() => void) | null} */
let closeOpen = null;

/**
 * Open a menu under a button; another one that is open is closed.
 * @param {HTMLElement} anchor
 * @param {Item[]} items headings can't be chosen
 * @param {HTMLElement} root in which it must stay
 */
export function openMenu(anchor, items, root) {
  const again = anchor.getAttribute("aria-expanded") === "true";
  closeOpen?.();
  if (again) return;
  const menu = div("bcm-menu");
  attributes(menu, { role: "menu", "aria-label": anchor.getAttribute("aria-label") ?? "" });
  const ending = new AbortController();
  const close = () => {
    closeOpen = null;
    ending.abort();
    attributes(anchor, { "aria-expanded": "false" });
    const held = menu.contains(document.activeElement);
    menu.remove();
    if (held && anchor.isConnected) focus(anchor);
  };
  closeOpen = close;
  for (const item of items) menu.append(item.heading ? element("div", "bcm-menuhead", item.label) : entry(item, close));
  on(menu, "keydown", (event) => onKey(event, menu, close));
  // A press elsewhere closes it; that press does what it does.
  on(window, "pointerdown", (event) => {
    const at = /** @type {Node} */ (event.composedPath()[0]);
    if (!menu.contains(at) && !anchor.contains(at)) close();
  }, { capture: true, signal: ending.signal });
  on(menu, "focusout", (event) => {
    if (event.relatedTarget && !menu.contains(/** @type {Node} */ (event.relatedTarget))) close();
  });
  attributes(anchor, { "aria-expanded": "true" });
  root.append(menu);
  place(menu, anchor, root);
  const chosen = /** @type {HTMLElement | null} */ (menu.querySelector("[aria-checked=true]"));
  focus(chosen ?? /** @type {HTMLElement | null} */ (menu.querySelector("button")));
  chosen?.scrollIntoView({ block: "nearest" });
}

/** @param {Item} item @param {() => void} close */
function entry(item, close) {
  const made = /** @type {HTMLButtonElement} */ (element("button", "bcm-entry", item.label));
  made.type = "button";
  made.tabIndex = -1;
  made.dir = "auto";
  made.title = item.title ?? "";
  attributes(made, { role: item.on === undefined ? "menuitem" : "menuitemradio" });
  if (item.on !== undefined) made.setAttribute("aria-checked", String(item.on));
  on(made, "click", (event) => {
    event.stopPropagation();
    close();
    item.act?.();
  });
  return made;
}

/** @param {KeyboardEvent} event @param {HTMLElement} menu @param {() => void} close */
function onKey(event, menu, close) {
  const all = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("button")]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  /** @type {Record<string, number>} */
  const ways = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
  if (event.key in ways) all[(ways[event.key] + all.length) % all.length]?.focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else if (event.key.length === 1 && event.key !== " ") {
    const letter = event.key.toLowerCase();
    const after = [...all.slice(at + 1), ...all.slice(0, at + 1)];
    after.find((one) => one.textContent?.toLowerCase().startsWith(letter))?.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/** @param {HTMLElement} menu @param {HTMLElement} anchor @param {HTMLElement} root */
function place(menu, anchor, root) {
  const [a, r] = [anchor.getBoundingClientRect(), root.getBoundingClientRect()];
  menu.style.top = `${a.bottom - r.top + 4}px`;
  menu.style.maxHeight = `${Math.max(140, Math.min(320, r.bottom - a.bottom - 12))}px`;
  menu.style.left = `${Math.max(0, Math.min(a.left - r.left, r.width - menu.offsetWidth - 4))}px`;
}
