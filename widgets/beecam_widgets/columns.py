"""What a page filters and sorts by: the plain values of thousands of cells in few messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beecam.query import STATES, Row
from beecam.rows import USUAL, rows_of
from beecam_widgets.source import Source

Message = tuple[dict[str, Any], list[bytes]]

# Of so many cells a message: their texts come once each, and stay well below its limit.
_CELLS = 4_000
_TEXT = 2_000


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
    columns: list[dict[str, Any]] = []
    buffers = [np.array(cells, np.int32).tobytes()]
    for name in dict.fromkeys(name for row in rows for name in row.values):
        values = [row.values.get(name) for row in rows]
        if all(value is None or isinstance(value, (int, float)) for value in values):
            columns.append({"name": name})
            numbers = [float("nan") if value is None else value for value in values]
            buffers.append(np.array(numbers, np.float64).tobytes())
        else:
            texts = {str(v)[:_TEXT]: 0 for v in values if v is not None}
            places = {text: i for i, text in enumerate(texts)}
            columns.append({"name": name, "texts": list(texts)})
            codes = [-1 if v is None else places[str(v)[:_TEXT]] for v in values]
            buffers.append(np.array(codes, np.int32).tobytes())
    states = [sum(1 << STATES.index(state) for state in row.states) for row in rows]
    buffers.append(np.array(states, np.int32).tobytes())
    return {
        "kind": "columns", "columns": columns, "usual": list(USUAL),
        "tags": [[i, list(row.tags)] for i, row in zip(cells, rows, strict=True) if row.tags],
    }, buffers  # fmt: skip
