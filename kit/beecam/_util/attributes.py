"""Objects that refuse attributes that they don't have: a misspelled one would be lost."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from beecam._util.keywords import explain_keywords
from beecam.errors import did_you_mean


class FixedAttributes:
    """A class whose instances have the public attributes that it declares and no others.

    Wrong keywords of its methods are reported as those of public functions.

    >>> clip.star = 4
    Traceback (most recent call last):
    AttributeError: Clip has no attribute 'star'. Did you mean stars?
    """

    _declared: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        annotated = (name for base in cls.__mro__ for name in vars(base).get("__annotations__", {}))
        cls._declared = frozenset([*dir(cls), *annotated])
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
                named = cls.__name__ if name == "__init__" else name
                setattr(cls, name, explain_keywords(method, named))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._declared and not name.startswith("_"):
            public = [one for one in self._declared if not one.startswith("_")]
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}.{did_you_mean(name, public)}"
            )
        object.__setattr__(self, name, value)
