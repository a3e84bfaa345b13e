"""Outputs of a notebook cell: a live widget, and static HTML that needs no kernel."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import IPython
import IPython.display

from beecam.errors import LibraryError
from beecam.export.notebook import mime_bundle

_numbers = itertools.count(1)


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
    of `fingerprint` has changed. Displayed again, in the same cell or in another one, the HTML
    moves there: a notebook has it once.

    Attributes:
        displayed: Whether the output exists in a notebook.
    """

    def __init__(
        self,
        name: str,
        render: Callable[[], str],
        *,
        fingerprint: Callable[[], object] = object,  # a new object equals no other
        render_moved: Callable[[], str] | None = None,
        describe: Callable[[], str] = lambda: "beecam",
        still: Callable[[], bytes] = bytes,
    ) -> None:
        """Create the output without displaying it.

        Args:
            name: Begins the ids by which the outputs are updated.
            render: Returns the HTML.
            fingerprint: Returns a value that changes when the HTML does. By default every update
                replaces the HTML.
            render_moved: Returns the HTML of an output that was displayed again elsewhere; by
                default that of `render`.
            describe: Returns one line that says what the HTML shows.
            still: Returns a JPEG of what it shows, for LaTeX and PDF; b"" for none.
        """
        self._name = name
        self._render = render
        self._render_moved = render_moved or render
        self._fingerprint = fingerprint
        self._describe = describe
        self._still = still
        self._lock = threading.Lock()
        self._last: object = None
        # Where it is displayed: cells and display ids, the last of which has the HTML.
        self._places: list[tuple[str, str]] = []
        self._shown_id = ""
        self._unsubscribe: Callable[[], None] = lambda: None
        self.displayed = False

    def display(self) -> None:
        """Display the HTML in the running notebook cell."""
        with self._lock:
            self._last = self._fingerprint()
            if self._places:
                self._replace(self._shown_id, self._bundle(self._render_moved(), b""))
            self._shown_id = f"{self._name}-{next(_numbers)}"
            self._places.append((current_cell_id(), self._shown_id))
            bundle = self._bundle(self._render(), self._still())
            IPython.display.display(bundle, raw=True, display_id=self._shown_id)
            self.displayed = True

    def clear_cell(self, cell: str) -> None:
        """Note that what a cell displayed is gone, because it is run again."""
        with self._lock:
            self._places = [place for place in self._places if place[0] != cell]

    def restore(self) -> bool:
        """Move the HTML to another cell if its own is gone; return whether one has it.

        Called when the cell has ended, which may have displayed it again.
        """
        with self._lock:
            self.displayed = self.displayed and bool(self._places)
            if not self.displayed:
                return False
            shown_id = self._places[-1][1]
            if shown_id == self._shown_id:
                return True
            self._shown_id, self._last = shown_id, object()
        self.update()
        return True

    def update(self) -> None:
        """Replace the HTML if it has changed; a library closed meanwhile leaves it unchanged."""
        with self._lock, contextlib.suppress(LibraryError):
            if not self.displayed or (now := self._fingerprint()) == self._last:
                return
            self._last = now
            self._replace(self._shown_id, self._bundle(self._render(), self._still()))

    def update_in_background(self) -> None:
        """Update on another thread: rendering may have to re-encode videos."""
        threading.Thread(target=self.update, name="beecam-sheet", daemon=True).start()

    def update_after_cells(
        self, finished: Callable[[], bool], is_due: Callable[[], bool] = lambda: False
    ) -> None:
        """Update after each notebook cell, and when the kernel ends, until `finished()` is true.

        A notebook that is executed without a front end may end right after `run.wait()`, before
        any thread of the widget has seen that the run is over, or while the run is unfinished.

        Args:
            finished: Returns whether what is displayed is final.
            is_due: Returns whether to update before that, too.
        """
        shell = IPython.get_ipython()
        self._unsubscribe()
        if shell is None or finished():
            return

        def check(*_: object) -> None:
            over = finished()
            if over:
                self._unsubscribe()
            if over or is_due():
                self.update()

        def unsubscribe() -> None:
            self._unsubscribe = lambda: None
            shell.events.unregister("post_run_cell", check)
            atexit.unregister(self._update_at_exit)

        self._unsubscribe = unsubscribe
        shell.events.register("post_run_cell", check)
        atexit.register(self._update_at_exit)

    def _update_at_exit(self) -> None:
        # The host may be gone, and nothing can be reported any more.
        with contextlib.suppress(Exception):
            self.update()

    def close(self) -> None:
        """Stop updating; the HTML that is displayed stays."""
        with self._lock:
            self.displayed = False
        self._unsubscribe()

    def _bundle(self, html: str, still: bytes) -> dict[str, str]:
        return mime_bundle(html, self._describe(), still)

    def _replace(self, display_id: str, bundle: dict[str, str]) -> None:
        IPython.display.update_display(bundle, raw=True, display_id=display_id)
