"""Clips as a table by their axes: the rows and columns of contact sheets and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
# A table of more rows than the first gets a second axis across, up to the second number of columns.
_MANY_ROWS, _MAX_NESTED_COLUMNS = 8, 9
# Samples of many axes are shown one after another, not in a table that is mostly empty.
_LEAST_FILLED = 0.5


@dataclass(frozen=True)
class TableLayout:
    """Rows and columns of clips; only positions that occur are among them.

    Attributes:
        row_axes: The axes of the rows, the outermost first; none if there is one row.
        column_axes: The axes of the columns, the outermost first.
        rows: The labels of each row, one for each of its axes, shortened to what differs.
        columns: The labels of each column.
        places: The row and the column of each clip.
    """

    row_axes: Sequence[Axis]
    column_axes: Sequence[Axis]
    rows: Sequence[tuple[str, ...]]
    columns: Sequence[tuple[str, ...]]
    places: Sequence[tuple[int, int]]

    @property
    def row_labels(self) -> list[str]:
        """The header of each row as one text; "" for a single row."""
        return _joined(self.row_axes, self.rows)

    @property
    def column_labels(self) -> list[str]:
        """The header of each column as one text."""
        return _joined(self.column_axes, self.columns)


def table_layout(clips: ShownClips, *, nested: bool = False) -> TableLayout | None:
    """Return the table that clips form by their axes; None if they are better shown in lines.

    >>> table_layout(clips).column_labels
    ['a meadow', 'dunes']

    Args:
        clips: The clips.
        nested: Whether columns may have several axes, so that a table isn't many times as high as
            it is wide.
    """
    coords = [clips.coords(i) for i in range(len(clips))]
    used = {axis.name: {at[axis.name] for at in coords} for axis in complete_axes(clips)}
    varying = [axis for axis in complete_axes(clips) if len(used[axis.name]) > 1]
    most = _MAX_IN_ONE_ROW if len(varying) == 1 else _MAX_COLUMNS
    narrow = [axis for axis in varying if len(used[axis.name]) <= most]
    if not narrow:
        return None
    across = [narrow[-1]]
    down = [axis for axis in varying if axis is not across[0]]
    keys = [tuple(at[axis.name] for axis in down) for at in coords]
    columns = len(used[across[0].name])
    while nested and len(down) > 1 and len(set(keys)) > _MANY_ROWS:
        columns *= len(used[down[-1].name])
        if columns > _MAX_NESTED_COLUMNS:
            break
        across.insert(0, down.pop())
        keys = [key[:-1] for key in keys]
    across_keys = [tuple(at[axis.name] for axis in across) for at in coords]
    row_of = {key: n for n, key in enumerate(sorted(set(keys)))}
    column_of = {key: n for n, key in enumerate(sorted(set(across_keys)))}
    places = [(row_of[r], column_of[c]) for r, c in zip(keys, across_keys, strict=True)]
    filled = len(set(places)) / (len(row_of) * len(column_of))
    if len(varying) > 2 and filled <= _LEAST_FILLED:  # noqa: PLR2004
        return None
    return TableLayout(down, across, _labels(down, row_of), _labels(across, column_of), places)


def _labels(axes: Sequence[Axis], keys: Iterable[tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Return the labels of rows or columns, shortened axis by axis."""
    keys = list(keys)
    short: list[dict[int, str]] = []
    for n, axis in enumerate(axes):
        positions = sorted({key[n] for key in keys})
        texts = distinguish([axis.labels[at] for at in positions], _MAX_HEADER)
        short.append(dict(zip(positions, texts, strict=True)))
    return [tuple(some[at] for some, at in zip(short, key, strict=True)) for key in keys]


def _joined(axes: Sequence[Axis], headers: Sequence[tuple[str, ...]]) -> list[str]:
    if len(axes) <= 1:
        return ["".join(labels) for labels in headers]
    columns = [
        Column(axis.name, tuple(dict.fromkeys(labels[n] for labels in headers)))
        for n, axis in enumerate(axes)
    ]
    return list(map(captioner(columns, _MAX_HEADER), headers))
