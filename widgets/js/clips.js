// Entry of the grid, the table and the viewer: one bundle, because they share most of their modules.
// Imports go one way: query, core < data < surface < grid, table < clips.

import { entry } from "./core/entry.js";
import { Store } from "./data/store.js";
import { GridView } from "./grid/grid_view.js";
import { Viewer } from "./surface/viewer.js";
import { Table } from "./table/table.js";

/** Surfaces by the value of the model's `_surface` trait. */
const SURFACES = { grid: GridView, table: Table, viewer: Viewer };

export default () => entry(
  (/** @type {(content: object) => void} */ send) => new Store({ send }),
  (store, model, host) => {
    const Surface = SURFACES[/** @type {keyof typeof SURFACES} */ (model.get("_surface"))];
    return new Surface(store, model, host);
  },
);
