"""beecam_widgets: notebook widgets for beecam: grid, table, viewer, panel and live view.

Importing it registers the display of runs and clip sets: a run in the last line of a cell is a
live grid.

>>> import beecam_widgets as bw
>>> run                                          # a live grid
>>> grid = bw.ClipGrid(run, rows="insect")       # the same, with a name
>>> bw.explore(model)                            # a panel that builds and runs sweeps
>>> bw.live(model, "a bee over dunes")           # a clip that follows its controls
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import IPython

from beecam._util.keywords import explain_keywords
from beecam.errors import did_you_mean
from beecam.export import notebook
from beecam_widgets._clips.cell_source import token_of
from beecam_widgets._clips.open_surfaces import grid_view, selected_cells, shows_notes
from beecam_widgets._notebook.display_hooks import DisplayHooks
from beecam_widgets._notebook.results import cell_results
from beecam_widgets.explore import explore
from beecam_widgets.grid import ClipGrid
from beecam_widgets.live import Live, live
from beecam_widgets.panel import Panel
from beecam_widgets.table import ClipTable
from beecam_widgets.viewer import ClipViewer

__all__ = [
    "ClipGrid",
    "ClipTable",
    "ClipViewer",
    "Live",
    "Panel",
    "explore",
    "live",
]

explore, live = explain_keywords(explore), explain_keywords(live)
_hooks = DisplayHooks(ClipGrid, token_of)
_hooks.register()
notebook.register(selection=selected_cells, view=grid_view, notes=shows_notes)
cell_results.watch(IPython.get_ipython())


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        hint = did_you_mean(name, __all__, "bw.{}")
        raise AttributeError(f"module 'beecam_widgets' has no attribute {name!r}.{hint}")
