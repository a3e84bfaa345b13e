"""Messages with the values that a front end filters and sorts by, in large batches of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from beecam.export import view_data
from beecam.storage.query import Row
from beecam.storage.query_rows import COMMON_NAMES, rows_of
from beecam_widgets._clips.cell_source import CellSource
from beecam_widgets._notebook.flow_control import Message

# Cells per message. Distinct strings are sent once per message and stay well below its limit.
_CELLS_PER_MESSAGE = 4_000


def column_messages(source: CellSource, cells: Sequence[int]) -> Iterator[Message]:
    """Yield messages with the values that clips can be filtered by, except their axis labels.

    The first buffer of each message has the cells (int32). One buffer follows for each name: its
    numbers (float64, NaN for missing), or indices (int32, -1 for missing) into a list of distinct
    strings. The last one has the states (int32 bit sets).

    Args:
        source: Where the cells are from.
        cells: Their numbers; those without a clip are left out.
    """
    for start in range(0, len(cells), _CELLS_PER_MESSAGE):
        part = cells[start : start + _CELLS_PER_MESSAGE]
        rows = rows_of(source.library, [source.key(i) for i in part])
        stored = [(i, row) for i, row in zip(part, rows, strict=True) if row is not None]
        if stored:
            yield _message([i for i, _ in stored], [row for _, row in stored])


def _message(cells: Sequence[int], rows: Sequence[Row]) -> Message:
    columns = view_data.columns_data(rows)
    buffers = [np.array(cells, np.int32).tobytes()]
    for column in columns:
        values = column.pop("values")
        # numpy turns None into NaN.
        buffers.append(np.array(values, np.int32 if "texts" in column else np.float64).tobytes())
    buffers.append(np.array([view_data.state_bits(row) for row in rows], np.int32).tobytes())
    return {
        "kind": "columns",
        "columns": columns,
        "usual": list(COMMON_NAMES),
        "tags": [[i, list(row.tags)] for i, row in zip(cells, rows, strict=True) if row.tags],
    }, buffers
