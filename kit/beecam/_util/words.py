"""Counts, numbers and names in texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun in the right number.

    >>> count_of(1, "clip"), count_of(2_000, "clip")
    ('1 clip', '2,000 clips')

    Args:
        count: The number of things.
        noun: What they are, in the singular; its plural ends with "s".
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_line(name: str) -> str:
    """Return a name with single spaces between its words.

    >>> one_line(" bees  at dusk ")
    'bees at dusk'
    """
    return " ".join(name.split())


def normalize_name(name: str) -> str:
    """Return what two spellings of a name have in common: neither case nor spaces matter.

    >>> normalize_name("Bees  at dusk") == normalize_name("bees at Dusk ")
    True
    """
    return one_line(name).casefold()


def number_text(value: float) -> str:
    """Return a number as short as it can be without being another one.

    >>> number_text(0.5), number_text(2.0), number_text(0.1 + 0.2)
    ('0.5', '2', '0.30000000000000004')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def repeated(texts: Sequence[str]) -> set[str]:
    """Return the texts that occur more than once.

    >>> repeated(["bee", "moth", "bee"])
    {'bee'}
    """
    return {text for text, count in Counter(texts).items() if count > 1}


def path_names(paths: Sequence[PurePath]) -> list[str]:
    """Return names that tell files apart: what is common to their paths is left out.

    >>> path_names([PurePath("spring/bee.png"), PurePath("autumn/bee.png")])
    ['spring/bee', 'autumn/bee']
    >>> path_names([PurePath("bee.png"), PurePath("bee.jpg")])
    ['bee.png', 'bee.jpg']
    """
    longest = max(len(path.parts) for path in paths)
    for form in (_stem, _name):
        if not repeated(found := [form(path, 1) for path in paths]):
            return found
    for depth in range(2, longest + 1):
        for form in (_shortened, _stem, _name):
            if not repeated(found := [form(path, depth) for path in paths]):
                return found
    return [str(path) for path in paths]


def _name(path: PurePath, depth: int) -> str:
    return "/".join(path.parts[-depth:])


def _stem(path: PurePath, depth: int) -> str:
    return "/".join([*path.parts[-depth:-1], path.stem])


def _shortened(path: PurePath, depth: int) -> str:
    parts = path.parts[-depth:]
    return f"{parts[0]}/…/{path.stem}" if len(parts) > 2 else _stem(path, depth)  # noqa: PLR2004
