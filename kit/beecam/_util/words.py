"""Counts and names in texts."""

from __future__ import annotations


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
