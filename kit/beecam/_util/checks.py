"""Checks of single arguments, so that all messages read alike; each yields what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from beecam.errors import BeecamError, CheckError, Problem, did_you_mean, join_problems, shorten


def raise_problems(problems: Iterable[Problem], error: type[BeecamError] = CheckError) -> None:
    """Raise one error with all problems, if there are any."""
    found = list(problems)
    if found:
        raise CheckError(found) if error is CheckError else error(join_problems(found))


def integer(
    name: str,
    value: Any,
    low: int,
    high: int | None = None,
    *,
    or_none: bool = False,
    ends: bool = True,
) -> Iterator[Problem]:
    """A whole number is needed, from `low` to `high`; `ends` says whether these are choices."""
    if value is None and or_none:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        near = ""
    elif high is not None and value > high:
        near = f" The nearest is {high:,}."
    elif value < low:
        near = f" The nearest is {low:,}."
    else:
        return
    allowed = f"of {low:,} or more" if high is None else f"from {low:,} to {high:,}"
    yield Problem(
        name, f"{name}={shorten(value)}: a whole number {allowed} is needed.{near if ends else ''}"
    )


def boolean(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
    """True or False is needed; numpy's are as good."""
    if not (type(value).__name__ in ("bool", "bool_") or (value is None and or_none)):
        yield Problem(name, f"{name}={shorten(value)}: True or False is needed.")


def string(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
    """A text is needed."""
    if not (isinstance(value, str) or (value is None and or_none)):
        yield Problem(name, f"{name}={shorten(value)}: a text is needed.")


def choice(name: str, value: Any, choices: Sequence[str], more: str = "") -> Iterator[Problem]:
    """One of some texts is needed, of which each may have a leading "-"."""
    word = value.removeprefix("-") if isinstance(value, str) else value
    if word not in choices:
        yield Problem(
            name,
            f"{name}={shorten(value)}: one of {', '.join(choices)}{more}."
            f"{did_you_mean(word, choices)}",
        )


def callable_argument(call: str, value: Any, of: str, example: str) -> Iterator[Problem]:
    """A function is needed."""
    if not callable(value):
        yield Problem(
            call,
            f"{call}({shorten(value)}): a function of a {of} is needed, as in {call}({example}).",
        )


def writable_file(name: str, value: Any, example: str) -> Iterator[Problem]:
    """Yield a problem unless `value` can be the path of a file to write."""
    found = list(path_argument(name, value, f"'{example}'"))
    if found:
        yield found[0]
        return
    path = Path(value).expanduser()
    if path.is_dir():
        yield Problem(
            name,
            f"{name}={str(value)!r} is a folder: name a file in it, as in {str(path / example)!r}.",
        )
    elif any(part.exists() and not part.is_dir() for part in path.parents):
        yield Problem(name, f"{name}={str(value)!r}: a part of it is a file, not a folder.")


def path_argument(name: str, value: Any, example: str) -> Iterator[Problem]:
    """Yield a problem unless `value` can be a path."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value) or "\0" in str(value):
        yield Problem(name, f"{name}={shorten(value)}: a path is needed, as in {example}.")
        return
    try:
        Path(value).expanduser().is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, an unknown home folder
        why = getattr(error, "strerror", None) or error
        yield Problem(name, f"{name}={shorten(value)}: this can't be a file's name: {why}.")


def suffix(name: str, value: Any, suffixes: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem unless a path ends with one of the suffixes."""
    if not isinstance(value, (str, os.PathLike)):
        return
    found = Path(value).suffix.lower()
    if found not in suffixes:
        yield Problem(
            name,
            f"{name}={str(value)!r}: the suffix is one of {', '.join(suffixes)}."
            f"{did_you_mean(found, suffixes)}",
        )
