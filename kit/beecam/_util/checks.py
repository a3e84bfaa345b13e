"""Checks of single arguments, so that all messages read alike; each yields what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from beecam.errors import BeecamError, CheckError, Problem, did_you_mean, sentences, shorten


def need(problems: Iterable[Problem], error: type[BeecamError] = CheckError) -> None:
    """Raise one error with all problems, if there are any."""
    found = list(problems)
    if found:
        raise CheckError(found) if error is CheckError else error(sentences(found))


def whole(
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


def flag(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
    """True or False is needed; numpy's are as good."""
    if not (type(value).__name__ in ("bool", "bool_") or (value is None and or_none)):
        yield Problem(name, f"{name}={shorten(value)}: True or False is needed.")


def text(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
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


def function(call: str, value: Any, of: str, example: str) -> Iterator[Problem]:
    """A function is needed."""
    if not callable(value):
        yield Problem(
            call,
            f"{call}({shorten(value)}): a function of a {of} is needed, as in {call}({example}).",
        )


def loaded(model: Any) -> Iterator[Problem]:
    """A loaded model is needed."""
    if not hasattr(model, "generate"):
        yield Problem(
            "model",
            f"model={shorten(model)}: a loaded model is needed, from bc.load() or bc.wrap(pipe).",
        )


def opened(library: Any) -> Iterator[Problem]:
    """An open library is needed, or None for the usual one."""
    from beecam.clips.library import Library

    if library is not None and not isinstance(library, Library):
        folder = library if isinstance(library, (str, os.PathLike)) else "bees"
        yield Problem(
            "library",
            f"library={shorten(library)}: an open library is needed, as in "
            f"library=bc.library({str(folder)!r}); without it, it is bc.library().",
        )


def folder(value: Any) -> Iterator[Problem]:
    """The path of a library's folder is needed."""
    if not isinstance(value, (str, os.PathLike)):
        yield Problem("folder", f"library({shorten(value)}): the path of a folder is needed.")
    elif not os.fspath(value):
        yield Problem(
            "folder",
            "library(''): the path of a folder is needed; library() is the usual one and "
            "library('.') is the folder of this notebook.",
        )
    elif "\0" in str(value):
        yield Problem(
            "folder",
            f"library({shorten(value)}): a path can't hold the character \\0; "
            f"the nearest is {str(value).replace(chr(0), '')!r}.",
        )


def page(value: Any) -> Iterator[Problem]:
    """The path of a file is needed that can be written."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value) or "\0" in str(value):
        yield Problem("path", f"path={shorten(value)}: a file's path is needed, as in 'page.html'.")
        return
    try:
        path = Path(value).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, a home that isn't known
        why = getattr(error, "strerror", None) or error
        yield Problem("path", f"path={shorten(value)}: no file can be called so: {why}.")
        return
    if is_folder:
        yield Problem(
            "path",
            f"path={str(value)!r} is a folder: name a file in it, as in "
            f"{str(path / 'page.html')!r}.",
        )
    elif any(part.exists() and not part.is_dir() for part in path.parents):
        yield Problem("path", f"path={str(value)!r}: a part of it is a file and no folder.")
