"""Wrong and missing arguments of a public function are reported as any other wrong argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from beecam.errors import CheckError, Problem, did_you_mean, join_words, nearest_match

_Function = TypeVar("_Function", bound=Callable[..., Any])


def explain_keywords(function: _Function) -> _Function:
    """Return a function that raises a CheckError for arguments that don't fit its signature.

    Those are keywords that it doesn't have, needed arguments that are missing, and more values
    without a name than it takes. Name, docstring and signature stay those of the function.

    >>> explain_keywords(bc.run)(sweep, model, libary=library)
    Traceback (most recent call last):
    beecam.errors.CheckError: run(libary=...): no such argument. Did you mean library? It takes ...

    Args:
        function: The function, or the `__init__` of a class, which is called by the name of the
            class that is created: an inherited one must not name its base. One that takes any
            keyword (`**arguments`) checks those itself.
    """
    signature = _Signature(function)

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        if not signature.fits(args, keywords):
            called = function.__name__
            if called == "__init__" and args:
                called = type(args[0]).__name__
            raise CheckError(signature.problems(called, args, keywords))
        return function(*args, **keywords)

    return call  # type: ignore[return-value]


class _Signature:
    """The parameters of a function, for a quick check of each call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        every = list(inspect.signature(function).parameters.values())
        kinds = {one.kind for one in every}
        self._takes_any_keyword = inspect.Parameter.VAR_KEYWORD in kinds
        self._takes_any_count = inspect.Parameter.VAR_POSITIONAL in kinds
        named = [one for one in every if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
        self._positional = [one.name for one in named if one.kind is not one.KEYWORD_ONLY]
        by_name = [one.name for one in named if one.kind is not one.POSITIONAL_ONLY]
        self._by_name = [name for name in by_name if name != "self"]
        self._needed = [
            one.name for one in named if one.default is one.empty and one.name != "self"
        ]

    def fits(self, args: Sequence[Any], keywords: Collection[str]) -> bool:
        """Return whether a call has all that is needed, and nothing that there isn't."""
        return not (
            self._are_too_many(args)
            or any(True for _ in self._unknown(keywords))
            or any(True for _ in self._missing(args, keywords))
        )

    def problems(
        self, function: str, args: Sequence[Any], keywords: Collection[str]
    ) -> Iterator[Problem]:
        """Yield what doesn't fit in a call of the function with this name."""
        takes = (
            f"It takes {join_words(self._by_name)}." if self._by_name else "It takes none by name."
        )
        meant = set()
        for name in self._unknown(keywords):
            hint = did_you_mean(name, self._by_name)
            meant.add(nearest_match(name, self._by_name))
            yield Problem(name, f"{function}({name}=...): no such argument.{hint} {takes}")
        usage = f"{function}({', '.join(self._needed)})"
        for name in self._missing(args, keywords):
            if name not in meant:
                yield Problem(name, f"{function}(): {name} is missing, as in {usage}.")
        if self._are_too_many(args):
            own = "self" in self._positional
            others = [name for name in self._by_name if name not in self._positional]
            rest = f" Name the others: {join_words(others, 'or')}." if others else ""
            yield Problem(
                function,
                f"{function}(): {len(args) - own} values without a name, and "
                f"{len(self._positional) - own} at most are taken.{rest}",
            )

    def _are_too_many(self, args: Sequence[Any]) -> bool:
        return len(args) > len(self._positional) and not self._takes_any_count

    def _unknown(self, keywords: Collection[str]) -> Iterator[str]:
        if not self._takes_any_keyword:
            yield from (name for name in keywords if name not in self._by_name)

    def _missing(self, args: Sequence[Any], keywords: Collection[str]) -> Iterator[str]:
        for name in self._needed:
            if name not in keywords and name not in self._positional[: len(args)]:
                yield name
