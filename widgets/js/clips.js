// The surfaces that show clips, in one bundle: they share nearly all they are made of.

import { widget } from "./start.js";
import { Table } from "./table.js";
import { View } from "./view.js";
import { Viewer } from "./viewer.js";

export default () => widget({ grid: View, table: Table, viewer: Viewer });
