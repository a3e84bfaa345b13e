"""What every surface is built on: a source of cells, the talk with its page, and shared values."""

from __future__ import annotations

import contextlib
import html
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import traitlets as t

from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, LibraryError, did_you_mean
from beecam.export.contact_sheet import contact_sheet_html
from beecam.runs.run import Run
from beecam.storage.query import Row, parse, sort_rows
from beecam.storage.query_rows import COMMON_NAMES, names_in, rows_of
from beecam_widgets.bundles import bundle
from beecam_widgets.publisher import Publisher
from beecam_widgets.shared import FOLLOWED, Follower, Shared, shared_by
from beecam_widgets.source import Source, clips_of, source_of

_SHEET_BYTES = 700_000
# Of so many clips the names of facts are looked up before a filter is taken.
_ASKED = 200


class Surface(anywidget.AnyWidget):  # type: ignore[misc]
    """A widget that shows the cells of a run, or the clips of a set.

    Surfaces of the same cells follow each other: selection, current clip, filter and order are one
    state, and stars, rejections and tags are the library's.

    Attributes:
        filter: Which cells are shown, a line as in `ClipSet.matching`; "" for all.
        sort: By what they are ordered: a name, with a leading "-" for descending; "" for the order
            in which they came.
    """

    # One for all of them: they share nearly all that they are made of.
    _esm, _css = bundle("clips")

    filter = t.Unicode().tag(sync=True)
    sort = t.Unicode().tag(sync=True)
    _current = t.Int(-1).tag(sync=True, echo_update=False)
    _selected = t.List(t.Int()).tag(sync=True, echo_update=False)
    _sheet = t.Unicode().tag(sync=True)
    _surface = t.Unicode().tag(sync=True)
    sheet_rank: ClassVar[int] = 0
    # The traits that make up `view`, by the names that people see.
    view_parts: ClassVar[Mapping[str, str]] = {
        "filter": "filter",
        "sort": "sort",
        "current": "_current",
        "selected": "_selected",
    }

    def __init__(self, shown: Run | ClipSet, **traits: Any) -> None:
        """Show a run or a set of clips.

        Args:
            shown: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            traits: Of the surface; `filter` and `sort` are as on the surfaces that show the same
                cells already where they are None.

        Raises:
            BeecamError: One of them makes no sense here.
            TypeError: `shown` is neither a run nor a set of clips.
        """
        source = source_of(shown)
        given = {name: value for name, value in traits.items() if value is not None}
        self._publisher = Publisher(source, self._say, self._on_settled, self._on_grown)
        self._sheet_shown = False
        self._sheet_lock = threading.Lock()
        self._sheet_facts: object = None
        self._following = threading.local()
        self._shared: Shared = shared_by(source.token)
        self._check_view(given)
        super().__init__(**given, _sheet=f"beecam-static-{uuid.uuid4().hex[:12]}")
        self._join(given)
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        source = self._publisher.shown
        what = "run" if source.run else "set of clips"
        return f"{type(self).__name__} of a {what}: {len(source):,} cells"

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
    def shown(self) -> ClipSet:
        """The clips that the filter lets through, in the order in which they are shown."""
        source = self._publisher.shown
        return clips_of(source, self._cells_shown(source))

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
        found = {name: getattr(self, trait) for name, trait in self.view_parts.items()}
        return {
            k: list(v) if isinstance(v, list) else dict(v) if isinstance(v, dict) else v
            for k, v in found.items()
        }

    @view.setter
    def view(self, value: Mapping[str, Any]) -> None:
        for key in value:
            if key not in self.view_parts:
                raise BeecamError(
                    f"view: no part {key!r}.{did_you_mean(key, list(self.view_parts))} "
                    f"The parts are {', '.join(self.view_parts)}."
                )
        # All of it is looked at before any of it is set.
        self._check_view({self.view_parts[key]: part for key, part in value.items()})
        with self.hold_trait_notifications():
            for key, part in value.items():
                setattr(self, self.view_parts[key], part)

    def show(self, shown: Run | ClipSet) -> None:
        """Show another run or set from now on, in the same place."""
        source = source_of(shown)
        before = self._publisher.shown
        self._publisher.show(source)
        if source.token != before.token:
            self._shared.leave(self)
            self._shared = shared_by(source.token)
            self._join()
        self._fit()

    def close(self) -> None:
        """Take it off the page and end its thread; the clips stay in the library."""
        if publisher := getattr(self, "_publisher", None):  # none when making it has failed
            publisher.close()
            with self._sheet_lock:
                self._sheet_shown = False
            self._shared.leave(self)
        super().close()

    # --- what surfaces of the same cells share ---------------------------------------------------

    def _join(self, given: Mapping[str, Any] | None = None) -> None:
        """Take over what is shared, apart from what was given here, which the others take over."""
        values = self._shared.join(self)
        if self._sheet_shown:
            self._shared.take_sheet(self)
        for name in FOLLOWED:
            if given and name in given:
                self._shared.put(self, name, getattr(self, name))
            else:
                self.follow(name, values[name])

    def join(self, other: Follower) -> None:
        """Let something take part in what is shown here until other cells are shown."""
        self._shared.join(other)

    def leave(self, other: Follower) -> None:
        """Let it take part no more."""
        self._shared.leave(other)

    def _on_grown(self, source: Source) -> None:
        """Go on with a source that begins with these cells, and all that show them, too."""
        shared = shared_by(source.token)
        for follower in self._shared.move_to(shared):
            follower.go_on(source, shared)

    def go_on(self, source: Source, shared: Shared) -> None:
        """Show a source that begins with the cells that are shown; called on any thread."""
        self._shared = shared
        self._publisher.show(source, grown=True)

    def follow(self, name: str, value: Any) -> None:
        """Take over what another surface has set; called on any thread."""
        self._following.name = name
        try:
            setattr(self, name, value)
        finally:
            self._following.name = None

    @t.observe(*FOLLOWED)  # type: ignore[untyped-decorator]
    def _tell_others(self, change: Any) -> None:
        shared = getattr(self, "_shared", None)
        if shared is not None and getattr(self._following, "name", None) != change["name"]:
            shared.put(self, change["name"], change["new"])

    # --- checks ----------------------------------------------------------------------------------

    @t.validate("filter")  # type: ignore[untyped-decorator]
    def _check_filter(self, proposal: Any) -> str:
        text: str = proposal["value"]
        if text.strip():
            parse(text, self._names(self._publisher.shown))
        return text

    @t.validate("sort")  # type: ignore[untyped-decorator]
    def _check_sort(self, proposal: Any) -> str:
        by: str = proposal["value"]
        known = self._names(self._publisher.shown)
        if by and by.removeprefix("-") not in known:
            raise BeecamError(
                f"sort={by!r}: no such name.{did_you_mean(by.removeprefix('-'), known)} There are "
                f"{', '.join(known)}; a leading - is for descending."
            )
        return by

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        """Raise what is wrong with some traits together, before any is set."""
        for name, check in (("filter", self._check_filter), ("sort", self._check_sort)):
            if name in traits:
                check({"value": traits[name]})

    def _fit(self) -> None:
        """Let go of what makes no sense for the source that is shown now."""
        for name, check in (("filter", self._check_filter), ("sort", self._check_sort)):
            try:
                check({"value": getattr(self, name)})
            except BeecamError:
                setattr(self, name, "")

    # --- inside ----------------------------------------------------------------------------------

    @staticmethod
    def _names(source: Source) -> list[str]:
        """Return what can be asked of the cells: axes, what all clips have, and their facts."""
        keys = [source.key(i) for i in range(min(_ASKED, len(source)))]
        names = names_in(rows_of(source.library, keys))
        return list(dict.fromkeys([*(axis.name for axis in source.axes), *COMMON_NAMES, *names]))

    def _cells_shown(self, source: Source) -> list[int]:
        cells = [i for i in range(len(source)) if self._is_meant(source.coords(i))]
        if not (self.filter.strip() or self.sort):
            return cells
        rows: list[Row | None] = rows_of(
            source.library,
            [source.key(i) for i in cells],
            source.axes,
            [source.coords(i) for i in cells],
        )
        query = parse(self.filter, [*self._names(source), *names_in(rows)])
        places = [place for place, row in enumerate(rows) if row is not None and query.matches(row)]
        ordered = sort_rows([rows[place] for place in places], self.sort)
        return [cells[places[place]] for place in ordered]

    def _is_meant(self, coords: Mapping[str, int]) -> bool:  # noqa: ARG002
        """Return whether cells at these coordinates are shown at all."""
        return True

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

    # --- in a notebook ---------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        # Two outputs: the widget, and a picture that remains when no kernel is there. A fallback
        # inside the widget's own output would not be used, and updating that would reload it.
        bundled = self._repr_mimebundle_()
        if bundled is not None:
            display(bundled[0], metadata=bundled[1], raw=True)
        # Of surfaces of the same cells one leaves it: a notebook isn't to hold them several times.
        before = self._shared.take_sheet(self)
        with self._sheet_lock:
            self._sheet_facts = self._facts_of_sheet()
            display(HTML(self._static_html()), display_id=self._sheet)
            self._sheet_shown = True
        if before is not None:
            before._on_settled()  # noqa: SLF001  (another surface)
        if self.run is not None:
            self._publisher.start()
            self._watch_cells()

    def _static_html(self) -> str:
        run = self.run
        title = "" if run is None else f"{run.sweep.template} · {run.model.name}"
        if run is not None and not run.finished:
            body = f"<p>{html.escape(title)}: its clips appear here when the run has ended.</p>"
        elif not self._shared.keeps_sheet(self):
            body = "<p>These clips are in the contact sheet that their grid leaves.</p>"
        else:
            body = contact_sheet_html(self.clips, title=title, max_bytes=_SHEET_BYTES)
        return f'<div class="beecam-static {self._sheet}">{body}</div>'

    def _on_settled(self) -> None:
        # Films may have to be made smaller: the page, whose thread this is, doesn't wait for it.
        threading.Thread(target=self._renew_sheet, name="beecam-sheet", daemon=True).start()

    def _renew_sheet(self) -> None:
        """Let the sheet that remains follow run and marks, if it isn't so already.

        Each change makes the notebook one that isn't saved.
        """
        from IPython.display import HTML, update_display

        # A library that was closed meanwhile leaves the sheet as it is.
        with self._sheet_lock, contextlib.suppress(LibraryError):
            if not self._sheet_shown or (facts := self._facts_of_sheet()) == self._sheet_facts:
                return
            self._sheet_facts = facts
            update_display(HTML(self._static_html()), display_id=self._sheet)

    def _facts_of_sheet(self) -> object:
        """Return what the sheet depends on."""
        source, run = self._publisher.shown, self.run
        if run is not None and not run.finished:
            return source.token
        if not self._shared.keeps_sheet(self):
            return None
        table = source.library.table({source.key(i) for i in range(len(source))})
        return source.token, {key: (row["stars"], row["rejected"]) for key, row in table.items()}

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
                self._renew_sheet()

        shell.events.register("post_run_cell", look)


def names_of_axes(source: Source, argument: str, value: str | Sequence[str]) -> list[str]:
    """Return names of axes as a list.

    Raises:
        BeecamError: There is no such axis.
    """
    names = [value] if isinstance(value, str) else list(value)
    known = [axis.name for axis in source.axes]
    for name in names:
        if name not in known:
            there = f"The axes are {', '.join(known)}." if known else "There are no axes here."
            raise BeecamError(
                f"{argument}={name!r}: no such axis.{did_you_mean(name, known)} {there}"
            )
    return names
