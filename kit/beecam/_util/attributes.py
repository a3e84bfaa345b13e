"""Objects that refuse attributes that they don't have: a misspelled one would be lost."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any

from beecam.errors import did_you_mean


class FixedAttributes:
    """A class whose instances have the public attributes that it declares and no others.

    >>> clip.star = 4
    Traceback (most recent call last):
    AttributeError: Clip has no attribute 'star'. Did you mean stars?
    """

    def __setattr__(self, name: str, value: Any) -> None:
        known = _declared(type(self))
        if name not in known and not name.startswith("_"):
            public = [one for one in known if not one.startswith("_")]
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}.{did_you_mean(name, public)}"
            )
        object.__setattr__(self, name, value)


@cache
def _declared(kind: Hashable) -> frozenset[str]:
    assert isinstance(kind, type)
    annotated = (name for base in kind.__mro__ for name in vars(base).get("__annotations__", {}))
    return frozenset([*dir(kind), *annotated])
