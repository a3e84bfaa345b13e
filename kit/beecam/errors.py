"""What can go wrong, in words that name what to change."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SAID_OF_EACH = 10


class BeecamError(Exception):
    """Base of every error that beecam raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing to change before a sweep can run.

    Attributes:
        argument: The argument's name, as the caller wrote it.
        message: A sentence with the value that was given, what is allowed and the nearest choice.
    """

    argument: str
    message: str

    def __str__(self) -> str:
        return self.message


class CheckError(BeecamError, ValueError):
    """Every problem of a call at once, found before any compute.

    Its text says the first few of each argument.

    Attributes:
        problems: All problems, in the order in which they were found.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(join_problems(self.problems))


class ModelError(BeecamError):
    """A model could not be loaded, or made something that is no clip."""


class OutOfMemoryError(ModelError):
    """The accelerator or the machine ran out of memory in one call of the pipeline."""


class MediaError(BeecamError):
    """A media file is missing, damaged or holds no clip of beecam."""


class DeckError(BeecamError):
    """There is no such deck, or a file is none; the message names file, line and key."""


class LibraryError(BeecamError):
    """A library's folder cannot be used as one."""


class Stopped(BeecamError):  # noqa: N818  (not a failure: somebody asked for it)
    """A generation was stopped on request; raised through the pipeline to leave it at once."""


def join_problems(problems: Sequence[Problem]) -> str:
    """Return what an error says of problems: all of them, or the first few of each argument."""
    if len(problems) == 1:
        return str(problems[0])
    counts = Counter(problem.argument for problem in problems)
    said: Counter[str] = Counter()
    lines = []
    for problem in problems:
        name = problem.argument
        said[name] += 1
        if said[name] <= _SAID_OF_EACH:
            lines.append(str(problem))
        if said[name] == _SAID_OF_EACH < counts[name]:
            lines.append(f"and {counts[name] - _SAID_OF_EACH:,} more of {name}.")
    return f"{len(problems):,} problems:\n" + "\n".join(f"  - {line}" for line in lines)


def nearest_match(word: object, choices: Iterable[str]) -> str | None:
    """Return the choice that looks most like `word`, or None when none does."""
    if not isinstance(word, str):
        return None
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: object, choices: Iterable[str], form: str = "{}") -> str:
    """Return " Did you mean X?" for the nearest choice, or an empty string."""
    found = nearest_match(word, choices)
    return f" Did you mean {form.format(found)}?" if found else ""


def shorten(value: object, limit: int = 60) -> str:
    """Return a repr that fits into a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Join words as prose does: "a", "a and b", "a, b and c"."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
