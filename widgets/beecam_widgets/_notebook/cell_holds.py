"""Which cells of the notebook hold which widgets; widgets that none holds are closed.

A widget that is never closed stays in the kernel with its channel, its threads and its model: each
time that a cell is run again, it would leave another one that follows every change.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol

import IPython
from ipywidgets.widgets.widget import _instances as widget_registry

from beecam_widgets._notebook.outputs import current_cell_id
from beecam_widgets._notebook.results import drop_result


class HeldWidget(Protocol):
    """What this module needs of a widget.

    Attributes:
        comm: The channel to the front end; None after `close()`.
        has_views: Whether a page shows it.
        remains: Its static output, if it has one.
    """

    comm: Any

    @property
    def has_views(self) -> bool:
        """Whether a page shows it."""

    @property
    def remains(self) -> Any:
        """Its static output, if it has one."""

    def close(self) -> None:
        """Remove it from the page and from the kernel."""


class CellHolds:
    """Closes widgets that neither a cell, nor a page, nor a variable holds any more.

    A cell holds what was created or displayed in its latest execution. Where the host doesn't say
    which cell is running, the widgets of that cell are held forever.
    """

    def __init__(self) -> None:
        self._cells: weakref.WeakKeyDictionary[HeldWidget, set[str]] = weakref.WeakKeyDictionary()
        self._exempt: weakref.WeakSet[HeldWidget] = weakref.WeakSet()
        self._lock = threading.RLock()
        self._depth = 0  # of cells that run cells
        self._cleared: list[HeldWidget] = []
        self._new: weakref.WeakSet[HeldWidget] = weakref.WeakSet()  # held since the cell began
        self._shell: Any = None

    def hold(self, widget: HeldWidget) -> None:
        """Let the running cell hold a widget, which was created or displayed there."""
        self._watch()
        with self._lock:
            if widget in self._exempt:
                return
            self._cells.setdefault(widget, set()).add(current_cell_id())
            self._new.add(widget)

    def forget(self, widget: HeldWidget) -> None:
        """Never close a widget from here: it is closed, or ends with another widget."""
        with self._lock:
            self._exempt.add(widget)
            self._cells.pop(widget, None)

    def close_unheld(self) -> None:
        """Close what nothing holds; during a cell nothing is closed, as it may display it again."""
        with self._lock:
            if self._depth:
                return
            unheld = [widget for widget, cells in self._cells.items() if not cells]
            gone = [one for one in unheld if not one.has_views and not self._is_named(one)]
            for widget in gone:
                del self._cells[widget]
        for widget in gone:
            if self._shell is not None:
                drop_result(self._shell, widget)  # it would keep its model
            widget.close()

    def _watch(self) -> None:
        shell = IPython.get_ipython()
        if shell is None or shell is self._shell:
            return
        self._shell = shell
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)

    def _before_cell(self, *_: object) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1 and (cell := current_cell_id()):
                self._cleared = [one for one, cells in self._cells.items() if cell in cells]
                for widget in self._cleared:
                    self._cells[widget].discard(cell)
                    if remains := widget.remains:
                        remains.clear_cell(cell)

    def _after_cell(self, *_: object) -> None:
        with self._lock:
            # The first time, the cell began before this was watching.
            self._depth = max(0, self._depth - 1)
            if self._depth:
                return
            cleared, self._cleared = self._cleared, []
            new = list(self._new)
            self._new.clear()
        self.close_unheld()
        for widget in cleared:
            if widget.comm is not None and (remains := widget.remains):
                remains.restore()
        for widget in new:
            remains = widget.remains
            if widget.comm is None or remains is None or remains.displayed:
                continue
            # Another widget that contains it displays nothing that stays.
            if _is_contained(widget):
                remains.display()

    def _is_named(self, widget: HeldWidget) -> bool:
        """Return whether a variable of the notebook holds the widget."""
        names = {} if self._shell is None else self._shell.user_ns
        return any(value is widget for name, value in list(names.items()) if name[:1] != "_")


def _is_contained(widget: HeldWidget) -> bool:
    """Return whether another open widget, such as a box, shows the widget."""
    return any(
        child is widget
        for one in list(widget_registry.values())
        for child in getattr(one, "children", ())
    )


cell_holds = CellHolds()
