// Connects a store and its views to the lifecycle of an anywidget front end.

import { KERNEL_ENDED } from "./host.js";
import { Views } from "./views.js";

/**
 * What every store that talks with Python offers.
 * @typedef {{
 *   hello: () => void, onMessage: (content: any, buffers: DataView[]) => void,
 *   onKernelEnded: () => void, close: () => void, client: string,
 * }} WidgetStore
 * @typedef {{close: () => void}} WidgetView
 */

/**
 * Return the object that anywidget loads: one store per widget, one view per output.
 * @template {WidgetStore} S
 * @param {(send: (content: object) => void) => S} createStore
 * @param {(store: S, model: any, host: HTMLElement) => WidgetView} createView
 */
export function entry(createStore, createView) {
  /** @type {S} */
  let store;
  /** @type {Views} */
  let views;
  return {
    /** Called once per widget. @param {{model: any}} context */
    initialize({ model }) {
      store = createStore((content) => model.send(content));
      views = new Views(model, store.client);
      const onMessage = (/** @type {any} */ content, /** @type {DataView[]} */ buffers) =>
        store.onMessage(content, buffers);
      const onKernelEnded = () => store.onKernelEnded();
      model.on("msg:custom", onMessage);
      model.on(KERNEL_ENDED, onKernelEnded);
      store.hello();
      return () => {
        model.off("msg:custom", onMessage);
        model.off(KERNEL_ENDED, onKernelEnded);
        views.close();
        store.close();
      };
    },
    /** Called once per view. @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      return views.add(createView(store, model, el));
    },
  };
}
