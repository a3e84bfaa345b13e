"""beecam_widgets: what a notebook shows of beecam: the grid and what goes with it, live clips.

Importing it registers how runs and clip sets show themselves, so that a run as the last line of a
cell is a live grid.

>>> import beecam_widgets as bw
>>> run                                          # a live grid
>>> grid = bw.ClipGrid(run, rows="insect")       # the same, with a handle on it
>>> bw.explore(model)                            # a panel to ask for sweeps
>>> bw.live(model, "a bee over dunes")           # a clip that follows sliders
"""

from __future__ import annotations

from beecam_widgets.grid import ClipGrid
from beecam_widgets.live import Live, live
from beecam_widgets.panel import Panel, explore
from beecam_widgets.progress import Progress, progress
from beecam_widgets.shown import register
from beecam_widgets.table import ClipTable
from beecam_widgets.viewer import ClipViewer

__all__ = [
    "ClipGrid",
    "ClipTable",
    "ClipViewer",
    "Live",
    "Panel",
    "Progress",
    "explore",
    "live",
    "progress",
]

register()
