"""ClipTable: clips as rows of a table, with a poster each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, did_you_mean
from beecam.runs.run import Run
from beecam_widgets._clips.filtering import known_names
from beecam_widgets._clips.surface import Surface


class ClipTable(Surface):
    """The clips of a run or a set as a table, sorted by a click on a header.

    The table shares selection, filter and order with the grids of the same clips.

    >>> bw.ClipTable(run)
    >>> table = bw.ClipTable(bc.library().clips(), columns=["prompt", "seed", "stars", "seconds"])
    >>> table.sort = "-seconds"
    >>> table.shown.to_frame()      # the clips of the table, in its order

    Attributes:
        columns: The columns: axes, facts, arguments, "stars" and "tags"; if empty, the axes (or
            prompt and seed) and the annotations.
        height: Maximum height of the table in pixels.
    """

    _surface = t.Unicode("table").tag(sync=True)

    columns = t.List(t.Unicode()).tag(sync=True)
    height = t.Int(480, min=120, max=4000).tag(sync=True)
    _own_parts: ClassVar[Mapping[str, str]] = {"columns": "columns"}

    def __init__(
        self,
        clips: Run | ClipSet,
        *,
        columns: Sequence[str] = (),
        height: int = 480,
        filter: str | None = None,  # noqa: A002  (as in pandas)
        sort: str | None = None,
    ) -> None:
        """Show a run or a set of clips.

        Args:
            clips: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            columns: Names of the columns.
            height: Maximum height of the table in pixels.
            filter: Which clips are shown, a query as in `ClipSet.query`; by default the filter
                of the surfaces that already show these clips.
            sort: The name to sort by, as in `ClipSet.sort`; the default as with `filter`.

        Raises:
            BeecamError: A name is unknown.
            TypeError: `clips` is neither a Run nor a ClipSet.

        >>> bw.ClipTable(run, columns=["insect", "stars"], filter="is:starred", sort="-stars")
        """
        super().__init__(clips, columns=list(columns), height=height, filter=filter, sort=sort)

    @t.validate("columns")  # type: ignore[untyped-decorator]
    def _validate_columns(self, proposal: Any) -> list[str]:
        names: list[str] = proposal["value"]
        self._check_columns(names)
        return names

    def _check_columns(self, names: Sequence[str]) -> None:
        known = self._column_names()
        for name in names:
            if name not in known:
                raise BeecamError(
                    f"columns: unknown name {name!r}.{did_you_mean(name, known)} The names are "
                    f"{', '.join(known)}."
                )

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        super()._check_view(traits)
        self._check_columns(traits.get("columns", []))

    def _reset_unfit(self) -> None:
        super()._reset_unfit()
        known = self._column_names()
        self.columns = [name for name in self.columns if name in known]

    def _column_names(self) -> list[str]:
        return [*known_names(self._source), "tags"]
