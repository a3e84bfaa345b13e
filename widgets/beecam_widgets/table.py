"""Clips as a table with posters, ordered by a press on a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, did_you_mean
from beecam.runs.run import Run
from beecam_widgets.surface import Surface


class ClipTable(Surface):
    """The clips of a run or a set as a table; it follows the grids of the same clips.

    >>> bw.ClipTable(run)
    >>> table = bw.ClipTable(bc.library().clips(), columns=["prompt", "seed", "stars", "seconds"])
    >>> table.sort = "-seconds"
    >>> table.shown.to_frame()      # what is shown, in its order

    Attributes:
        columns: What is shown of each clip: axes, facts, arguments, "stars" and "tags"; empty: the
            axes, or prompt and seed, with the marks.
        height: That the table may take, in pixels.
    """

    _surface = t.Unicode("table").tag(sync=True)

    columns = t.List(t.Unicode()).tag(sync=True)
    height = t.Int(460, min=120, max=4000).tag(sync=True)
    view_parts: ClassVar[Mapping[str, str]] = {"columns": "columns", **Surface.view_parts}

    def __init__(
        self,
        shown: Run | ClipSet,
        *,
        columns: Sequence[str] = (),
        height: int = 460,
        filter: str | None = None,  # noqa: A002  (as in pandas)
        sort: str | None = None,
    ) -> None:
        """Show a run or a set of clips.

        Args:
            shown: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            columns: What is shown of each clip.
            height: That the table may take, in pixels.
            filter: Which clips are shown, a line as in `ClipSet.matching`; by default as on other
                surfaces that show the same clips.
            sort: By what they are ordered, as in `ClipSet.sort`.

        Raises:
            BeecamError: A name is none of these clips'.
            TypeError: `shown` is neither a run nor a set of clips.
        """
        super().__init__(shown, columns=list(columns), height=height, filter=filter, sort=sort)

    @t.validate("columns")  # type: ignore[untyped-decorator]
    def _check_columns(self, proposal: Any) -> list[str]:
        names: list[str] = proposal["value"]
        known = [*self._names(self._publisher.shown), "tags"]
        for name in names:
            if name not in known:
                raise BeecamError(
                    f"columns: no {name!r}.{did_you_mean(name, known)} There are "
                    f"{', '.join(known)}."
                )
        return names

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        super()._check_view(traits)
        self._check_columns({"value": traits.get("columns", [])})

    def _fit(self) -> None:
        super()._fit()
        known = [*self._names(self._publisher.shown), "tags"]
        self.columns = [name for name in self.columns if name in known]
