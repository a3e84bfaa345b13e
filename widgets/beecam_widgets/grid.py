"""The live grid of clips."""

from __future__ import annotations

import html
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import anywidget
import traitlets as t

from beecam.clip import Clip, ClipSet
from beecam.display import contact_sheet_html
from beecam.errors import BeecamError, did_you_mean
from beecam.run import Run
from beecam_widgets.publisher import Publisher
from beecam_widgets.source import Source, clips_of, source_of

_SHEET_BYTES = 700_000
_STATIC = resources.files("beecam_widgets") / "static"


class _Names(t.List):  # type: ignore[misc]
    """A list of names that may be given as a single name."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        names: list[str] = super().validate(obj, [value] if isinstance(value, str) else value)
        return names


class ClipGrid(anywidget.AnyWidget):  # type: ignore[misc]
    """A grid of clips that fills while they are made; every interaction is a readable value.

    >>> grid = bw.ClipGrid(run, rows="insect", columns="seed")
    >>> grid                    # the last line of a cell shows it
    >>> grid.selection          # what was selected by hand, a ClipSet
    >>> grid.current            # the clip under the cursor
    >>> grid.view               # how it is shown; grid.view = {...} brings it back

    Attributes:
        rows: Names of the axes down the side, the outer one first; empty: the grid chooses.
        columns: Names of the axes along the top.
        size: Width of a cell in pixels; 0: the grid chooses.
        height: Height that the grid may take, in pixels.
        playing: Whether clips play.
    """

    _esm = (_STATIC / "grid.js").read_text(encoding="utf-8")
    _css = (_STATIC / "grid.css").read_text(encoding="utf-8")

    rows = _Names(t.Unicode()).tag(sync=True)
    columns = _Names(t.Unicode()).tag(sync=True)
    size = t.Int(0, min=0, max=640).tag(sync=True)
    height = t.Int(560, min=120, max=4000).tag(sync=True)
    playing = t.Bool(default_value=True).tag(sync=True)
    _current = t.Int(-1).tag(sync=True, echo_update=False)
    _selected = t.List(t.Int()).tag(sync=True, echo_update=False)
    _sheet = t.Unicode().tag(sync=True)

    def __init__(
        self, shown: Run | ClipSet, *, rows: str | Sequence[str] = (),
        columns: str | Sequence[str] = (), size: int = 0, height: int = 560, playing: bool = True,
    ) -> None:  # fmt: skip
        """Show a run or a set of clips.

        Args:
            shown: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            rows: One axis or several, the outer one first.
            columns: One axis or several.
            size: Width of a cell in pixels; 0 fits as many as the page holds.
            height: Height that the grid may take, in pixels.
            playing: Whether clips play from the start.

        Raises:
            BeecamError: There is no such axis.
            TypeError: `shown` is neither a run nor a set of clips.
        """
        source = source_of(shown)
        self._publisher = Publisher(source, self._say, self._on_finished)
        self._sheet_shown = False
        self._sheet_lock = threading.Lock()
        self._sheet_of: Run | None = None
        down, across = _names(source, "rows", rows), _names(source, "columns", columns)
        _check_apart(down, across)
        super().__init__(
            rows=down, columns=across,
            size=size, height=height, playing=playing,
            _sheet=f"beecam-static-{uuid.uuid4().hex[:12]}",
        )  # fmt: skip
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        source = self._publisher.shown
        what = "run" if source.run else "set of clips"
        return f"ClipGrid of a {what}: {len(source):,} cells"

    # --- what it shows -------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run that it shows, or None for a set of clips."""
        return self._publisher.shown.run

    @property
    def clips(self) -> ClipSet:
        """The clips that are there by now, in order."""
        source = self._publisher.shown
        return clips_of(source, range(len(source)))

    @property
    def selection(self) -> ClipSet:
        """The selected clips, in order; set it to clips, or to numbers of cells."""
        return clips_of(self._publisher.shown, sorted(self._selected))

    @selection.setter
    def selection(self, value: Iterable[Clip | int]) -> None:
        places = self._places()
        self._selected = [self._index(one, places) for one in value]

    @property
    def current(self) -> Clip | None:
        """The clip under the cursor, or None; set it to a clip, or to the number of a cell."""
        found = clips_of(self._publisher.shown, [self._current])
        return found[0] if found else None

    @current.setter
    def current(self, value: Clip | int | None) -> None:
        self._current = -1 if value is None else self._index(value, self._places())

    @property
    def view(self) -> dict[str, Any]:
        """How it is shown, as plain data that can be set again."""
        return {
            "rows": list(self.rows), "columns": list(self.columns), "size": self.size,
            "playing": self.playing, "current": self._current, "selected": list(self._selected),
        }  # fmt: skip

    @view.setter
    def view(self, value: Mapping[str, Any]) -> None:
        names = {"current": "_current", "selected": "_selected"}
        for key in value:
            if key not in self.view:
                raise BeecamError(
                    f"view: no part {key!r}.{did_you_mean(key, list(self.view))} "
                    f"The parts are {', '.join(self.view)}."
                )
        # All of it is looked at before any of it is set.
        rows, columns = (
            _names(self._publisher.shown, name, value.get(name, getattr(self, name)))
            for name in ("rows", "columns")
        )
        _check_apart(rows, columns)
        with self.hold_trait_notifications():
            for key, part in value.items():
                setattr(self, names.get(key, key), part)

    def show(self, shown: Run | ClipSet) -> None:
        """Show another run or set from now on, in the same place."""
        source = source_of(shown)
        if source.token != self._publisher.shown.token:
            self._selected, self._current = [], -1
        self._publisher.show(source)
        for name in ("rows", "columns"):
            setattr(self, name, [n for n in getattr(self, name) if _has(source, n)])

    def close(self) -> None:
        """Take it off the page and end its thread; the clips stay in the library."""
        if publisher := getattr(self, "_publisher", None):  # none when making it has failed
            publisher.close()
        super().close()

    # --- inside --------------------------------------------------------------------------------

    @t.validate("rows", "columns")  # type: ignore[untyped-decorator]
    def _check_axes(self, proposal: Any) -> list[str]:
        name, other = proposal["trait"].name, {"rows": "columns", "columns": "rows"}
        names = _names(self._publisher.shown, name, proposal["value"])
        if not self._cross_validation_lock:
            _check_apart(names, getattr(self, other[name]))
        return names

    def _say(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        # This may be any thread (subshells), so that nothing but queueing happens here.
        if isinstance(content, dict) and content.get("kind") != "show":
            self._publisher.receive(content)

    def _places(self) -> dict[str, int]:
        source = self._publisher.shown
        return {source.key(i): i for i in reversed(range(len(source)))}

    def _index(self, value: Clip | int, places: Mapping[str, int]) -> int:
        source = self._publisher.shown
        if isinstance(value, Clip):
            if value.key not in places:
                raise BeecamError(f"clip {value.key[:8]} is not in this grid.")
            return places[value.key]
        if not 0 <= value < len(source):
            raise BeecamError(f"cell {value}: this grid has cells 0 to {len(source) - 1}.")
        return value

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        # Two outputs: the widget, and a picture that remains when no kernel is there. A fallback
        # inside the widget's own output would not be used, and updating that would reload it.
        bundle = self._repr_mimebundle_()
        if bundle is not None:
            display(bundle[0], metadata=bundle[1], raw=True)
        display(HTML(self._static_html()), display_id=self._sheet)
        self._sheet_shown = True
        if self.run is not None:
            self._publisher.start()
            self._watch_cells()

    def _static_html(self) -> str:
        run = self.run
        title = "" if run is None else f"{run.sweep.template} · {run.model.name}"
        if run is not None and not run.finished:
            body = f"<p>{html.escape(title)}: its clips appear here when the run has ended.</p>"
        else:
            body = contact_sheet_html(self.clips, title=title, max_bytes=_SHEET_BYTES)
        return f'<div class="beecam-static {self._sheet}">{body}</div>'

    def _on_finished(self) -> None:
        with self._sheet_lock:
            if not self._sheet_shown or self._sheet_of is self.run:
                return
            self._sheet_of = self.run
        from IPython.display import HTML, update_display

        update_display(HTML(self._static_html()), display_id=self._sheet)

    def _watch_cells(self) -> None:
        """Look at the end of each notebook cell, too.

        A notebook that is executed without a front end may end right after `run.wait()`, before
        the publisher has seen that the run is over.
        """
        from IPython import get_ipython

        shell = get_ipython()
        if shell is None:
            return

        def look(*_: object) -> None:
            if self.run is None or self.run.finished:
                shell.events.unregister("post_run_cell", look)
                self._on_finished()

        shell.events.register("post_run_cell", look)


def _has(source: Source, name: str) -> bool:
    return any(axis.name == name for axis in source.axes)


def _check_apart(rows: Sequence[str], columns: Sequence[str]) -> None:
    if both := [name for name in rows if name in columns]:
        raise BeecamError(f"{both[0]!r} can make rows or columns, not both.")


def _names(source: Source, argument: str, value: str | Sequence[str]) -> list[str]:
    names = [value] if isinstance(value, str) else list(value)
    known = [axis.name for axis in source.axes]
    for name in names:
        if name not in known:
            there = f"The axes are {', '.join(known)}." if known else "There are no axes here."
            raise BeecamError(
                f"{argument}={name!r}: no such axis.{did_you_mean(name, known)} {there}"
            )
    return names
