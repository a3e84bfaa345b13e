"""The live grid of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, did_you_mean, shorten
from beecam.runs.run import Run
from beecam.sweeps.axes import Axis
from beecam_widgets.source import Source
from beecam_widgets.surface import Surface, names_of_axes


class _Names(t.List):  # type: ignore[misc]
    """A list of names that may be given as a single name."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        names: list[str] = super().validate(obj, [value] if isinstance(value, str) else value)
        return names


class ClipGrid(Surface):
    """A grid of clips that fills while they are made; every interaction is a readable value.

    >>> grid = bw.ClipGrid(run, rows="insect", columns="seed", fixed={"place": "dunes"})
    >>> grid                    # the last line of a cell shows it
    >>> grid.selection          # what was selected by hand, a ClipSet
    >>> grid.current            # the clip under the cursor
    >>> grid.filter = "stars>=3 -is:rejected"
    >>> grid.shown              # what the filter lets through, in the order of `sort`
    >>> grid.view               # how it is shown; grid.view = {...} brings it back

    Attributes:
        rows: Names of the axes down the side, the outer one first; empty: the grid chooses.
        columns: Names of the axes along the top.
        fixed: Axes of which one value is shown only, by the axis' name: the value's label.
        size: Width of a cell in pixels; 0: the grid chooses.
        height: Height that the grid may take, in pixels.
        playing: Whether clips play.
        speed: How fast they play; 1 is as they are.
    """

    _surface = t.Unicode("grid").tag(sync=True)

    rows = _Names(t.Unicode()).tag(sync=True)
    columns = _Names(t.Unicode()).tag(sync=True)
    fixed = t.Dict(key_trait=t.Unicode()).tag(sync=True)
    size = t.Int(0, min=0, max=640).tag(sync=True)
    height = t.Int(560, min=120, max=4000).tag(sync=True)
    playing = t.Bool(default_value=True).tag(sync=True)
    speed = t.Float(1.0, min=0.1, max=8.0).tag(sync=True)
    sheet_rank: ClassVar[int] = 1
    view_parts: ClassVar[Mapping[str, str]] = {
        "rows": "rows",
        "columns": "columns",
        "fixed": "fixed",
        "size": "size",
        "playing": "playing",
        "speed": "speed",
        **Surface.view_parts,
    }

    def __init__(
        self,
        shown: Run | ClipSet,
        *,
        rows: str | Sequence[str] = (),
        columns: str | Sequence[str] = (),
        fixed: Mapping[str, Any] | None = None,
        size: int = 0,
        height: int = 560,
        playing: bool = True,
        speed: float = 1.0,
        filter: str | None = None,  # noqa: A002  (as in pandas)
        sort: str | None = None,
    ) -> None:
        """Show a run or a set of clips.

        Args:
            shown: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            rows: One axis or several, the outer one first.
            columns: One axis or several.
            fixed: A value, or its label, for each axis of which one value is shown only.
            size: Width of a cell in pixels; 0 fits as many as the page holds.
            height: Height that the grid may take, in pixels.
            playing: Whether clips play from the start.
            speed: How fast they play.
            filter: Which cells are shown, a line as in `ClipSet.matching`; by default as on other
                surfaces that show the same cells.
            sort: By what they are ordered, as in `ClipSet.sort`.

        Raises:
            BeecamError: There is no such axis, or it has no such value.
            TypeError: `shown` is neither a run nor a set of clips.
        """
        super().__init__(
            shown,
            rows=rows,
            columns=columns,
            fixed=dict(fixed or {}),
            size=size,
            height=height,
            playing=playing,
            speed=speed,
            filter=filter,
            sort=sort,
        )

    # --- inside --------------------------------------------------------------------------------

    @t.validate("rows", "columns")  # type: ignore[untyped-decorator]
    def _check_axes(self, proposal: Any) -> list[str]:
        name, other = proposal["trait"].name, {"rows": "columns", "columns": "rows"}
        names = names_of_axes(self._publisher.shown, name, proposal["value"])
        if not self._cross_validation_lock:
            _check_apart(names, getattr(self, other[name]))
        return names

    @t.validate("fixed")  # type: ignore[untyped-decorator]
    def _check_fixed(self, proposal: Any) -> dict[str, str]:
        return _labels(self._publisher.shown, proposal["value"])

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        super()._check_view(traits)
        source = self._publisher.shown
        rows, columns = (
            names_of_axes(source, name, traits.get(name, getattr(self, name)))
            for name in ("rows", "columns")
        )
        _check_apart(rows, columns)
        _labels(source, traits.get("fixed", {}))

    def _fit(self) -> None:
        super()._fit()
        source = self._publisher.shown
        for name in ("rows", "columns"):
            setattr(self, name, [n for n in getattr(self, name) if _axis(source, n)])
        self.fixed = {
            name: label
            for name, label in self.fixed.items()
            if (axis := _axis(source, name)) and label in axis.labels
        }

    def _is_meant(self, coords: Mapping[str, int]) -> bool:
        source = self._publisher.shown
        axes = {axis.name: axis for axis in source.axes}
        return all(
            name not in coords or axes[name].labels[coords[name]] == label
            for name, label in self.fixed.items()
        )


def _axis(source: Source, name: str) -> Axis | None:
    return next((axis for axis in source.axes if axis.name == name), None)


def _check_apart(rows: Sequence[str], columns: Sequence[str]) -> None:
    if both := [name for name in rows if name in columns]:
        raise BeecamError(f"{both[0]!r} can make rows or columns, not both.")


def _labels(source: Source, fixed: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of fixed values, which may be given as the values themselves.

    Raises:
        BeecamError: There is no such axis, or it has no such value.
    """
    names_of_axes(source, "fixed", list(fixed))
    found = {}
    for name, value in fixed.items():
        axis = _axis(source, name)
        assert axis is not None
        if isinstance(value, str) and value in axis.labels:
            found[name] = value
        elif value in axis.values:
            found[name] = axis.labels[axis.values.index(value)]
        else:
            raise BeecamError(
                f"fixed: {name}={shorten(value)}: no such value.{did_you_mean(value, axis.labels)}"
                f" There are {', '.join(axis.labels[:8])}{', ...' if len(axis) > 8 else ''}."  # noqa: PLR2004
            )
    return found
