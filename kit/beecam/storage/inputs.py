"""Inputs of a library's clips: one lossless file per image or video, named by its digest."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from beecam._util.digests import is_digest
from beecam._util.files import remove_partial_files
from beecam._util.plain_files import is_plain
from beecam.errors import BeecamError, MediaError, shorten
from beecam.media import formats
from beecam.shots.conditions import Condition
from beecam.shots.inputs import Input, digest_of
from beecam.storage.own_files import OwnFiles

if TYPE_CHECKING:
    from beecam.media.types import Frames


class InputStore:
    """The inputs of a library's clips, by digest.

    >>> library.inputs["3f9c2a"]
    """

    def __init__(self, folder: Path, files: OwnFiles | None = None) -> None:
        """Use a folder, which is created with the first input.

        Args:
            folder: Where the inputs are.
            files: Writes them.
        """
        self._folder = folder
        self._files = files or OwnFiles()
        # Digests of those that were found to be whole.
        self._whole: set[str] = set()
        remove_partial_files(folder)

    def __getitem__(self, digest: str) -> Input:
        """Return the input with this digest, or with the only digest that starts with it.

        Raises:
            KeyError: No input, or more than one, has such a digest.
            MediaError: The input is damaged.
        """
        found = (
            [path for path in self._folder.glob(f"{digest}*") if _is_stored(path)]
            if _is_hex(digest)
            else []
        )
        if len(found) != 1:
            raise KeyError(f"{'several inputs' if found else 'no input'} {shorten(digest)}")
        frames = _read_stored(found[0])
        if digest_of(frames) != found[0].stem:
            raise MediaError(f"the input {found[0].name} is damaged.")
        return Input.of(frames)

    def store(self, conditions: Iterable[Condition]) -> None:
        """Write the inputs that aren't stored yet.

        Raises:
            OSError: The disk is full or broken; nothing was left behind.
        """
        for one in {condition.input for condition in conditions}:
            path = self._path(one)
            # Of a torn copy, a file may be there and be damaged: it is replaced, while the pixels
            # are at hand.
            if one.digest in self._whole or _is_whole(path, one.digest):
                self._whole.add(one.digest)
                if is_plain(path):
                    continue
            with self._files.write(path) as temporary:
                formats.write_lossless(temporary, one.frames)

    def attach(self, conditions: Iterable[Condition]) -> None:
        """Let inputs that are known by digest read their pixels from here when needed."""
        for condition in conditions:
            condition.input.set_reader(functools.partial(_read_stored, self._path(condition.input)))

    def _path(self, one: Input) -> Path:
        if not is_digest(one.digest):
            raise MediaError(f"{shorten(one.digest)} is not an input's digest.")
        return self._folder / f"{one.digest}{'.png' if one.count == 1 else '.mkv'}"


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return is_plain(path) and digest_of(_read_stored(path)) == digest
    except BeecamError:
        return False


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and bool(value) and set(value) <= set("0123456789abcdef")


def _is_stored(path: Path) -> bool:
    return is_digest(path.stem) and path.suffix in (".png", ".mkv") and is_plain(path)


def _read_stored(path: Path) -> Frames:
    if not is_plain(path):
        raise MediaError(f"the input {path.name} is missing from its library.")
    try:
        return formats.read_lossless(path)
    except BeecamError as error:
        raise MediaError(f"the input {path.name} can't be read: {error}") from error
