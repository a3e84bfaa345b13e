"""Why an index of clips has no clip, and what to write in its place."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from beecam._util.words import count_of
from beecam.errors import Problem, shorten

# What `clips[...]` takes.
INDEX = (
    "a number, a slice, a list of numbers or a mask is needed, as in clips[0], clips[:4] or "
    'clips[[0, 2]]; clips.where(insect="bee") selects by axis, library[key] returns a clip by its '
    "key."
)


def explain_name(name: str, axes: Collection[str], columns: Collection[str]) -> str:
    """Return what to write in place of a string as an index.

    >>> print(explain_name("seed", ["seed"], ["seed", "stars"]))
    clips['seed']: clips are selected by number, as in clips[0]; clips.to_frame()['seed'] has ...

    Args:
        name: The string.
        axes: The names of the set's axes.
        columns: The names that a query knows.
    """
    start = f"clips[{shorten(name)}]: clips are selected by number, as in clips[0]; "
    if name not in axes and name not in columns:
        return (
            f"{start}clips.query({name!r}) searches prompts, labels and tags, library[key] returns "
            "a clip by its key."
        )
    picks = f"clips.where({name}=...)" if name in axes else f'clips.query("{name}:...")'
    return (
        f"{start}clips.to_frame()[{name!r}] has the value of each clip, {picks} selects by values."
    )


def explain_missing(index: int, count: int, expected: int, missing: str) -> str:
    """Return why there is no clip at an index.

    Args:
        index: The index.
        count: The number of clips.
        expected: How many there will be, while a run is still generating them.
        missing: A sentence on why others are missing, or "".
    """
    if count < expected and -expected <= index < expected:
        return (
            f"clip {index}: the run has generated {count:,} of {count_of(expected, 'clip')} so "
            "far; run.wait() waits for all."
        )
    return f"clip {index}: there are {count:,}, counted from 0. {missing}".rstrip()


def no_number(index: Any) -> Problem:
    """Return the problem of an index that isn't the number of a clip."""
    column = index if isinstance(index, str) else "seed"
    return Problem(
        "index",
        f"index={shorten(index)}: the number of a clip is needed, as in clips.values(0); "
        f"clips.to_frame()[{column!r}] has the value of each clip.",
    )
