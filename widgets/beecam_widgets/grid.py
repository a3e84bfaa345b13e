"""ClipGrid: clips in rows and columns by the axes of their sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets as t

from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, did_you_mean, shorten
from beecam.runs.run import Run
from beecam.sweeps.axes import Axis
from beecam_widgets._clips.cell_source import CellSource
from beecam_widgets._clips.filtering import axis_names
from beecam_widgets._clips.surface import Surface

_LISTED = 8  # labels in a message


class _Names(t.List):  # type: ignore[misc]
    """A list of names; a single name may be assigned as a string."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        names: list[str] = super().validate(obj, [value] if isinstance(value, str) else value)
        return names


class ClipGrid(Surface):
    """A grid of clips that fills while a run generates them.

    Everything that can be done in the grid by hand is also an attribute.

    >>> grid = bw.ClipGrid(run, rows="insect", columns="seed", fixed={"place": "dunes"})
    >>> grid                    # the last line of a cell displays it
    >>> grid.selection          # the selected clips, a ClipSet
    >>> grid.current            # the clip under the cursor
    >>> grid.filter = "stars>=3 -is:rejected"
    >>> grid.shown              # the clips that match the filter, in the order of `sort`
    >>> grid.view               # all display settings; assign them to restore them

    Attributes:
        rows: Names of the axes of the rows, the outermost first; if empty, the grid chooses.
        columns: Names of the axes of the columns.
        fixed: Axes of which only one value is shown: name of the axis to label of the value.
        size: Width of a cell in pixels; 0 lets the grid choose.
        height: Maximum height of the grid in pixels.
        playing: Whether the clips play.
        speed: Playback speed; 1 is normal.
    """

    _surface = t.Unicode("grid").tag(sync=True)

    rows = _Names(t.Unicode()).tag(sync=True)
    columns = _Names(t.Unicode()).tag(sync=True)
    fixed = t.Dict(key_trait=t.Unicode()).tag(sync=True)
    size = t.Int(0, min=0, max=640).tag(sync=True)
    height = t.Int(560, min=120, max=4000).tag(sync=True)
    playing = t.Bool(default_value=True).tag(sync=True)
    speed = t.Float(1.0, min=0.1, max=8.0).tag(sync=True)
    _sheet_rank: ClassVar[int] = 1
    _shows_notes: ClassVar[bool] = True
    _own_parts: ClassVar[Mapping[str, str]] = {
        name: name for name in ("rows", "columns", "fixed", "size", "playing", "speed")
    }

    def __init__(
        self,
        clips: Run | ClipSet,
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
            clips: From `bc.run(...)`, `run.clips` or `bc.library().clips(...)`.
            rows: One axis or several, the outermost first. Without rows and columns, the axes are
                divided so that the most clips are seen as a whole.
            columns: One axis or several.
            fixed: A value, or its label, for each axis of which only one value is shown.
            size: Width of a cell in pixels; 0 fits as many as the page has room for.
            height: Maximum height of the grid in pixels.
            playing: Whether the clips play from the start.
            speed: Playback speed.
            filter: Which cells are shown, a query as in `ClipSet.query`; by default the filter
                of the surfaces that already show these cells.
            sort: The name to sort by, as in `ClipSet.sort`; the default as with `filter`.

        Raises:
            BeecamError: An axis, a value or a name is unknown.
            TypeError: `clips` is neither a Run nor a ClipSet.

        >>> bw.ClipGrid(run.clips, rows=["place", "insect"], size=96)
        """
        super().__init__(
            clips,
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

    # --- checks ----------------------------------------------------------------------------------

    @t.validate("rows", "columns")  # type: ignore[untyped-decorator]
    def _validate_axes(self, proposal: Any) -> list[str]:
        name, other = proposal["trait"].name, {"rows": "columns", "columns": "rows"}
        names = axis_names(self._source, name, proposal["value"])
        if not self._cross_validation_lock:
            _check_disjoint(names, getattr(self, other[name]))
        return names

    @t.validate("fixed")  # type: ignore[untyped-decorator]
    def _validate_fixed(self, proposal: Any) -> dict[str, str]:
        return _labels_of(self._source, proposal["value"])

    def _check_view(self, traits: Mapping[str, Any]) -> None:
        super()._check_view(traits)
        rows, columns = (
            axis_names(self._source, name, traits.get(name, getattr(self, name)))
            for name in ("rows", "columns")
        )
        _check_disjoint(rows, columns)
        _labels_of(self._source, traits.get("fixed", {}))

    def _reset_unfit(self) -> None:
        super()._reset_unfit()
        for name in ("rows", "columns"):
            setattr(self, name, [n for n in getattr(self, name) if _find_axis(self._source, n)])
        self.fixed = {
            name: label
            for name, label in self.fixed.items()
            if (axis := _find_axis(self._source, name)) and label in axis.labels
        }

    def _is_shown(self, coords: Mapping[str, int]) -> bool:
        axes = {axis.name: axis for axis in self._source.axes}
        return all(
            name not in coords or axes[name].labels[coords[name]] == label
            for name, label in self.fixed.items()
        )


def _find_axis(source: CellSource, name: str) -> Axis | None:
    return next((axis for axis in source.axes if axis.name == name), None)


def _check_disjoint(rows: Sequence[str], columns: Sequence[str]) -> None:
    if both := [name for name in rows if name in columns]:
        raise BeecamError(f"{both[0]!r}: an axis can be in rows or in columns, not in both.")


def _labels_of(source: CellSource, fixed: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of fixed values; a value may be passed instead of its label.

    Raises:
        BeecamError: The source has no such axis, or the axis has no such value.
    """
    axis_names(source, "fixed", list(fixed))
    labels = {}
    for name, value in fixed.items():
        axis = _find_axis(source, name)
        assert axis is not None
        if isinstance(value, str) and value in axis.labels:
            labels[name] = value
        elif value in axis.values:
            labels[name] = axis.labels[axis.values.index(value)]
        else:
            more = ", ..." if len(axis) > _LISTED else ""
            raise BeecamError(
                f"fixed: {name}={shorten(value)}: unknown value.{did_you_mean(value, axis.labels)}"
                f" The values are {', '.join(axis.labels[:_LISTED])}{more}."
            )
    return labels
