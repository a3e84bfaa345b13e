"""How runs and clip sets show themselves in a notebook: as one grid each."""

from __future__ import annotations

from beecam.clips.clip_set import ClipSet
from beecam.export import notebook as display
from beecam.runs.run import Run
from beecam_widgets.grid import ClipGrid
from beecam_widgets.source import source_of

# Widgets are never collected, and a notebook's cell is run again and again: what shows the same
# cells is the same grid, so that re-running a cell re-attaches instead of piling up.
_grids: dict[str, ClipGrid] = {}


def register() -> None:
    """Make grids the way in which runs and clip sets are shown."""
    display.register(run=show, clips=show)


def show(shown: Run | ClipSet) -> None:
    """Show a run or a clip set as a live grid, the one it already has where it has one."""
    token = source_of(shown).token
    grid = _grids.get(token)
    if grid is None or grid.comm is None:
        grid = _grids[token] = ClipGrid(shown)
    elif grid.run is not shown:
        grid.show(shown)
    grid._ipython_display_()
