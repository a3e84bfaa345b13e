// Entry of the panel: a form that builds a sweep and runs it.
// Imports go one way: core < panel < this entry.

import { Views } from "./core/views.js";
import { PanelStore } from "./panel/panel_store.js";
import { PanelView } from "./panel/panel_view.js";

export default () => {
  /** @type {PanelStore} */
  let store;
  /** @type {Views} */
  let views;
  return {
    /** Called once per widget. @param {{model: any}} context */
    initialize({ model }) {
      store = new PanelStore(model);
      views = new Views(model, store.client);
      store.request("hello");
      return () => {
        views.close();
        store.close();
      };
    },
    /** Called once per view. @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      return views.add(new PanelView(store, model, el));
    },
  };
};
