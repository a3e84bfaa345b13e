// Entry of the panel: a form that builds a sweep and runs it.
// Imports go one way: core < panel < this entry.

import { PanelStore } from "./panel/panel_store.js";
import { PanelView } from "./panel/panel_view.js";

export default () => {
  /** @type {PanelStore} */
  let store;
  return {
    /** Called once per widget. @param {{model: any}} context */
    initialize({ model }) {
      store = new PanelStore(model);
      store.request("hello");
      return () => store.close();
    },
    /** Called once per view. @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new PanelView(store, model, el);
      return () => view.close();
    },
  };
};
