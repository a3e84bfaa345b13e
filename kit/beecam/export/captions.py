"""Captions that tell clips apart: what all have in common is shortened first.

Whatever has less room than its text gets it from here: a text that is only cut at its end loses
what it differs in. `widgets/js/captions/captions.js` does the same in a live grid;
`tests/js/caption_cases.json` holds for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beecam.errors import BeecamError
from beecam.export.view_data import isolated
from beecam.sweeps.axes import labels_at

if TYPE_CHECKING:
    from beecam.export.shown import ShownClip, ShownClips

_SEPARATOR = " · "
_NUMBER = re.compile(r"[-+\d., e]*", re.ASCII)
# Characters that take the room of two.
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60"
    "\U0001f300-\U0001faff\U00020000-\U0003fffd]"
)
_LOOSE_COMMA = re.compile(r"[,;:]+(?= …|$)")
# Words that all labels share and that read better in full than as an ellipsis.
_LONGEST_RUN = 2


@dataclass(frozen=True)
class Column:
    """The distinct labels that some clips have on an axis."""

    name: str
    labels: Sequence[str]


def captions(clips: ShownClips, limit: int, indices: Iterable[int] | None = None) -> dict[int, str]:
    """Return captions by index: labels, or prompts and seeds, as far as the clips differ.

    >>> captions(clips, 60)
    {0: 'bee · a meadow', 1: 'bee · dunes', 2: 'moth · a meadow', 3: 'moth · dunes'}

    Args:
        clips: The clips.
        limit: Characters of a caption; wide ones, as in Chinese, count as two.
        indices: Those of the clips that are shown; all by default.
    """
    shown = list(range(len(clips)) if indices is None else indices)
    rows = [labels_at(clips.axes, clips.coords(i)) for i in shown]
    if not all(rows):
        rows = [_prompt_and_seed(clips[i]) for i in shown]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [
        Column(name, tuple(dict.fromkeys(row[name] for row in rows if name in row)))
        for name in names
    ]
    caption = captioner(columns, limit)
    values = ([row.get(name, "") for name in names] for row in rows)
    return {i: caption(some) for i, some in zip(shown, values, strict=True)}


def _prompt_and_seed(clip: ShownClip) -> dict[str, str]:
    try:
        return {"prompt": clip.shot.text, "seed": str(clip.shot.seed)}
    except BeecamError:  # no longer in the library
        return {"prompt": clip.key[:8]}


def captioner(columns: Sequence[Column], limit: int) -> Callable[[Sequence[str]], str]:
    """Return how to caption clips in `limit` characters, so that captions differ where clips do.

    Columns with one label are left out, unless there is nothing else. If the captions are too
    long, what the labels of a column have in common is left out, then names; at last the columns
    share the characters.

    >>> captioner([Column("seed", ["1", "12"]), Column("fps", ["8"])], 20)(["12", "8"])
    'seed 12'
    """
    varying = [at for at, column in enumerate(columns) if len(column.labels) > 1]
    shown = varying or list(range(len(columns)))
    labels = [columns[at].labels for at in shown]
    names = [columns[at].name for at in shown]
    room = limit - len(_SEPARATOR) * (len(shown) - 1)
    shorter = [distinguish(some, 0) if len(some) > 1 else list(some) for some in labels]

    def named(texts: Sequence[Sequence[str]]) -> list[list[str]]:
        return [[_named(n, x) for x in some] for n, some in zip(names, texts, strict=True)]

    attempts = [named(labels), named(shorter), [list(map(isolated, some)) for some in shorter]]
    fitting = (texts for texts in attempts if sum(_widths(texts)) <= room)
    texts = next(fitting, None) or [
        list(map(isolated, distinguish(some, share)))
        for some, share in zip(labels, _shares(_widths(shorter), room), strict=True)
    ]
    found = [dict(zip(some, short, strict=True)) for some, short in zip(labels, texts, strict=True)]

    def caption(values: Sequence[str]) -> str:
        parts = (found[c].get(values[at], values[at]) for c, at in enumerate(shown))
        return _SEPARATOR.join(filter(None, parts))

    return caption


def _named(name: str, label: str) -> str:
    """Put the name of a column in front of numbers, which need it."""
    number = bool(name) and _NUMBER.fullmatch(label)
    return f"{isolated(name)} {label}" if number else isolated(label)


def _widths(columns: Iterable[Iterable[str]]) -> list[int]:
    return [max(map(_width, texts), default=0) for texts in columns]


def _shares(needed: Sequence[int], room: int) -> list[int]:
    """Return how many characters each column gets: what it needs, or as much as the others."""
    given = [0] * len(needed)
    for n, column in enumerate(sorted(range(len(needed)), key=lambda c: needed[c])):
        given[column] = max(1, min(needed[column], room // (len(needed) - n)))
        room -= given[column]
    return given


def distinguish(labels: Sequence[str], limit: int) -> list[str]:
    """Shorten distinct labels to what they differ in.

    Words that all of them share become an ellipsis, and labels that would be cut to the same text
    are cut before what differs instead.

    >>> distinguish(["a bee over the wide meadow", "a moth over the wide meadow"], 16)
    ['bee', 'moth']

    Args:
        labels: The labels.
        limit: Characters; 0 to leave out shared words only.
    """
    if len(labels) <= 1:
        return [truncate(label, limit) if limit else label for label in labels]
    if limit and all(_width(label) <= limit for label in labels):
        return list(labels)
    words = [label.split() for label in labels]
    shared = set(words[0]).intersection(*words[1:])
    shorter = [_collapse(some, shared, _LONGEST_RUN) for some in words]
    if any(_width(text) > limit for text in shorter):
        shorter = [_collapse(some, shared, 0) for some in words]
    # Labels that differ in the order of their words or in spaces have nothing left that differs.
    if len(set(shorter)) < len(labels):
        shorter = list(labels)
    too_long = limit and any(_width(text) > limit for text in shorter)
    return _cut_apart(shorter, limit) if too_long else shorter


def _collapse(words: Sequence[str], shared: set[str], kept: int) -> str:
    """Replace runs of shared words with an ellipsis.

    Args:
        words: The words of a label.
        shared: Those that all labels have.
        kept: Runs of so many words stay; with 0, those at either end go without an ellipsis.
    """
    result: list[str] = []
    i = 0
    while i < len(words):
        end = next((n for n in range(i, len(words)) if words[n] not in shared), len(words))
        if end - i <= kept:
            result += words[i:end]
        elif kept or (i and end < len(words)):
            result.append("…")
        result += words[end : end + 1]
        i = end + 1
    # A comma before what was left out would lead nowhere.
    return _LOOSE_COMMA.sub("", " ".join(result)) or " ".join(words)


def _cut_apart(texts: Sequence[str], limit: int) -> list[str]:
    """Cut distinct texts, so that they stay distinct."""
    result = [truncate(text, limit) for text in texts]
    for same in _groups(result):
        first = texts[same[0]]
        start = _common_start([texts[i] for i in same])
        room = limit * len(first) // _width(first)
        # What differs is shown with the start of its word, and after the start of the text.
        begin = max(first.rfind(" ", 0, start) + 1, start - room // 4)
        head = first[: min(begin, room // 3)].rstrip(" …")
        for i in same:
            result[i] = truncate(f"{head}…{texts[i][begin:].lstrip('…')}", limit)
    for same in _groups(result):
        for n, i in enumerate(same, 1):
            number = f" #{n}"
            result[i] = truncate(result[i], max(1, limit - len(number))) + number
    return result


def _groups(texts: Sequence[str]) -> list[list[int]]:
    """Return the indices of equal texts, for each text that occurs more than once."""
    found: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        found.setdefault(text, []).append(i)
    return [same for same in found.values() if len(same) > 1]


def _common_start(texts: Sequence[str]) -> int:
    """Return how many characters all texts begin with."""
    low, high = min(texts), max(texts)
    pairs = enumerate(zip(low, high, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(low), len(high)))


def truncate(text: str, limit: int) -> str:
    """Return text of at most `limit` characters; what is cut off becomes an ellipsis.

    >>> truncate("a bee over dunes", 6)
    'a bee…'
    """
    if _width(text) <= limit:
        return text
    left, end = limit - 1, 0
    while end < len(text) and (left := left - _width(text[end])) >= 0:
        end += 1
    return text[:end].rstrip(" …,;:") + "…"


def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))
