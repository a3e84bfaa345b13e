"""Which decks there are: those that ship, and those in a person's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import overload

from beecam._util.cache import default_library_folder
from beecam.errors import DeckError, did_you_mean, join_words, shorten
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.parse import read_deck

_ENDINGS = (".yaml", ".yml")
_MOST = 500


@dataclass(frozen=True)
class Decks(Sequence[Deck]):
    """Some decks.

    Attributes:
        found: The decks.
        problems: Sentences on files that are no decks.
    """

    found: tuple[Deck, ...]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, index: int) -> Deck: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Deck, ...]: ...
    def __getitem__(self, index: int | slice) -> Deck | tuple[Deck, ...]:
        """Return a deck, or some of them."""
        return self.found[index]

    def __iter__(self) -> Iterator[Deck]:
        return iter(self.found)

    def __repr__(self) -> str:
        wide = max((len(deck.name) for deck in self.found), default=0)
        lines = [f"{deck.name:<{wide}}  {deck.template}" for deck in self.found]
        return "\n".join([*lines, *self.problems]) or "no decks"


def decks(folder: str | os.PathLike[str] | None = None) -> Decks:
    """List the decks that ship and those in a folder.

    >>> bc.decks()

    Args:
        folder: Where your own are; by default `decks` in the folder of the usual library. One
            there that is called like one that ships takes its place.
    """
    own, problems = _read(own_folder() if folder is None else Path(folder).expanduser())
    names = {deck.name.casefold() for deck in own}
    others = [deck for deck in _shipped() if deck.name.casefold() not in names]
    return Decks((*others, *own), tuple(problems))


def deck(name: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Deck:
    """Load a deck by its name, or from a file.

    >>> bc.deck("first-person flight")
    >>> bc.deck("lessons/insects.yaml")

    Args:
        name: A deck's name, whatever the case, or the path of a YAML file.
        folder: As in `decks`.

    Raises:
        DeckError: There is no such deck, or its file isn't one; the message says what to change.
    """
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        raise DeckError(f"deck({shorten(name)}): a deck's name or the path of a file is needed.")
    if isinstance(name, os.PathLike) or name.endswith(_ENDINGS):
        return read_deck(Path(name).expanduser())
    there = decks(folder)
    wanted = " ".join(name.casefold().split())
    for one in there:
        if one.name.casefold() == wanted:
            return one
    names = [one.name for one in there]
    broken = "".join(f"\n{problem}" for problem in there.problems)
    raise DeckError(
        f"deck({name!r}): no deck of that name.{did_you_mean(wanted, names)} There are "
        f"{join_words([repr(one) for one in names])}; bc.intent({shorten(name)}) finds the "
        f"nearest by its words.{broken}"
    )


def own_folder(library: Path | None = None) -> Path:
    """Return where a library's own decks are; by default the usual library's."""
    return (library or default_library_folder()) / "decks"


@cache
def _shipped() -> tuple[Deck, ...]:
    with resources.as_file(resources.files("beecam.sweeps.deck_files") / "shipped") as folder:
        return tuple(read_deck(path) for path in sorted(folder.glob("*.yaml")))


def _read(folder: Path) -> tuple[list[Deck], list[str]]:
    found: dict[str, Deck] = {}
    problems: list[str] = []
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix in _ENDINGS)
    except OSError:
        return [], []
    for path in files[:_MOST]:
        try:
            made = read_deck(path)
        except DeckError as error:
            problems.append(str(error))
            continue
        first = found.setdefault(made.name.casefold(), made)
        if first is not made:
            problems.append(f"{path}: {first.path} has the name {made.name!r}, too.")
    return list(found.values()), problems
