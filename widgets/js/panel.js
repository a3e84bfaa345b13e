// The panel: what anywidget loads.

import { Asking } from "./asking.js";
import { PanelView } from "./panelview.js";

export default () => {
  /** @type {Asking} */
  let asking;
  return {
    /** Once for a widget. @param {{model: any}} context */
    initialize({ model }) {
      asking = new Asking(model);
      asking.say("hello");
      return () => asking.close();
    },
    /** Once for a view. @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const view = new PanelView(asking, model, el);
      return () => view.close();
    },
  };
};
