"""The base class of the surfaces: cells, the exchange with their front ends, shared state."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import traitlets as t

from beecam._util.plain import as_integer
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, did_you_mean, shorten
from beecam.runs.run import Run
from beecam_widgets._clips.cell_source import CellSource, cell_source, clips_of, token_of
from beecam_widgets._clips.filtering import check_filter, check_sort, matching_cells
from beecam_widgets._clips.open_surfaces import set_latest
from beecam_widgets._clips.publisher import Publisher
from beecam_widgets._clips.shared_state import SHARED_TRAITS, Member, SharedState, shared_state
from beecam_widgets._clips.sheet import Sheet
from beecam_widgets._notebook.assets import load_assets
from beecam_widgets._notebook.notebook_widget import NotebookWidget
from beecam_widgets._notebook.outputs import display_widget

# The parts of `view` that all surfaces have, and their traits.
_SHARED_PARTS = {
    "filter": "filter",
    "sort": "sort",
    "current": "_current",
    "selected": "_selected",
}


class Surface(NotebookWidget):
    """A widget that shows the cells of a run, or the clips of a set.

    Surfaces of the same cells follow each other: they share selection, current clip, filter and
    order. Stars, rejections and tags are stored in the library.

    Attributes:
        filter: Which cells are shown, a query as in `ClipSet.query`; "" shows all.
        sort: The name to sort by, with a leading "-" for descending order; "" keeps the order of
            the run or the set.
    """

    # One bundle for all surfaces: they share most of their code.
    _esm, _css = load_assets("clips")

    filter = t.Unicode().tag(sync=True)
    sort = t.Unicode().tag(sync=True)
    _current = t.Int(-1).tag(sync=True, echo_update=False)
    _selected = t.List(t.Int()).tag(sync=True, echo_update=False)
    _sheet = t.Unicode().tag(sync=True)
    _surface = t.Unicode().tag(sync=True)
    _sheet_rank: ClassVar[int] = 0
    _shows_notes: ClassVar[bool] = False
    # The parts of `view` that only this surface has, and their traits.
    _own_parts: ClassVar[Mapping[str, str]] = {}

    def __init__(self, clips: Run | ClipSet, **traits: Any) -> None:
        """Show a run or a set of clips.

        Args:
            clips: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            traits: Initial values; `filter` and `sort` are taken from the surfaces that already
                show these cells where they are None.

        Raises:
            BeecamError: A value doesn't fit these clips.
            TypeError: `clips` is neither a Run nor a ClipSet.
        """
        source = cell_source(clips)
        initial = {name: value for name, value in traits.items() if value is not None}
        sheet_name = f"beecam-static-{uuid.uuid4().hex[:12]}"
        self._static = Sheet(
            lambda: self._source,
            sheet_name,
            self._sheet_rank,
            watched=lambda: self.has_views,
            has_notes=self._shows_notes,
        )
        self._publisher = Publisher(
            source, self._send_message, self._static.update_in_background, self._extend
        )
        self._applying = threading.local()
        self._shared = shared_state(source.token)
        self._tokens = {source.token}
        self._member = Member(self._show_extended, self._apply_shared)
        self._check_view(initial)
        super().__init__(**initial, _sheet=sheet_name)
        self._join(initial)
        set_latest(self)

    def __repr__(self) -> str:
        kind = "set of clips" if self._source.run is None else "run"
        closed = "closed " if self.closed else ""
        return f"{closed}{type(self).__name__} of a {kind}: {len(self._source):,} cells"

    def _how_to_reopen(self) -> str:
        clips = "clips" if self._source.run is None else "run"
        return f"bw.{type(self).__name__}({clips}) shows its clips again."

    # --- what it shows -------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run that it shows; None for a set of clips.

        >>> grid.run.pause()
        """
        return self._source.run

    @property
    def clips(self) -> ClipSet:
        """The clips that exist so far, in order, whether or not the filter matches them.

        >>> grid.clips.to_frame()
        """
        return clips_of(self._source, range(len(self._source)))

    @property
    def shown(self) -> ClipSet:
        """The clips that match the filter, in the order in which they are shown.

        >>> grid.filter = "stars>=3"
        >>> len(grid.shown)
        """
        cells = [i for i in range(len(self._source)) if self._is_shown(self._source.coords(i))]
        found = matching_cells(self._source, cells, filter_text=self.filter, sort=self.sort)
        return clips_of(self._source, found)

    @property
    def selection(self) -> ClipSet:
        """The selected clips, in order. Assign clips, or cell numbers.

        Raises:
            BeecamError: On assignment: a clip or a cell isn't in this widget.

        >>> grid.selection = [0, 3]
        >>> grid.selection.to_frame()
        """
        return clips_of(self._source, sorted(self._selected))

    @selection.setter
    def selection(self, value: Iterable[Clip | int]) -> None:
        self._selected = self._cells_of("selection", value)

    @property
    def current(self) -> Clip | None:
        """The clip under the cursor, or None. Assign a clip, a cell number or None.

        Raises:
            BeecamError: On assignment: the clip or the cell isn't in this widget.

        >>> grid.current = 7
        >>> grid.current.stars = 4
        """
        clips = clips_of(self._source, [self._current])
        return clips[0] if clips else None

    @current.setter
    def current(self, value: Clip | int | None) -> None:
        self._current = -1 if value is None else self._cells_of("current", [value])[0]

    @property
    def view(self) -> dict[str, Any]:
        """All display settings as plain data. Assign some or all of them.

        Raises:
            BeecamError: On assignment: a part is unknown, or a value doesn't fit these clips;
                nothing is changed then.

        >>> before = grid.view
        >>> grid.view = {"filter": "is:starred", "sort": "-stars"}
        >>> grid.view = before
        """
        values = {name: getattr(self, trait) for name, trait in self._parts.items()}
        return {
            k: list(v) if isinstance(v, list) else dict(v) if isinstance(v, dict) else v
            for k, v in values.items()
        }

    @view.setter
    def view(self, value: Mapping[str, Any]) -> None:
        parts = self._parts
        for key in value:
            if key not in parts:
                raise BeecamError(
                    f"view: unknown part {key!r}.{did_you_mean(key, list(parts))} "
                    f"The parts are {', '.join(parts)}."
                )
        # Everything is checked before anything is set.
        self._check_view({parts[key]: part for key, part in value.items()})
        self._cells_of("selected", value.get("selected", []))
        self._cells_of("current", [c for c in [value.get("current", -1)] if c != -1])
        with self.hold_trait_notifications():
            for key, part in value.items():
                setattr(self, parts[key], part)

    def show(self, clips: Run | ClipSet) -> None:
        """Show another run or set in the same widget.

        Settings that don't fit the other clips are reset.

        Args:
            clips: As in the constructor.

        Raises:
            BeecamError: The widget is closed.
            TypeError: `clips` is neither a Run nor a ClipSet.

        >>> grid.show(bc.library().clips().starred)
        """
        self._check_open()
        source = cell_source(clips)
        previous = self._source
        self._publisher.show(source)
        self._static.follow_source()
        if source.token != previous.token:
            self._shared.leave(self._member)
            self._shared = shared_state(source.token)
            self._tokens = {source.token}
            self._join()
        self._reset_unfit()
        set_latest(self)

    def shows(self, clips: object, *, exactly: bool = False) -> bool:
        """Return whether these are its cells, or the first of them: those before it was extended.

        >>> grid.shows(run)
        True

        Args:
            clips: A run, a clip set, or the source that a surface took clips from.
            exactly: Whether it has to be this very object, not one with the same cells.
        """
        if exactly:
            return clips is self._source
        return token_of(clips) in self._tokens

    def close(self) -> None:
        """Remove the widget from the page and end its thread; the clips stay in the library.

        >>> grid.close()
        """
        if publisher := getattr(self, "_publisher", None):  # missing if the constructor failed
            publisher.close()
            self._static.close()
            self._shared.leave(self._member)
        super().close()

    @property
    def _remains(self) -> Sheet:
        return self._static

    @property
    def _source(self) -> CellSource:
        return self._publisher.latest

    @property
    def _parts(self) -> Mapping[str, str]:
        """The traits that make up `view`, by the names of its parts."""
        return {**self._own_parts, **_SHARED_PARTS}

    # --- shared state ----------------------------------------------------------------------------

    def add_member(self, member: Member) -> None:
        """Let another widget follow the shared state of these cells; used by the panel.

        >>> grid.add_member(member)
        """
        self._shared.join(member)

    def remove_member(self, member: Member) -> None:
        """End what `add_member` started.

        >>> grid.remove_member(member)
        """
        self._shared.leave(member)

    def _join(self, initial: Mapping[str, Any] | None = None) -> None:
        """Take over the shared values; initial values of this surface are shared instead."""
        values = self._shared.join(self._member)
        for name in SHARED_TRAITS:
            if initial and name in initial:
                self._shared.set(self._member, name, getattr(self, name))
            else:
                self._apply_shared(name, values[name])

    def _extend(self, source: CellSource) -> None:
        """Show a source that starts with these cells, in all surfaces of these cells."""
        shared = shared_state(source.token)
        for member in self._shared.move_to(shared):
            member.on_extended(source, shared)

    def _show_extended(self, source: CellSource, shared: SharedState) -> None:
        self._shared = shared
        # The cells of the shorter source keep their numbers.
        self._tokens.add(source.token)
        self._publisher.show(source, extends=True)
        self._static.follow_source()

    def _apply_shared(self, name: str, value: Any) -> None:
        """Set a trait to a value from another surface; called on any thread."""
        self._applying.name = name
        try:
            setattr(self, name, value)
        finally:
            self._applying.name = None

    @t.observe(*SHARED_TRAITS)  # type: ignore[untyped-decorator]
    def _share(self, change: Any) -> None:
        shared = getattr(self, "_shared", None)
        if shared is not None and getattr(self._applying, "name", None) != change["name"]:
            shared.set(self._member, change["name"], change["new"])

    # --- checks ----------------------------------------------------------------------------------

    @t.validate("filter")  # type: ignore[untyped-decorator]
    def _validate_filter(self, proposal: Any) -> str:
        text: str = proposal["value"]
        check_filter(self._source, text)
        return text

    @t.validate("sort")  # type: ignore[untyped-decorator]
    def _validate_sort(self, proposal: Any) -> str:
        by: str = proposal["value"]
        check_sort(self._source, by)
        return by

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        """Raise if some traits don't fit these clips, before any is set."""
        for name, value in traits.items():
            try:
                self.traits()[name].validate(self, value)
            except t.TraitError as error:
                raise BeecamError(f"{name.lstrip('_')}={shorten(value)}: {error}") from None
        if "filter" in traits:
            check_filter(self._source, traits["filter"])
        if "sort" in traits:
            check_sort(self._source, traits["sort"])

    def _reset_unfit(self) -> None:
        """Reset the traits that don't fit the current clips."""
        for name in ("filter", "sort"):
            try:
                self._check_view({name: getattr(self, name)})
            except BeecamError:
                setattr(self, name, "")

    def _is_shown(self, coords: Mapping[str, int]) -> bool:  # noqa: ARG002
        """Return whether cells at these coordinates are shown, apart from the filter."""
        return True

    # --- messages --------------------------------------------------------------------------------

    def _send_message(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    def _receive(self, content: dict[str, Any]) -> None:
        # This may run on any thread (subshells), so it only queues. "show" is internal.
        if content.get("kind") != "show":
            self._publisher.receive(content)

    def _cells_by_key(self) -> dict[str, int]:
        """Return the number of each clip's first cell."""
        source = self._source
        return {source.key(i): i for i in reversed(range(len(source)))}

    def _cells_of(self, name: str, value: Iterable[Clip | int]) -> list[int]:
        """Return the numbers of cells that were passed as clips or as numbers.

        Raises:
            BeecamError: The value of the attribute `name` is neither, or not in this widget.
        """
        last = len(self._source) - 1
        needed = f"a clip of this widget or a cell number from 0 to {last:,} is needed."
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise BeecamError(
                f"{name}={shorten(value)}: a list of clips or cell numbers is needed."
            )
        values = list(value)
        clips = self._cells_by_key() if any(isinstance(one, Clip) for one in values) else {}
        cells = []
        for one in values:
            cell = clips.get(one.key, -1) if isinstance(one, Clip) else as_integer(one)
            if cell is None or not 0 <= cell <= last:
                is_number = cell is not None and last >= 0 and not isinstance(one, Clip)
                nearest = f" The nearest is {min(max(cell or 0, 0), last):,}." if is_number else ""
                raise BeecamError(f"{name}: {shorten(one)}: {needed}{nearest}")
            cells.append(cell)
        return cells

    # --- in a notebook ---------------------------------------------------------------------------

    def _display(self) -> None:
        display_widget(self)
        set_latest(self)
        self._static.display()
        if self.run is not None:
            self._publisher.start()
