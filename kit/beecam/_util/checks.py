"""Checks of single arguments, with messages of one form; each yields the problems it finds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from beecam._util.plain import as_integer, as_number
from beecam.errors import BeecamError, CheckError, Problem, did_you_mean, join_problems, shorten

_T = TypeVar("_T")
# Suffixes of formats that exist: none is a misspelling of another.
_OTHER_FORMATS = frozenset(
    {".apng", ".avi", ".avif", ".bmp", ".htm", ".html", ".m4v", ".mkv", ".mov", ".mp3", ".mpg"}
    | {".ogv", ".pdf", ".svg", ".tif", ".tiff", ".webm", ".wmv"}
)


def raise_problems(problems: Iterable[Problem], error: type[BeecamError] = CheckError) -> None:
    """Raise one error with all problems, if there are any.

    >>> raise_problems(integer("stars", 9, 0, 5))
    Traceback (most recent call last):
    beecam.errors.CheckError: stars=9: an integer from 0 to 5 is needed. The nearest is 5.

    Args:
        problems: The problems of a call.
        error: The class to raise.

    Raises:
        BeecamError: There are problems; of the class `error`.
    """
    found = list(problems)
    if found:
        raise CheckError(found) if error is CheckError else error(join_problems(found))


def attempt(problems: list[Problem], call: Callable[[], _T]) -> _T | None:
    """Return what a call returns; if it is refused add its problems, and return None.

    >>> problems = []
    >>> attempt(problems, lambda: bc.shot("a bee", width=0)), problems[0].argument
    (None, 'width')

    Args:
        problems: The problems so far.
        call: A function without arguments, which may raise a CheckError.
    """
    try:
        return call()
    except CheckError as error:
        problems += error.problems
        return None


def integer(
    name: str,
    value: Any,
    low: int,
    high: int | None = None,
    *,
    or_none: bool = False,
    suggest: bool = True,
) -> Iterator[Problem]:
    """Yield a problem unless `value` is an integer in [low, high]; numpy's are allowed.

    >>> [str(problem) for problem in integer("columns", 0, 1, 100)]
    ['columns=0: an integer from 1 to 100 is needed. The nearest is 1.']

    Args:
        name: The argument's name.
        value: Its value.
        low: The smallest allowed value.
        high: The largest allowed value; None for no limit.
        or_none: Allow None.
        suggest: Mention the nearest allowed value.
    """
    if value is None and or_none:
        return
    found = as_integer(value)
    if found is None:
        hint = ""
    elif high is not None and found > high:
        hint = f" The nearest is {high:,}."
    elif found < low:
        hint = f" The nearest is {low:,}."
    else:
        return
    allowed = f"of {low:,} or more" if high is None else f"from {low:,} to {high:,}"
    yield Problem(
        name, f"{name}={shorten(value)}: an integer {allowed} is needed.{hint if suggest else ''}"
    )


def number(
    name: str,
    value: Any,
    needed: str = "a finite number is needed.",
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
) -> Iterator[Problem]:
    """Yield a problem unless `value` is a finite number in a range; numpy's are allowed.

    >>> [str(problem) for problem in number("strength", 2, "0 to 1 is allowed.", low=0, high=1)]
    ['strength=2: 0 to 1 is allowed.']

    Args:
        name: The argument's name.
        value: Its value.
        needed: What the message says after the value.
        low: The smallest allowed value.
        high: The largest allowed value.
        above: A value that all allowed ones are greater than.
    """
    found = as_number(value)
    if found is None or not low <= found <= high or found <= above:
        yield Problem(name, f"{name}={shorten(value)}: {needed}")


def boolean(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
    """Yield a problem unless `value` is True or False; numpy's booleans are allowed.

    >>> [str(problem) for problem in boolean("exact", "no")]
    ["exact='no': True or False is needed."]

    Args:
        name: The argument's name.
        value: Its value.
        or_none: Allow None.
    """
    if not (type(value).__name__ in ("bool", "bool_") or (value is None and or_none)):
        yield Problem(name, f"{name}={shorten(value)}: True or False is needed.")


def string(name: str, value: Any, *, or_none: bool = False) -> Iterator[Problem]:
    """Yield a problem unless `value` is a string.

    >>> [str(problem) for problem in string("title", 3)]
    ['title=3: a string is needed.']

    Args:
        name: The argument's name.
        value: Its value.
        or_none: Allow None.
    """
    if not (isinstance(value, str) or (value is None and or_none)):
        yield Problem(name, f"{name}={shorten(value)}: a string is needed.")


def encodable_text(name: str, value: Any) -> Iterator[Problem]:
    r"""Yield a problem if a string has half of a surrogate pair, which can't be stored or shown.

    >>> [str(problem) for problem in encodable_text("tag", "half \ud83d")]
    ["tag='half \\ud83d': half of a surrogate pair, at character 5, is not text; leave it out."]

    Args:
        name: The argument's name.
        value: Its value; what is not a string is left to `string`.
    """
    if not isinstance(value, str) or value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        yield Problem(
            name,
            f"{name}={shorten(value)}: half of a surrogate pair, at character {error.start}, is "
            "not text; leave it out.",
        )


def choice(name: str, value: Any, choices: Sequence[str], more: str = "") -> Iterator[Problem]:
    """Yield a problem unless `value` is one of some strings, with or without a leading "-".

    >>> [str(problem) for problem in choice("by", "star", ["stars", "seed"])]
    ["by='star': one of stars, seed. Did you mean stars?"]

    Args:
        name: The argument's name.
        value: Its value.
        choices: The allowed strings.
        more: What the message says after the choices.
    """
    word = value.removeprefix("-") if isinstance(value, str) else value
    if word not in choices:
        yield Problem(
            name,
            f"{name}={shorten(value)}: one of {', '.join(choices)}{more}."
            f"{did_you_mean(word, choices)}",
        )


def callable_argument(call: str, value: Any, of: str, example: str) -> Iterator[Problem]:
    """Yield a problem unless `value` is callable.

    >>> [str(problem) for problem in callable_argument("sort", 5, "clip", "lambda c: c.stars")]
    ['sort(5): a function of a clip is needed, as in sort(lambda c: c.stars).']

    Args:
        call: The name of the method that takes the function.
        value: The argument.
        of: What the function is called with.
        example: A function that would be allowed, as code.
    """
    if not callable(value):
        yield Problem(
            call,
            f"{call}({shorten(value)}): a function of a {of} is needed, as in {call}({example}).",
        )


def writable_file(name: str, value: Any, example: str) -> Iterator[Problem]:
    """Yield a problem unless `value` can be the path of a file to write.

    >>> [str(problem) for problem in writable_file("path", "/tmp", "page.html")]
    ["path='/tmp' is a folder: name a file in it, as in '/tmp/page.html'."]

    Args:
        name: The argument's name.
        value: Its value.
        example: The name of such a file.
    """
    problems = list(path_argument(name, value, f"'{example}'"))
    if problems:
        yield problems[0]
        return
    path = Path(value).expanduser()
    if path.is_dir():
        yield Problem(
            name,
            f"{name}={str(value)!r} is a folder: name a file in it, as in {str(path / example)!r}.",
        )
    elif path.exists() and not path.is_file():
        yield Problem(name, f"{name}={str(value)!r} is a device or a pipe: name a file.")
    elif any(part.exists() and not part.is_dir() for part in path.parents):
        yield Problem(name, f"{name}={str(value)!r}: a part of it is a file, not a folder.")


def path_argument(name: str, value: Any, example: str) -> Iterator[Problem]:
    """Yield a problem unless `value` can be a path.

    >>> [str(problem) for problem in path_argument("path", 3, "'bee.mp4'")]
    ["path=3: a path is needed, as in 'bee.mp4'."]

    Args:
        name: The argument's name.
        value: Its value.
        example: A path that would be allowed, as code.
    """
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value) or "\0" in str(value):
        yield Problem(name, f"{name}={shorten(value)}: a path is needed, as in {example}.")
        return
    if why := why_no_path(value):
        yield Problem(name, f"{name}={shorten(value)}: {why}")


def why_no_path(value: str | os.PathLike[str]) -> str | None:
    """Return why a path can't be that of a file or folder on this machine, or None.

    >>> why_no_path("~no-such-user/bee.mp4")
    "this can't be a file's name: Could not determine home directory."

    Args:
        value: The path, as the user wrote it.
    """
    try:
        os.fsencode(value)
        Path(value).expanduser().is_dir()
    # Half of a surrogate pair, a name that is too long, an unknown home folder.
    except (UnicodeEncodeError, OSError, RuntimeError, ValueError) as error:
        why = str(getattr(error, "strerror", None) or error)
        return f"this can't be a file's name: {why.rstrip('.')}."
    return None


def suffix(name: str, value: Any, suffixes: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem if `value` is a path that ends with none of the suffixes.

    >>> [str(problem) for problem in suffix("path", "bee.mp5", [".mp4", ".gif"])]
    ["path='bee.mp5': the suffix is one of .mp4, .gif. Did you mean .mp4?"]

    Args:
        name: The argument's name.
        value: Its value; what is not a path is left to `path_argument`.
        suffixes: The allowed suffixes, in lower case, each with its dot.
    """
    if not isinstance(value, (str, os.PathLike)):
        return
    found = Path(value).suffix.lower()
    if found not in suffixes:
        yield Problem(
            name,
            f"{name}={str(value)!r}: the suffix is one of {', '.join(suffixes)}."
            f"{'' if found in _OTHER_FORMATS else did_you_mean(found, suffixes)}",
        )
