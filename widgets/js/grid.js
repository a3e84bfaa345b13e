// The live grid of clips.

import { widget } from "./start.js";
import { View } from "./view.js";

export default () => widget(View);
