"""Sets of clips: ordered, with their positions on the axes of the sweep they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from beecam._util import checks
from beecam._util.attributes import FixedAttributes
from beecam._util.collector import collection_paused
from beecam._util.indexing import indices_of
from beecam._util.plain import as_integer
from beecam.clips.clip import Clip
from beecam.clips.explanations import INDEX, explain_missing, explain_name, no_number
from beecam.clips.merging import merge_clips, shared_value
from beecam.clips.summary import axis_problems, counts_on, describe_clips
from beecam.clips.tables import frame_of, pivot_of
from beecam.errors import CheckError, Problem, shorten
from beecam.export import figures, notebook
from beecam.export.page import write_page
from beecam.export.page_contents import PageLayout
from beecam.export.shown import complete_axes
from beecam.models.model import Model
from beecam.storage.query import parse, sort_rows_by
from beecam.storage.query_rows import COMMON_NAMES, names_in, rows_of
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis, labels_at, positions, values_at

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class ClipSet(FixedAttributes, Sequence[Clip]):
    """An ordered collection of clips, with their coordinates when they come from a sweep.

    >>> run.clips.filter(lambda clip: clip.stars >= 4).to_frame()

    Attributes:
        library: The library that the clips are in.
        keys: The clips' keys.
        axes: The axes of the sweep they come from; empty for a library's own list.
        title: The title of the set: the template of a sweep.
        model: The loaded model of the run that generated them, or None.
    """

    library: ClipStore
    keys: tuple[str, ...]
    axes: tuple[Axis, ...]
    title: str
    model: Model | None

    def __init__(
        self,
        library: ClipStore,
        keys: Sequence[str],
        *,
        axes: Sequence[Axis] = (),
        coords: Sequence[Mapping[str, int]] = (),
        title: str = "",
        model: Model | None = None,
        expected: int = 0,
        missing: str = "",
        origin: object = None,
    ) -> None:
        """Collect clips.

        Args:
            library: The library that they are in.
            keys: Their keys.
            axes: The axes that the coordinates refer to.
            coords: Each clip's position on each axis, by the axis' name.
            title: The title of the set.
            model: The model that generated them.
            expected: How many clips there will be, while a run is still generating them.
            missing: A sentence on why clips are missing, for an index that has none.
            origin: The run or the set that they were taken from.
        """
        self.library = library
        self.keys = tuple(keys)
        self.axes = tuple(axes)
        self.title = title
        self.model = model
        self._coords = tuple(coords)
        self._expected = expected
        self._missing = missing
        self._origin = origin

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool]) -> ClipSet: ...
    def __getitem__(self, index: Any) -> Clip | ClipSet:
        """Return one clip, or a set for a slice, a list of indices or a mask.

        >>> clips[0]
        >>> clips[:4]
        >>> clips[[0, 2]]
        >>> clips[[clip.stars > 2 for clip in clips]]

        Raises:
            IndexError: There is no such clip, or the mask has another length.
            KeyError: The index is a string.
            CheckError: The index is of another type.
        """
        if isinstance(index, str):
            raise KeyError(self._explain_name(index))
        if as_integer(index) is not None:
            at = self._from_start(index)
            return Clip(self.library, self.keys[at], self.values(at), axes=self.axes)
        problem = Problem("index", f"clips[{shorten(index)}]: {INDEX}")
        return self._pick(indices_of(index, len(self), "clip", self._explain_missing, problem))

    def _from_start(self, index: int) -> int:
        """Return an index counted from 0, as that of a list may be negative."""
        if as_integer(index) is None:
            raise CheckError([no_number(index)])
        if not -len(self) <= index < len(self):
            raise IndexError(self._explain_missing(index))
        return int(index) % len(self)

    def __iter__(self) -> Iterator[Clip]:
        return (self[i] for i in range(len(self)))

    def __add__(self, other: object) -> ClipSet:
        """Return the clips of both sets or runs in order, each clip once.

        The sum has the axes of both, and on an axis of both the values of both. A clip has no
        value on an axis that only the other set has.

        >>> bees = library.sweep("bees").clips + library.sweep("more bees").clips
        >>> everything = sum(record.clips for record in library.sweeps())

        Raises:
            CheckError: The sets are from different libraries.
        """
        other = getattr(other, "clips", other)  # a run
        if not isinstance(other, ClipSet):
            return NotImplemented
        if self.library is not other.library:
            raise CheckError(
                [
                    Problem(
                        "clips",
                        f"clips of {self.library!r} and of {other.library!r} can't be in one set; "
                        "library.take(clip.path) copies a clip into another library.",
                    )
                ]
            )
        axes, coords = merge_clips(self, other)
        return ClipSet(
            self.library,
            list(coords),
            axes=axes,
            coords=list(coords.values()) if axes else (),
            title=shared_value(self.title or None, other.title or None) or "",
            model=shared_value(self.model, other.model),
            origin=shared_value(self._origin, other._origin),
        )

    def __radd__(self, other: object) -> ClipSet:
        """Return the set itself for the 0 that `sum` starts with."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __repr__(self) -> str:
        return f"ClipSet: {describe_clips(len(self), self.axes, self._coords)}"

    def _explain_name(self, name: str) -> str:
        columns = {*COMMON_NAMES, *names_in(rows_of(self.library, self.keys))}
        return explain_name(name, [axis.name for axis in self.axes], columns)

    def _explain_missing(self, index: int) -> str:
        return explain_missing(index, len(self), self._expected, self._missing)

    def coords(self, index: int) -> dict[str, int]:
        """Return the position on each axis of the clip at `index`, by the axis' name.

        >>> clips.coords(5)
        {'insect': 1, 'seed': 2}

        Raises:
            IndexError: There is no such clip.
        """
        at = self._from_start(index)
        return dict(self._coords[at]) if self._coords else {}

    def values(self, index: int) -> dict[str, Any]:
        """Return the value on each axis of the clip at `index`, by the axis' name.

        >>> clips.values(5)
        {'insect': 'moth', 'seed': 2}

        Raises:
            IndexError: There is no such clip.
        """
        return values_at(self.axes, self.coords(index))

    def label(self, index: int) -> str:
        """Return the labels of the clip at `index` on the axes, or its number.

        >>> clips.label(5)
        'moth, 2'

        Raises:
            IndexError: There is no such clip.
        """
        labels = labels_at(self.axes, self.coords(index))
        return ", ".join(labels.values()) or str(self._from_start(index) + 1)

    def filter(self, keep: Callable[[Clip], bool]) -> ClipSet:
        """Return the clips for which `keep(clip)` is true.

        >>> clips.filter(lambda clip: clip.stars > 2)

        Raises:
            CheckError: `keep` is not callable.
        """
        checks.raise_problems(
            checks.callable_argument("filter", keep, "clip", "lambda clip: clip.stars > 2")
        )
        return self._pick([i for i, clip in enumerate(self) if keep(clip)])

    def sort(
        self, by: str | Sequence[str] | Callable[[Clip], Any], *, reverse: bool = False
    ) -> ClipSet:
        """Return the clips in the order of a value; clips with equal values keep their order.

        >>> clips.sort("-stars")
        >>> clips.sort(["insect", "-seed"])
        >>> clips.sort(lambda clip: len(clip.prompt))

        Args:
            by: A name that a query knows (see `query`), with a leading "-" for descending; several
                names, the first one first; or a function of a clip.
            reverse: Whether to reverse the order.

        Raises:
            CheckError: There is no such name.
        """
        if isinstance(by, (str, Sequence)):
            names = [by] if isinstance(by, str) else by
            return self._sort_by_names(names, reverse=reverse)
        checks.raise_problems(
            checks.callable_argument("sort", by, "clip", "lambda clip: clip.stars")
        )
        ranks = [by(clip) for clip in self]  # checked above
        return self._pick(sorted(range(len(self)), key=ranks.__getitem__, reverse=reverse))

    @collection_paused()
    def _sort_by_names(self, names: Sequence[str], *, reverse: bool) -> ClipSet:
        rows = rows_of(self.library, self.keys, self.axes, self._coords)
        known = list(dict.fromkeys([*names_in(rows), *COMMON_NAMES]))
        hint = "; a leading - is for descending"
        checks.raise_problems(p for n in names for p in checks.choice("by", n, known, hint))
        return self._pick(sort_rows_by(rows, names, reverse=reverse))

    def where(self, **values: Any) -> ClipSet:
        """Return the clips that have these values on the axes.

        >>> clips.where(insect=["bee", "moth"], seed=3)

        Args:
            values: For each axis its value, or a list of values.

        Raises:
            CheckError: There is no such axis, or an axis has no such value.
        """
        checks.raise_problems(axis_problems(self.axes, values))
        wanted = {a.name: positions(a, values[a.name]) for a in self.axes if a.name in values}
        if not wanted:
            return self._pick(range(len(self)))
        return self._pick(
            i
            for i, coords in enumerate(self._coords)
            if all(coords.get(name) in allowed for name, allowed in wanted.items())
        )

    @collection_paused()
    def query(self, expression: str) -> ClipSet:
        """Return the clips that match a query, in the syntax of the grid's search box.

        >>> clips.query("bee stars>=3 -is:rejected seconds<2")

        Args:
            expression: Words that prompt, labels or tags contain; `name:value`, `name>=3` for
                axes, facts and arguments; `tag:` and `is:`; a leading "-" negates. See
                `beecam.storage.query`.

        Raises:
            CheckError: A term of it can't be understood.
        """
        rows = rows_of(self.library, self.keys, self.axes, self._coords)
        query = parse(expression, list(dict.fromkeys([*names_in(rows), *COMMON_NAMES])))
        return self._pick(i for i, row in enumerate(rows) if row is not None and query.matches(row))

    @property
    def starred(self) -> ClipSet:
        """The clips with at least one star.

        >>> bc.promote(run.clips.starred)
        """
        return self.query("is:starred")

    def pivot(self, rows: str, columns: str) -> pd.DataFrame:
        """Return a pandas frame of clips: a row per value of one axis, a column per other value.

        Where several clips share a cell, the first one is taken; a warning reports how many are
        left out.

        >>> clips.where(seed=0).pivot("insect", "place")

        Raises:
            CheckError: There is no such axis.
        """
        checks.raise_problems(axis_problems(self.axes, (rows, columns)))
        varying = [name for name, count in counts_on(self.axes, self._coords).items() if count > 1]
        return pivot_of(self, rows, columns, varying=varying)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row per clip, with axes, prompt, seed, rating and facts.

        >>> clips.to_frame().groupby("insect")["seconds"].mean()
        """
        return frame_of(self)

    def show(self, columns: int = 4, width: int = 160) -> None:
        """Show the clips as playing videos through mediapy, where there are no widgets.

        >>> clips[:8].show(columns=4)

        Args:
            columns: Videos per row.
            width: Of each video in the notebook, in pixels.
        """
        figures.show_videos(self, columns=columns, width=width)

    def contact_sheet(self, columns: int | None = None, frames: int = 4) -> Figure:
        """Draw some frames of each clip with matplotlib.

        >>> clips.contact_sheet().savefig("clips.png")

        Args:
            columns: Clips per row. By default rows and columns are the axes of the clips; clips
                that form no table are drawn in rows of four.
            frames: Frames shown of each clip, evenly spaced.
        """
        return figures.contact_figure(self, columns=columns, frames=frames)

    def export_html(
        self,
        path: str | Path,
        title: str | None = None,
        *,
        rows: str | Sequence[str] | None = None,
        columns: str | Sequence[str] | None = None,
        max_bytes: int = 9_500_000,
    ) -> Path:
        """Write one offline page with the grid: play, arrange, search, compare, without a network.

        The page starts as the latest grid that shows these clips, or the run that they come from:
        its rows, columns, fixed values, filter and order.

        >>> run.clips.export_html("bees.html")
        >>> run.clips.export_html("bees.html", rows=["place", "light"], columns="seed")

        Args:
            path: The HTML file.
            title: The heading; by default the sweep's template.
            rows: One axis or several, the outermost first; by default those of the grid. Where
                there is no grid, or with [], the page chooses.
            columns: As `rows`.
            max_bytes: The page stays below this. Videos of all clips are in it if they fit, or
                else those of the starred ones; the page says what was left out or reduced.

        Returns:
            The page's path, which a notebook shows as a link.

        Raises:
            CheckError: A wrong path or title, or rows and columns that aren't different axes.
            BeecamError: There are no clips, or the page can't be written there.
        """
        layout = PageLayout(rows, columns, notebook.live_view(self, self._origin))
        shown = ClipSet(self.library, self.keys, axes=complete_axes(self), coords=self._coords)
        return write_page(shown, path, title or self.title or "beecam", max_bytes, layout)

    def _pick(self, indices: Iterable[int]) -> Self:
        chosen = list(indices)
        return type(self)(
            self.library,
            [self.keys[i] for i in chosen],
            axes=self.axes,
            coords=[self._coords[i] for i in chosen] if self._coords else (),
            title=self.title,
            model=self.model,
            origin=self if self._origin is None else self._origin,
        )

    def _ipython_display_(self) -> None:
        notebook.show_clips(self)
