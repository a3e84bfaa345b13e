// Entry of exported pages: the grid without a kernel, answered from the data in the page.
// Imports go one way: query, core < data < surface < grid < this entry.

import { LocalModel } from "./data/local_model.js";
import { StaticBackend } from "./data/static_backend.js";
import { Store } from "./data/store.js";
import { GridView } from "./grid/grid_view.js";

const MIN_HEIGHT = 320; // pixels, in low windows

const host = /** @type {HTMLElement} */ (document.getElementById("grid"));
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Return the height that the window leaves for the cells. */
function availableHeight() {
  const { bottom, top } = /** @type {HTMLElement} */ (document.querySelector(".bcm-scroll")).getBoundingClientRect();
  // Everything but the cells, at any scroll position.
  return Math.max(MIN_HEIGHT, innerHeight - (document.body.scrollHeight - (bottom - top)));
}

/** Start the grid. */
function start() {
  const contents = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("facts")).textContent ?? "");
  const backend = new StaticBackend(contents, [...document.querySelectorAll("#sheet figure")]);
  const store = new Store({ send: (content) => backend.receive(content) });
  backend.onMessage = (content, buffers) => store.onMessage(content, buffers);
  const model = new LocalModel({
    size: 0, height: MIN_HEIGHT, playing: true, speed: 1, _current: -1, _selected: [], _sheet: "",
    ...contents.view, // rows, columns, fixed, filter, sort
  });
  new GridView(store, model, host);
  store.hello();
  const fit = () => model.set("height", availableHeight());
  // The page's only view stays as long as the page.
  const { signal } = new AbortController();
  store.addEventListener("cells", () => requestAnimationFrame(fit), { signal });
  addEventListener("resize", fit);
  // The grid observes attributes of the page to notice a change of the theme.
  dark.addEventListener("change", () => { document.documentElement.dataset.scheme = dark.matches ? "dark" : "light"; });
  // The contact sheet is printed; its images are not loaded while it is hidden.
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("#sheet img")) image.removeAttribute("loading");
  });
}

try {
  start();
  document.documentElement.classList.add("live");
} catch (error) {
  // The contact sheet stays visible.
  host.remove();
  throw error;
}
