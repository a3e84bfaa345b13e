"""Find decks: those that ship with beecam, and those in the user's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import overload

from beecam._util.cache import default_library_folder
from beecam._util.checks import path_argument, raise_problems
from beecam._util.indexing import item_of
from beecam._util.plain_files import resolve
from beecam._util.words import normalize_name
from beecam.errors import DeckError, did_you_mean, encodable, join_words, shorten
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.parse import read_deck

_SUFFIXES = (".yaml", ".yml")
_MAX_FILES = 500


@dataclass(frozen=True)
class Decks(Sequence[Deck]):
    """A sequence of decks; as the last line of a notebook's cell it lists them.

    >>> [deck.name for deck in bc.decks()][:2]
    ['first-person flight', '2D animation']

    Attributes:
        found: The decks.
        problems: A message for each file that is not a valid deck.
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
        """Return one deck, or a slice of them.

        Raises:
            IndexError: There is no such deck.
            CheckError: The index is neither an integer nor a slice.
        """
        return item_of(self.found, index, "deck")

    def __iter__(self) -> Iterator[Deck]:
        return iter(self.found)

    def __repr__(self) -> str:
        width = max((len(deck.name) for deck in self.found), default=0)
        lines = [f"{deck.name:<{width}}  {deck.template}" for deck in self.found]
        return "\n".join([*lines, *self.problems]) or "no decks"


def decks(folder: str | os.PathLike[str] | None = None) -> Decks:
    """Return the decks that ship with beecam and those in a folder.

    >>> bc.decks("lessons")

    Args:
        folder: The folder of your own decks; by default `decks` in the folder of the default
            library. A deck there replaces a shipped deck of the same name.

    Raises:
        CheckError: The folder is not a path.
    """
    if folder is not None:
        raise_problems(path_argument("folder", folder, "'lessons'"))
    own, problems = _read(own_folder() if folder is None else Path(folder).expanduser())
    names = {normalize_name(deck.name) for deck in own}
    others = [deck for deck in _shipped() if normalize_name(deck.name) not in names]
    return Decks((*others, *own), tuple(problems))


def deck(name: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Deck:
    """Load a deck by its name, or from a file.

    >>> bc.deck("first-person flight")
    >>> bc.deck("lessons/insects.yaml")

    Args:
        name: A deck's name, in any case, or the path of a YAML file.
        folder: A folder with decks of your own; as in `bc.decks`.

    Raises:
        DeckError: The deck does not exist, or its file is invalid; the message says what to fix.
        CheckError: The folder is not a path.
    """
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        raise DeckError(f"deck({shorten(name)}): a deck's name or the path of a file is needed.")
    if isinstance(name, os.PathLike) or name.lower().endswith(_SUFFIXES):
        return read_deck(Path(name).expanduser())
    available = decks(folder)
    normalized = normalize_name(name)
    for one in available:
        if normalize_name(one.name) == normalized:
            return one
    names = [one.name for one in available]
    invalid = "".join(f"\n{problem}" for problem in available.problems)
    raise DeckError(
        f"deck({name!r}): no deck of that name.{did_you_mean(normalized, names)} The decks are "
        f"{join_words([repr(one) for one in names])}; bc.find_deck({shorten(name)}) finds the "
        f"nearest by its words.{invalid}"
    )


def own_folder(library: Path | None = None) -> Path:
    """Return the folder of the user's decks.

    >>> own_folder(Path("clips"))
    PosixPath('clips/decks')

    Args:
        library: The folder of a library; by default that of the default library.
    """
    return (library or default_library_folder()) / "decks"


@cache
def _shipped() -> tuple[Deck, ...]:
    with resources.as_file(resources.files("beecam.sweeps.deck_files") / "shipped") as folder:
        return tuple(read_deck(path) for path in sorted(folder.glob("*.yaml")))


def _read(folder: Path) -> tuple[list[Deck], list[str]]:
    found: dict[str, Deck] = {}
    problems: list[str] = []
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix.lower() in _SUFFIXES)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as error:
        return [], [f"{folder} can't be read: {error.strerror or error}."]
    for path in files[:_MAX_FILES]:
        if path.is_symlink() and not _stays_in(path, folder):
            problems.append(f"{path}: it is a link that leaves the folder, which isn't followed.")
            continue
        try:
            deck = read_deck(path)
        except DeckError as error:
            problems.append(str(error))
            continue
        first = found.setdefault(normalize_name(deck.name), deck)
        if first is not deck:
            problems.append(f"{path}: {first.path} has the name {deck.name!r}, too.")
    if len(files) > _MAX_FILES:
        problems.append(
            f"{folder}: only the first {_MAX_FILES:,} of {len(files):,} decks are read."
        )
    return list(found.values()), list(map(encodable, problems))


def _stays_in(path: Path, folder: Path) -> bool:
    try:
        return resolve(path).is_relative_to(resolve(folder))
    except OSError:  # links in a circle
        return False
