// What a surface must know of the page around it: its size, its colours, whether it is seen.

import { element, focus, ground, on } from "./dom.js";

// Milliseconds that a kernel may take before it is held to be none.
const PATIENCE = 8000;

// What a page can know of its kernel: that nothing is heard of it, or, where the host says so by
// ending the talk of its models, that it is gone.
export const SILENT = "The kernel does not answer: it may be busy, or the connection is lost. After a restart, run the cell again.";
export const ENDED = "comm_live_update";
export const GONE = "The kernel was restarted or has ended: run the cell again.";

/**
 * @param {HTMLElement} root
 * @param {AbortSignal} signal ends it
 * @param {{resized: () => void, seen?: (seen: boolean) => void, themed: () => void}} acts
 */
export function follow(root, signal, { resized, seen = () => {}, themed }) {
  const sizes = new ResizeObserver(resized);
  sizes.observe(root);
  const sight = new IntersectionObserver((entries) => seen(entries[entries.length - 1].isIntersecting));
  sight.observe(root);
  const themes = new MutationObserver(themed);
  themes.observe(document.body, { attributes: true });
  themes.observe(document.documentElement, { attributes: true });
  on(signal, "abort", () => {
    for (const observer of [sizes, sight, themes]) observer.disconnect();
  });
}

/** Paint the same ground as the page. @param {HTMLElement} root @param {HTMLElement} host */
export function theme(root, host) {
  const { color, dark } = ground(host);
  root.style.setProperty("--bcm-paper", color);
  root.classList.toggle("bcm-dark", dark);
}

/** Whether whoever looks at the page asked for one that stands still. */
export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Give the keys back to the host. @param {HTMLElement} root */
export function leave(root) {
  const outside = /** @type {HTMLElement | null} */ (root.parentElement?.closest("[tabindex]"));
  /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
  focus(outside);
}

/**
 * The static sheet beside a surface is hidden while the surface is there. Where no kernel answers,
 * as in an exported page, the sheet is shown in the surface's place until one does.
 * @param {HTMLElement} root
 * @param {string} name the sheet's class; "" where there is none
 * @param {EventTarget & {ready: boolean}} store
 * @param {AbortSignal} signal ends it
 */
export function standIn(root, name, store, signal) {
  if (!/^[\w-]+$/.test(name)) return;
  const hiding = /** @type {HTMLStyleElement} */ (element("style", "",
    `.${name}{display:none}\n.jp-OutputArea-child:has(.${name}){display:none}`));
  // In the head: a surface that is hidden itself must not take it along.
  document.head.append(hiding);
  const show = (/** @type {boolean} */ there) => {
    root.hidden = !there;
    hiding.media = there ? "" : "not all";
  };
  const waiting = setTimeout(() => show(store.ready), PATIENCE);
  for (const answer of ["cells", "picture"]) store.addEventListener(answer, () => show(true), { signal });
  on(signal, "abort", () => {
    clearTimeout(waiting);
    hiding.remove();
  });
}
