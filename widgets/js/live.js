// A clip that follows the hand: what anywidget loads.

import { LiveStore } from "./live_store.js";
import { LiveView } from "./live_view.js";
import { ENDED } from "./page.js";

export default () => {
  /** @type {LiveStore} */
  let store;
  return {
    /** Once for a widget. @param {{model: any}} context */
    initialize({ model }) {
      store = new LiveStore({ send: (content) => model.send(content) });
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
      const view = new LiveView(store, model, el);
      return () => view.close();
    },
  };
};
