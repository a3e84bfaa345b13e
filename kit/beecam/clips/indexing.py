"""Which clips of a set an index means: a list of indices or a mask, as in numpy and pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from beecam.errors import CheckError, Problem, shorten


def indices_of(index: Any, count: int, explain_missing: Callable[[int], str]) -> list[int]:
    """Return the indices, from 0, that a list of indices or a mask selects.

    >>> indices_of([0, -1], 6, str)
    [0, 5]
    >>> indices_of(np.array([False, True]), 2, str)
    [1]

    Args:
        index: A list, an array or a pandas series.
        count: How many clips there are.
        explain_missing: Returns the message about an index out of range.

    Raises:
        IndexError: An index is out of range, or the mask has another length.
        CheckError: The index is of another type.
    """
    if isinstance(index, (bytes, bytearray)) or not hasattr(index, "__iter__"):
        raise CheckError([index_problem(index)])
    try:
        array = np.asarray(list(index))
    except (TypeError, ValueError):
        raise CheckError([index_problem(index)]) from None
    if array.size == 0:
        return []
    if array.ndim != 1 or array.dtype.kind not in "iub":
        raise CheckError([index_problem(index)])
    if array.dtype.kind == "b":
        if len(array) != count:
            raise IndexError(f"the mask has {len(array):,} values, and there are {count:,} clips.")
        return [int(i) for i in np.flatnonzero(array)]
    for one in array:
        if not -count <= one < count:
            raise IndexError(explain_missing(int(one)))
    return [int(one) % count for one in array]


def index_problem(index: Any) -> Problem:
    """Return the problem of an index of another type."""
    return Problem(
        "index",
        f"clips[{shorten(index)}]: a number, a slice, a list of numbers or a mask is needed, as in "
        'clips[0], clips[:4] or clips[[0, 2]]; clips.where(insect="bee") picks by axis, '
        "library[key] by key.",
    )
