"""The base class of all widgets: displayed in cells, and closed once nothing holds them."""

from __future__ import annotations

from typing import Any, Protocol

import anywidget
import IPython.display

from beecam._util.attributes import FixedAttributes
from beecam.errors import BeecamError
from beecam_widgets._notebook.cell_holds import cell_holds
from beecam_widgets._notebook.templates import render


class Remains(Protocol):
    """A static output of a widget, as `StaticOutput` is one."""

    @property
    def displayed(self) -> bool:
        """Whether it is displayed in a cell."""

    def display(self) -> None:
        """Display it in the running cell."""

    def clear_cell(self, cell: str) -> None:
        """Note that what a cell displayed is gone, because it is run again."""

    def restore(self) -> bool:
        """Move it to another cell if its own is gone; return whether one has it."""


class NotebookWidget(FixedAttributes, anywidget.AnyWidget):  # type: ignore[misc]
    """A widget that knows whether it is shown, and ends with the last cell that holds it.

    Everything that a widget starts or that holds it (threads, events of the shell, registries)
    ends in `close()`.
    """

    def __init__(self, **traits: Any) -> None:
        self._views: set[str] = set()
        super().__init__(**traits)
        self.on_msg(self._on_any_message)
        cell_holds.hold(self)

    @property
    def closed(self) -> bool:
        """Whether it was closed: by `close()`, or when its cell was run again.

        >>> grid.closed
        False
        """
        return self.comm is None

    @property
    def has_views(self) -> bool:
        """Whether an open page shows it, alone or inside another widget.

        >>> grid.has_views
        True
        """
        return bool(self._views)

    def close(self) -> None:
        """Remove the widget from the page and from the kernel.

        >>> grid.close()
        """
        super().close()
        if self.has_trait("layout"):
            self.layout.close()
        cell_holds.forget(self)

    @property
    def remains(self) -> Remains | None:
        """What stays in the notebook when no kernel runs; None if there is nothing.

        >>> grid.remains.displayed
        True
        """
        return self._remains

    @property
    def _remains(self) -> Remains | None:
        return None

    def _check_open(self) -> None:
        """Raise if it was closed.

        Raises:
            BeecamError: It was closed.
        """
        if self.closed:
            raise BeecamError(self._closed_text())

    def _closed_text(self) -> str:
        """Return a sentence that says that it is closed, and how to get another one."""
        return (
            f"This {type(self).__name__} is closed, by close() or because its cell was run again. "
            f"{self._how_to_reopen()}"
        )

    def _how_to_reopen(self) -> str:
        return "Create another one."

    def _display(self) -> None:
        """Display its outputs in the running cell; it isn't closed."""

    def _receive(self, content: dict[str, Any]) -> None:
        """Take a message of a front end, on any thread."""

    def _on_any_message(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, dict):
            return
        kind, view = content.get("kind"), str(content.get("client", ""))
        if kind == "opened":
            self._views.add(view)
        elif kind == "closed":
            self._views.discard(view)
            cell_holds.close_unheld()
        else:
            self._receive(content)

    def _ipython_display_(self) -> None:
        if self.closed:
            text = self._closed_text()
            html = render("surface.html", css_class="beecam-closed", sheet="", text=text)
            IPython.display.display({"text/plain": text, "text/html": html}, raw=True)
            return
        cell_holds.hold(self)
        self._display()
