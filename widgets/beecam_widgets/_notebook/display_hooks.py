"""How runs and clip sets are displayed in a notebook: one live grid for each set of cells."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from beecam.export import notebook


class Grid(Protocol):
    """The methods that a displayed grid needs.

    Attributes:
        comm: The channel to the front end; None after `close()`.
        run: The run that the grid shows, or None.
    """

    comm: Any

    @property
    def run(self) -> Any:
        """The run that the grid shows, or None."""

    def show(self, clips: Any) -> None:
        """Show another run or clip set."""

    def _ipython_display_(self) -> None: ...


class DisplayHooks:
    """Displays each set of cells in the one grid that it already has.

    A notebook cell is run many times: displaying the same cells again reuses their grid.

    Attributes:
        grids: The grid of each set of cells, by its token.
    """

    def __init__(self, create: Callable[[Any], Grid], token_of: Callable[[Any], str]) -> None:
        """Create the hooks; `register` installs them.

        Args:
            create: Creates the grid of a run or a clip set.
            token_of: Returns the same string for two values with the same cells.
        """
        # A grid is stored by its cells and its page; once it is closed, nothing keeps its run.
        self.grids: weakref.WeakValueDictionary[str, Grid] = weakref.WeakValueDictionary()
        self._create = create
        self._token_of = token_of

    def register(self) -> None:
        """Display runs and clip sets as grids from now on."""
        notebook.register(run=self.show, clips=self.show)

    def show(self, clips: Any) -> None:
        """Display a run or a clip set as a live grid."""
        token = self._token_of(clips)
        grid = self.grids.get(token)
        if grid is None or grid.comm is None:
            grid = self.grids[token] = self._create(clips)
        elif grid.run is not clips:
            grid.show(clips)
        grid._ipython_display_()
