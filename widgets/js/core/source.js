// What outlives the views that listen to it.

/**
 * An event target that lives longer than its listeners, such as a store: one store serves all views of
 * a widget, and a view goes each time that its cell is run again. A listener without the signal of its
 * view would keep the view, its nodes and its images, so that one is refused.
 */
export class Source extends EventTarget {
  /**
   * @param {string} type
   * @param {EventListenerOrEventListenerObject | null} listener
   * @param {AddEventListenerOptions | boolean} [options] with the signal that ends the listener
   */
  addEventListener(type, listener, options) {
    if (typeof options !== "object" || !options.signal) {
      throw new Error(`${type}: a listener of a store needs the signal of its view.`);
    }
    super.addEventListener(type, listener, options);
  }
}
