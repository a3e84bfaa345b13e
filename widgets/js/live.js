// Entry of the live widget: one clip that is rendered again while its controls move.
// Imports go one way: core < data < live < this entry.

import { entry } from "./core/entry.js";
import { LiveStore } from "./live/live_store.js";
import { LiveView } from "./live/live_view.js";

export default () => entry(
  (/** @type {(content: object) => void} */ send) => new LiveStore({ send }),
  (store, model, host) => new LiveView(store, model, host),
);
