// The grid in a page of its own: no kernel; what lies in the page answers.

import { StaticBackend } from "./data/static_backend.js";
import { Model } from "./data/local_model.js";
import { Store } from "./data/store.js";
import { GridView } from "./grid/grid_view.js";

const LEAST = 320; // pixels of height that the grid has on a low window

const host = /** @type {HTMLElement} */ (document.getElementById("grid"));
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What is left of the window for the cells. */
function room() {
  const { bottom, top } = /** @type {HTMLElement} */ (document.querySelector(".bcm-scroll")).getBoundingClientRect();
  // All that isn't cells, wherever the page is scrolled to.
  return Math.max(LEAST, innerHeight - (document.body.scrollHeight - (bottom - top)));
}

function begin() {
  const facts = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("facts")).textContent ?? "");
  const answers = new StaticBackend(facts, [...document.querySelectorAll("#sheet figure")]);
  const store = new Store({ send: (content) => answers.take(content) });
  answers.hear = (content, buffers) => store.hear(content, buffers);
  const model = new Model({
    rows: [], columns: [], fixed: {}, size: 0, height: LEAST, playing: true, speed: 1, filter: "", sort: "",
    _current: -1, _selected: [], _sheet: "",
  });
  new GridView(store, model, host);
  store.hello();
  const fit = () => model.set("height", room());
  store.addEventListener("cells", () => requestAnimationFrame(fit));
  addEventListener("resize", fit);
  // The view looks at the page's attributes to know when colours change.
  dark.addEventListener("change", () => { document.documentElement.dataset.scheme = dark.matches ? "dark" : "light"; });
  // On paper is the contact sheet, whose pictures are not loaded while it is hidden.
  addEventListener("beforeprint", () => {
    for (const picture of document.querySelectorAll("#sheet img")) picture.removeAttribute("loading");
  });
}

try {
  begin();
  document.documentElement.classList.add("live");
} catch (error) {
  // The contact sheet stays.
  host.remove();
  throw error;
}
