"""Plain Python values from numpy's, so that equal values have equal keys and survive as JSON."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

_PLAIN_TYPES = (str, int, float, bool)
_LARGEST_FLOAT = 10**300  # larger integers may not convert to float


def to_plain(value: Any) -> Any:
    """Return numpy scalars as Python scalars, and arrays and lists as tuples.

    >>> to_plain([np.int64(3), "x"])
    (3, 'x')
    """
    if value is None or type(value) in _PLAIN_TYPES:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(to_plain(v) for v in value)
    return value


def to_int(value: Any) -> Any:
    """Return a float without a fraction as an int, and any other value as `to_plain` does.

    >>> to_int(3.0), to_int(3.5)
    (3, 3.5)
    """
    value = to_plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_float(value: Any) -> Any:
    """Return an int as a float, and any other value as `to_plain` does.

    So is a fraction, such as the rate of a video that PyAV has opened.

    >>> to_float(3), to_float(Fraction(25, 2)), to_float("x")
    (3.0, 12.5, 'x')
    """
    value = to_plain(value)
    whole = isinstance(value, numbers.Rational) and not isinstance(value, bool)
    if whole and abs(value) < _LARGEST_FLOAT:
        return float(value)
    return value


def as_integer(value: Any) -> int | None:
    """Return an integer of any type, such as numpy's, as an int; None for anything else.

    >>> as_integer(np.int64(3)), as_integer(True), as_integer(3.0)
    (3, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_number(value: Any) -> float | None:
    """Return a finite number of any type, such as numpy's, as a float; None for anything else.

    >>> as_number(np.float32(0.5)), as_number(math.nan), as_number(True)
    (0.5, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an int that is too large
        return None


def is_json_data(value: Any) -> bool:
    """Return whether a plain value survives as JSON, so that it can be part of a key.

    >>> is_json_data((1, "x", None)), is_json_data(float("nan"))
    (True, False)
    """
    if isinstance(value, tuple):
        return all(map(is_json_data, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))
