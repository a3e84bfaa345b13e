// Small helpers for the page. Text from outside only ever becomes text.

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

/** Paths on a 16 x 16 field. @type {Record<string, string>} */
const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  stop: "M3.5 3.5h9v9h-9z",
  close: "M3.3 4.4l1.1-1.1L8 6.9l3.6-3.6 1.1 1.1L9.1 8l3.6 3.6-1.1 1.1L8 9.1l-3.6 3.6-1.1-1.1L6.9 8z",
  previous: "M10.5 2.5L5 8l5.5 5.5 1.1-1.1L7.2 8l4.4-4.4z",
  next: "M5.5 2.5L11 8l-5.5 5.5-1.1-1.1L8.8 8 4.4 3.6z",
  again: "M8 2.5a5.5 5.5 0 015.2 3.7l1.6-.5-1 3.9-3.2-2.5 1.2-.4A4 4 0 108 12v1.5a5.5 5.5 0 010-11z",
  tag: "M2 2h6l6 6-6 6-6-6zm3 1.8A1.2 1.2 0 105 6.2 1.2 1.2 0 005 3.8z",
  compare: "M2 3h5v10H2zm7 0h5v10H9zM3.2 4.2v7.6h2.6V4.2zm7 0v7.6h2.6V4.2z",
  full: "M2 2h4.5v1.5h-3v3H2zm7.5 0H14v4.5h-1.5v-3h-3zM2 9.5h1.5v3h3V14H2zm10.5 0H14V14H9.5v-1.5h3z",
  plus: "M7.2 3h1.6v4.2H13v1.6H8.8V13H7.2V8.8H3V7.2h4.2z",
  down: "M2.5 5.5L8 11l5.5-5.5-1.1-1.1L8 8.8 3.6 4.4z",
  back: "M6.5 2.5L2 7l4.5 4.5V8.600c3.5 0 5.5 1 7 3.900-.4-4.2-2.600-6.600-7-7z",
  dice: "M3.5 2h9A1.5 1.5 0 0114 3.5v9a1.5 1.5 0 01-1.5 1.5h-9A1.5 1.5 0 012 12.5v-9A1.5 1.5 0 013.5 2zm0 1.5v9h9v-9zM5 5h2v2H5zm4 4h2v2H9zM5 9h2v2H5zm4-4h2v2H9z",
  star: "M8 1.6l1.9 4.1 4.5.5-3.3 3 .9 4.4L8 11.4l-4 2.2.9-4.4-3.3-3 4.5-.5z",
  reject: "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM3 8a5 5 0 017.9-4.1L3.9 10.9A5 5 0 013 8zm5 5a5 5 0 01-2.9-.9l7-7A5 5 0 018 13z",
};

/**
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "bcm-icon");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * @param {string} name of the icon
 * @param {string} label what it does, for pointers and screen readers
 * @param {() => void} act
 * @param {string} [text] shown beside the icon
 * @returns {HTMLButtonElement}
 */
export function button(name, label, act, text = "") {
  const made = /** @type {HTMLButtonElement} */ (element("button", "bcm-button"));
  made.type = "button";
  dress(made, name, label, text);
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    act();
  });
  return made;
}

/**
 * Give a button another icon and label; does nothing when it has them already.
 * @param {HTMLButtonElement} made
 * @param {string} name
 * @param {string} label
 * @param {string} [text]
 */
export function dress(made, name, label, text = "") {
  const now = `${name}|${label}|${text}`;
  if (made.dataset.dress === now) return;
  made.dataset.dress = now;
  made.replaceChildren(...(name in ICONS ? [icon(name)] : []), ...(text ? [element("span", "", text)] : []));
  made.setAttribute("aria-label", label);
  made.title = label;
}

/**
 * Five stars that can be pressed.
 * @param {(stars: number) => void} act
 */
export function starRow(act) {
  const row = element("div", "bcm-stars");
  const all = [1, 2, 3, 4, 5].map((stars) => {
    const star = button("star", `${stars} ${stars === 1 ? "star" : "stars"}`, () =>
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
