"""A wrong keyword of a public function is reported as any other wrong argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from beecam.errors import CheckError, Problem, did_you_mean, join_words

_Function = TypeVar("_Function", bound=Callable[..., Any])


def explain_keywords(function: _Function) -> _Function:
    """Return a function that raises a CheckError for keywords that it doesn't have.

    Name, docstring and signature stay those of the function. One that takes any keyword
    (`**arguments`) is returned unchanged: it checks them itself.

    >>> explain_keywords(bc.run)(sweep, model, libary=library)
    Traceback (most recent call last):
    beecam.errors.CheckError: run(libary=...): no such argument. Did you mean library? It takes ...

    Args:
        function: The function, or the `__init__` of a class, which is called by the name of the
            class that is created: an inherited one must not name its base.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return function
    known = [
        one.name
        for one in parameters
        if one.kind not in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL) and one.name != "self"
    ]

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        unknown = [name for name in keywords if name not in known]
        if unknown:
            called = function.__name__
            if called == "__init__":
                called = type(args[0]).__name__
            raise CheckError(_problem(called, name, known) for name in unknown)
        return function(*args, **keywords)

    return call  # type: ignore[return-value]


def _problem(function: str, name: str, known: list[str]) -> Problem:
    takes = f"It takes {join_words(known)}." if known else "It takes none by name."
    return Problem(
        name, f"{function}({name}=...): no such argument.{did_you_mean(name, known)} {takes}"
    )
