// What a surface needs from its host: size, theme, visibility, and whether the kernel answers.

import { backgroundOf, element, on } from "./dom.js";

// Milliseconds without an answer after which the static sheet is shown instead.
const KERNEL_TIMEOUT = 8000;

// A front end can only observe that its kernel is silent or, where the host closes the comms of its
// models, that it has ended.
export const KERNEL_SILENT = "The kernel does not answer: it may be busy, or the connection is lost. After a restart, run the cell again.";
export const KERNEL_ENDED = "comm_live_update";
export const KERNEL_GONE = "The kernel was restarted or has ended: run the cell again.";

// Where JupyterLab limits the height of a cell's outputs, and scrolls them.
const SCROLLED = ".jp-LinkedOutputView .jp-OutputArea, .jp-mod-outputsScrolled .jp-OutputArea";
const MARGIN = 12; // pixels

/**
 * Return the height at which a node that scrolls needs no scroll around it; 0 where the host sets no limit.
 * @param {HTMLElement} node
 */
export function heightLeft(node) {
  const area = node.closest(SCROLLED);
  if (!area) return 0;
  let others = -node.offsetHeight;
  for (const output of area.children) others += /** @type {HTMLElement} */ (output).offsetHeight;
  const limit = parseFloat(getComputedStyle(area).maxHeight) || area.clientHeight;
  return Math.max(200, limit - others - MARGIN);
}

/**
 * Observe the visibility and theme of a surface, its size, and that of the cell's outputs.
 * @param {HTMLElement} root
 * @param {AbortSignal} signal disconnects the observers
 * @param {{onResize: () => void, onVisible?: (visible: boolean) => void, onTheme: () => void}} actions
 */
export function observeHost(root, signal, { onResize, onVisible = () => {}, onTheme }) {
  /** @type {Element | null} */
  let outputs = null;
  const sizes = new ResizeObserver(() => {
    const found = root.closest(".jp-OutputArea");
    if (found && found !== outputs) sizes.observe(found);
    outputs = found;
    onResize();
  });
  sizes.observe(root);
  const visibility = new IntersectionObserver((entries) => onVisible(entries[entries.length - 1].isIntersecting));
  visibility.observe(root);
  const themes = new MutationObserver(onTheme);
  themes.observe(document.body, { attributes: true });
  themes.observe(document.documentElement, { attributes: true });
  on(signal, "abort", () => {
    for (const observer of [sizes, visibility, themes]) observer.disconnect();
  });
}

/** Take over the background and the theme of the page. @param {HTMLElement} root @param {HTMLElement} host */
export function applyTheme(root, host) {
  const { color, dark } = backgroundOf(host);
  root.style.setProperty("--bcm-bg", color);
  root.classList.toggle("bcm-dark", dark);
}

/** Return whether the system is set to reduce motion. */
export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Hide the static sheet while the surface next to it is alive. Where no kernel answers, as in an
 * exported notebook, show the sheet and hide the surface until one does.
 * @param {HTMLElement} root
 * @param {string} name class of the sheet; "" if there is no sheet
 * @param {EventTarget & {ready: boolean}} store
 * @param {AbortSignal} signal ends the replacement
 */
export function replaceStaticSheet(root, name, store, signal) {
  if (!/^[\w-]+$/.test(name)) return;
  const hiding = /** @type {HTMLStyleElement} */ (element("style", "",
    `.${name}{display:none}\n.jp-OutputArea-child:has(.${name}){display:none}`));
  // In the head: a hidden surface must not disable its own style.
  document.head.append(hiding);
  const show = (/** @type {boolean} */ alive) => {
    root.hidden = !alive;
    hiding.media = alive ? "" : "not all";
  };
  const timeout = setTimeout(() => show(store.ready), KERNEL_TIMEOUT);
  for (const answer of ["cells", "image"]) store.addEventListener(answer, () => show(true), { signal });
  on(signal, "abort", () => {
    clearTimeout(timeout);
    hiding.remove();
  });
}
