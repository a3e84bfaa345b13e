// What a surface must know of the page around it: its size, its colours, whether it is seen.

import { ground } from "./dom.js";

/**
 * @param {HTMLElement} root
 * @param {AbortSignal} signal ends it
 * @param {{resized: () => void, seen: (seen: boolean) => void, themed: () => void}} acts
 */
export function follow(root, signal, { resized, seen, themed }) {
  const sizes = new ResizeObserver(resized);
  sizes.observe(root);
  const sight = new IntersectionObserver((entries) => seen(entries[entries.length - 1].isIntersecting));
  sight.observe(root);
  const themes = new MutationObserver(themed);
  themes.observe(document.body, { attributes: true });
  themes.observe(document.documentElement, { attributes: true });
  signal.addEventListener("abort", () => {
    for (const observer of [sizes, sight, themes]) observer.disconnect();
  });
}

/** Paint the same ground as the page. @param {HTMLElement} root @param {HTMLElement} host */
export function theme(root, host) {
  const { color, dark } = ground(host);
  root.style.setProperty("--bcm-paper", color);
  root.classList.toggle("bcm-dark", dark);
}

/** The static sheet beside a surface is hidden while the surface is there. @param {string} name */
export function hideStatic(name) {
  if (!/^[\w-]+$/.test(name)) return "";
  return `.${name}{display:none}\n.jp-OutputArea-child:has(.${name}){display:none}`;
}
