"""Whether a value can be what a pipeline's own annotation asks for, as far as that can be known."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

_KINDS: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    str: (str,),
    bool: (bool,),
    type(None): (type(None),),
}


def fits(annotation: Any, value: Any) -> bool:
    """Return whether a value that a shot can carry may be meant by an annotation.

    Args:
        annotation: Of a pipeline's argument; what says nothing allows everything.
        value: A text, a number, a truth value, None, or a tuple of them.
    """
    if annotation is inspect.Parameter.empty or annotation is Any or isinstance(annotation, str):
        return True
    inner = typing.get_args(annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return any(fits(one, value) for one in inner)
    if origin in (list, tuple):
        items = inner[0] if inner else Any
        return isinstance(value, tuple) and all(fits(items, one) for one in value)
    kinds = _KINDS.get(origin, ())
    return isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)


def spelled(annotation: Any) -> str:
    """Return an annotation as a person reads it."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.replace("typing.", "")
