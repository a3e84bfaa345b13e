"""The open surfaces of this kernel, by which code finds the surface that shows a run."""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import Any, Protocol

from beecam.runs.run import Run
from beecam_widgets._notebook.notebook_widget import Remains

# The parts of a grid's view that a page without a kernel starts with.
_PAGE_PARTS = ("rows", "columns", "fixed", "filter", "sort")


class OpenSurface(Protocol):
    """What this module needs of a surface; `Surface` is one.

    Attributes:
        comm: The channel to the front end; None after `close()`.
    """

    comm: Any

    @property
    def has_views(self) -> bool:
        """Whether an open page shows it."""

    @property
    def remains(self) -> Remains | None:
        """What stays in the notebook when no kernel runs."""

    @property
    def view(self) -> dict[str, Any]:
        """All display settings as plain data."""

    def shows(self, clips: object, *, exactly: bool = False) -> bool:
        """Return whether these are the surface's cells."""


_numbers = itertools.count()
_opened: weakref.WeakKeyDictionary[OpenSurface, int] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def set_latest(surface: OpenSurface) -> None:
    """Make a surface the latest: it was created or displayed, or shows other clips."""
    with _lock:
        _opened[surface] = next(_numbers)


def _open_surfaces() -> list[OpenSurface]:
    """Return the surfaces that are not closed, the latest first."""
    with _lock:
        numbers = dict(_opened)
    latest_first = sorted(numbers, key=lambda surface: numbers[surface], reverse=True)
    return [surface for surface in latest_first if surface.comm is not None]


def selected_cells(run: Run) -> list[int] | None:
    """Return the indices of a run's cells that are selected, or None if no surface shows the run.

    >>> selected_cells(run)
    [0, 3]
    """
    for surface in _open_surfaces():
        if surface.shows(run):
            count = len(run.sweep.cells)
            return sorted({cell for cell in surface.view["selected"] if 0 <= cell < count})
    return None


def shows_notes(run: Run) -> bool:
    """Return whether a displayed grid shows a run, and so its notes.

    >>> shows_notes(run)
    True
    """
    return any(
        surface.shows(run) and "rows" in surface.view and _is_displayed(surface)
        for surface in _open_surfaces()
    )


def _is_displayed(surface: OpenSurface) -> bool:
    remains = surface.remains
    return surface.has_views or (remains is not None and remains.displayed)


def grid_view(*clips: object) -> dict[str, Any] | None:
    """Return rows, columns, fixed values, filter and order of the latest grid of some clips.

    Clips that were taken from a grid belong to that grid, even if another one shows the same.

    >>> grid_view(run.clips, run)["rows"]
    ['insect']

    Args:
        clips: Runs, clip sets, or sources that surfaces took clips from, the preferred first.

    Returns:
        The settings, or None if no grid shows any of these clips.
    """
    surfaces = _open_surfaces()
    for exactly, one in itertools.product((True, False), clips):
        for surface in surfaces:
            if surface.shows(one, exactly=exactly) and "rows" in (view := surface.view):
                return {name: view[name] for name in _PAGE_PARTS}
    return None
