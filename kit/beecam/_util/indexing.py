"""What an index means: a slice, a list of indices or a mask, as in numpy and pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

import numpy as np

from beecam._util.words import count_of
from beecam.errors import CheckError, Problem, shorten

T = TypeVar("T")


def indices_of(
    index: Any, count: int, noun: str, explain_missing: Callable[[int], str], problem: Problem
) -> list[int]:
    """Return the indices, from 0, that a slice, a list of indices or a mask selects.

    A mask of pandas is aligned by its index, as in `frame[mask]`.

    >>> problem = Problem("index", "a number or a mask is needed.")
    >>> indices_of([0, -1], 6, "clip", str, problem)
    [0, 5]
    >>> indices_of(np.array([False, True]), 2, "clip", str, problem)
    [1]

    Args:
        index: A slice, a list, an array or a pandas series.
        count: How many there are.
        noun: What they are, in the singular.
        explain_missing: Returns the message about an index out of range.
        problem: What is raised for an index of another type.

    Raises:
        IndexError: An index is out of range, or the mask has another length.
        CheckError: The index is of another type, or the index of a pandas mask isn't 0, 1, 2, ...
    """
    if isinstance(index, slice):
        try:
            return list(range(count)[index])
        except TypeError:
            raise CheckError([problem]) from None
    array = _read(index)
    if array is None:
        raise CheckError([problem])
    if array.dtype.kind == "b":
        if len(array) != count:
            raise IndexError(
                f"the mask has {count_of(len(array), 'value')}, and there "
                f"{'is' if count == 1 else 'are'} {count_of(count, noun)}."
            )
        return [int(i) for i in np.flatnonzero(_aligned(index, array))]
    for one in array:
        if not -count <= one < count:
            raise IndexError(explain_missing(int(one)))
    return [int(one) % count for one in array]


@overload
def item_of(items: tuple[T, ...], index: int, noun: str) -> T: ...
@overload
def item_of(items: tuple[T, ...], index: slice, noun: str) -> tuple[T, ...]: ...
def item_of(items: tuple[T, ...], index: Any, noun: str) -> T | tuple[T, ...]:
    """Return one item of a tuple, or those of a slice.

    >>> item_of(("a", "b"), 2, "deck")
    Traceback (most recent call last):
    IndexError: deck 2: there are 2, counted from 0.

    Args:
        items: The items.
        index: An integer or a slice.
        noun: What they are, in the singular.

    Raises:
        IndexError: There is no such item.
        CheckError: The index is neither an integer nor a slice.
    """
    try:
        found: T | tuple[T, ...] = items[index]
    except IndexError:
        raise IndexError(f"{noun} {index}: there are {len(items):,}, counted from 0.") from None
    except TypeError:
        message = f"{noun}s[{shorten(index)}]: a number or a slice is needed."
        raise CheckError([Problem("index", message)]) from None
    return found


def _read(index: Any) -> Any:
    """Return a list of integers or a mask as an array; None for anything else."""
    if isinstance(index, (str, bytes, bytearray)) or not hasattr(index, "__iter__"):
        return None
    try:
        array = np.asarray(list(index))
    except (TypeError, ValueError):
        return None
    if array.size == 0:
        return np.empty(0, int)
    return array if array.ndim == 1 and array.dtype.kind in "iub" else None


def _aligned(index: Any, mask: Any) -> Any:
    """Return a mask in the order of the clips; a frame may have been sorted since."""
    labels = getattr(index, "index", None)
    if labels is None or callable(labels):  # a list has a method of that name
        return mask
    found = labels.to_numpy()
    order = np.arange(len(mask))
    if found.dtype.kind not in "iu" or not np.array_equal(np.sort(found), order):
        raise CheckError(
            [
                Problem(
                    "index",
                    f"the mask's index {shorten(found.tolist(), 40)} isn't that of to_frame(): 0 "
                    f"to {len(mask) - 1:,} is needed. mask.to_numpy() selects in the mask's own "
                    "order.",
                )
            ]
        )
    aligned = np.empty_like(mask)
    aligned[found] = mask
    return aligned
