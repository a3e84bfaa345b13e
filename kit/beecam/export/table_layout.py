"""Clips as a table by their axes: the rows and columns of contact sheets and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beecam.export.captions import Column, captioner, distinguish
from beecam.export.shown import complete_axes

if TYPE_CHECKING:
    from beecam.export.shown import ShownClips
    from beecam.sweeps.axes import Axis

_MAX_COLUMNS = 12
_MAX_IN_ONE_ROW = 6
_MAX_HEADER = 160
# Samples of many axes are shown one after another, not in a table that is mostly empty.
_LEAST_FILLED = 0.5


@dataclass(frozen=True)
class TableLayout:
    """Rows and columns of clips; only positions that occur are among them.

    Attributes:
        row_axes: The axes of the rows, the outermost first; none if there is one row.
        column_axis: The axis of the columns.
        row_labels: The header of each row, shortened to what differs; "" for a single row.
        column_labels: The header of each column.
        places: The row and the column of each clip.
    """

    row_axes: Sequence[Axis]
    column_axis: Axis
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    places: Sequence[tuple[int, int]]


def table_layout(clips: ShownClips) -> TableLayout | None:
    """Return the table that clips form by their axes; None if they are better shown in lines.

    >>> table_layout(clips).column_labels
    ['a meadow', 'dunes']
    """
    coords = [clips.coords(i) for i in range(len(clips))]
    used = {axis.name: {at[axis.name] for at in coords} for axis in complete_axes(clips)}
    varying = [axis for axis in complete_axes(clips) if len(used[axis.name]) > 1]
    most = _MAX_IN_ONE_ROW if len(varying) == 1 else _MAX_COLUMNS
    narrow = [axis for axis in varying if len(used[axis.name]) <= most]
    if not narrow:
        return None
    across = narrow[-1]
    down = [axis for axis in varying if axis is not across]
    keys = [tuple(at[axis.name] for axis in down) for at in coords]
    rows, columns = sorted(set(keys)), sorted(used[across.name])
    filled = len({(key, at[across.name]) for key, at in zip(keys, coords, strict=True)})
    if len(down) > 1 and filled <= _LEAST_FILLED * len(rows) * len(columns):
        return None
    row_of = {key: n for n, key in enumerate(rows)}
    column_of = {at: n for n, at in enumerate(columns)}
    return TableLayout(
        row_axes=down,
        column_axis=across,
        row_labels=_labels(down, rows),
        column_labels=distinguish([across.labels[i] for i in columns], _MAX_HEADER),
        places=[
            (row_of[key], column_of[at[across.name]]) for key, at in zip(keys, coords, strict=True)
        ],
    )


def _labels(axes: Sequence[Axis], rows: Sequence[tuple[int, ...]]) -> list[str]:
    labels = [[axis.labels[i] for axis, i in zip(axes, row, strict=True)] for row in rows]
    if len(axes) <= 1:
        return distinguish([label for some in labels for label in some], _MAX_HEADER) or [""]
    columns = [
        Column(axis.name, tuple(dict.fromkeys(some[n] for some in labels)))
        for n, axis in enumerate(axes)
    ]
    return list(map(captioner(columns, _MAX_HEADER), labels))
