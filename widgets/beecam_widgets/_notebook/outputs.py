"""Outputs of a notebook cell: a live widget, and static HTML that needs no kernel."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import IPython
import IPython.display

from beecam.errors import LibraryError


def display_widget(widget: Any) -> None:
    """Display a widget as an output of its own.

    Static HTML goes into a second output: inside the widget's own output it would not be used as
    a fallback, and updating it would reload the widget.
    """
    bundle = widget._repr_mimebundle_()
    if bundle is not None:
        IPython.display.display(bundle[0], metadata=bundle[1], raw=True)


def current_cell_id() -> str:
    """Return the id of the notebook cell that is running, or "" if the front end sends none."""
    shell = IPython.get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return str(parent.get("metadata", {}).get("cellId") or "")


class StaticOutput:
    """HTML below a widget, stored in the notebook and readable when no kernel runs.

    Every update marks the notebook as unsaved, so that the HTML is replaced only when the value
    of `fingerprint` has changed.

    Attributes:
        displayed: Whether the output exists in a notebook.
    """

    def __init__(
        self,
        display_id: str,
        render: Callable[[], str],
        fingerprint: Callable[[], object] = object,  # a new object equals no other
    ) -> None:
        """Create the output without displaying it.

        Args:
            display_id: Identifies the output for updates.
            render: Returns the HTML.
            fingerprint: Returns a value that changes when the HTML does. By default every update
                replaces the HTML.
        """
        self._display_id = display_id
        self._render = render
        self._fingerprint = fingerprint
        self._lock = threading.Lock()
        self._last: object = None
        self.displayed = False

    def display(self) -> None:
        """Display the HTML in the running notebook cell."""
        with self._lock:
            self._last = self._fingerprint()
            html = IPython.display.HTML(self._render())
            IPython.display.display(html, display_id=self._display_id)
            self.displayed = True

    def update(self) -> None:
        """Replace the HTML if it has changed; a library closed meanwhile leaves it unchanged."""
        with self._lock, contextlib.suppress(LibraryError):
            if not self.displayed or (now := self._fingerprint()) == self._last:
                return
            self._last = now
            html = IPython.display.HTML(self._render())
            IPython.display.update_display(html, display_id=self._display_id)

    def update_in_background(self) -> None:
        """Update on another thread: rendering may have to re-encode videos."""
        threading.Thread(target=self.update, name="beecam-sheet", daemon=True).start()

    def update_after_cells(self, finished: Callable[[], bool]) -> None:
        """Check after each notebook cell, too, until `finished()` is true; then update.

        A notebook that is executed without a front end may end right after `run.wait()`, before
        any thread of the widget has seen that the run is over.
        """
        shell = IPython.get_ipython()
        if shell is None:
            return

        def check(*_: object) -> None:
            if finished():
                shell.events.unregister("post_run_cell", check)
                self.update()

        shell.events.register("post_run_cell", check)

    def close(self) -> None:
        """Stop updating; the HTML that is displayed stays."""
        with self._lock:
            self.displayed = False
