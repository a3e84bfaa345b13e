// What anywidget loads: one store for a widget, one surface for each of its views.

import { ENDED } from "./page.js";
import { Store } from "./store.js";

/** @typedef {new (store: Store, model: any, host: HTMLElement) => {close: () => void}} Kind */

/** @param {Record<string, Kind>} kinds by the name that the widget's model gives */
export function widget(kinds) {
  /** @type {Store} */
  let store;
  return {
    /** Once for a widget. @param {{model: any}} context */
    initialize({ model }) {
      store = new Store({ send: (content) => model.send(content) });
      const hear = (/** @type {any} */ content, /** @type {DataView[]} */ buffers) =>
        store.hear(content, buffers);
      const ended = () => store.onEnded();
      model.on("msg:custom", hear);
      model.on(ENDED, ended);
      store.hello();
      return () => {
        model.off("msg:custom", hear);
        model.off(ENDED, ended);
        store.close();
      };
    },
    /** Once for a view. @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new kinds[model.get("_surface")](store, model, el);
      return () => view.close();
    },
  };
}
