"""Objects that name the nearest attribute for one that they don't have."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from beecam._util.keywords import explain_keywords
from beecam.errors import did_you_mean


class NearestAttributes:
    """A class whose instances name the nearest attribute for one that is missing.

    Every class whose instances a user holds inherits it.

    >>> clip.star
    Traceback (most recent call last):
    AttributeError: Clip has no attribute 'star'. Did you mean stars?
    """

    if not TYPE_CHECKING:  # type checkers would take any attribute for one that exists

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                # What others look for, or a property whose own error is an AttributeError.
                return object.__getattribute__(self, name)
            public = [one for one in dir(self) if not one.startswith("_")]
            raise AttributeError(missing_attribute(self, name, public))


class FixedAttributes(NearestAttributes):
    """A class whose instances have the public attributes that it declares and no others.

    A misspelled one would be lost.

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
                setattr(cls, name, explain_keywords(method))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._declared and not name.startswith("_"):
            public = [one for one in self._declared if not one.startswith("_")]
            raise AttributeError(missing_attribute(self, name, public))
        object.__setattr__(self, name, value)


def missing_attribute(owner: object, name: str, public: Iterable[str]) -> str:
    """Return the message for an attribute that doesn't exist, with the nearest that does.

    >>> missing_attribute(clip, "star", ["stars", "tags"])
    "Clip has no attribute 'star'. Did you mean stars?"

    Args:
        owner: The object.
        name: The attribute that it doesn't have.
        public: Those that it has.
    """
    return f"{type(owner).__name__} has no attribute {name!r}.{did_you_mean(name, public)}"
