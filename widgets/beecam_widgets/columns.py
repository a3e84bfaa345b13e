"""What a page filters and sorts by: the plain values of thousands of cells in few messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beecam.export import view_data as telling
from beecam.storage.query import Row
from beecam.storage.query_rows import COMMON_NAMES, rows_of
from beecam_widgets.source import Source

Message = tuple[dict[str, Any], list[bytes]]

# Of so many cells a message: their texts come once each, and stay well below its limit.
_CELLS = 4_000


def columns_messages(source: Source, indices: Sequence[int]) -> Iterator[Message]:
    """Say what can be asked of the clips in some cells, apart from their labels on the axes.

    Each message has the cells (int32), and then a buffer for each name: its numbers (float64, NaN
    for none), or places (int32, -1 for none) in a list of distinct texts.
    """
    for start in range(0, len(indices), _CELLS):
        part = indices[start : start + _CELLS]
        rows = rows_of(source.library, [source.key(i) for i in part])
        there = [(i, row) for i, row in zip(part, rows, strict=True) if row is not None]
        if there:
            yield _message([i for i, _ in there], [row for _, row in there])


def _message(cells: Sequence[int], rows: Sequence[Row]) -> Message:
    told = telling.columns_data(rows)
    buffers = [np.array(cells, np.int32).tobytes()]
    for column in told:
        values = column.pop("values")
        # None becomes NaN.
        buffers.append(np.array(values, np.int32 if "texts" in column else np.float64).tobytes())
    buffers.append(np.array([telling.state_bits(row) for row in rows], np.int32).tobytes())
    return {
        "kind": "columns",
        "columns": told,
        "usual": list(COMMON_NAMES),
        "tags": [[i, list(row.tags)] for i, row in zip(cells, rows, strict=True) if row.tags],
    }, buffers
