"""Wildcards: text files with a value per line, in one folder that no path leaves.

A file may come from someone else: its size and the number of files are limited, and only regular
files inside of the folder are read.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from beecam._util.plain_files import read_plain, resolve
from beecam.errors import CheckError, Problem, did_you_mean, encodable, shorten

SUFFIX = ".txt"
_MAX_BYTES = 4_000_000
_MAX_FILES = 20_000
# Of all files that a pattern names: reading ends with the one that goes beyond these.
_MAX_LINES = 100_000  # as many values as a choice may have
_MAX_TOTAL = 40_000_000  # characters
_COMMENT = re.compile(r"(?<!\S)#.*")
_WITHOUT_FOLDER = (
    "it takes the lines of a text file: give its folder, as in bc.sweep(..., "
    'wildcards="wildcards"), or the values as a slot, {insect} with insect=[...]. Write \\__ for '
    "the text itself."
)


class WildcardFolder:
    """The text files of a folder.

    >>> WildcardFolder("wildcards").lines("insects/flying")
    [('insects/flying', 1, 'bee'), ('insects/flying', 2, 'moth')]
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        """Use a folder, which is read when a wildcard needs it.

        Args:
            folder: The folder; None if there is none, in which case wildcards are problems.
        """
        self._folder = None if folder is None else Path(folder).expanduser()
        self._read: dict[str, list[tuple[str, int, str]]] = {}
        # Why some of its folders can't be listed.
        self._closed: list[OSError] = []

    def lines(self, pattern: str) -> list[tuple[str, int, str]]:
        """Return the lines of the files that a wildcard names.

        Comments and empty lines are left out, and equal lines after the first.

        Args:
            pattern: A file's path below the folder without its suffix; `*` matches any characters.

        Returns:
            For each line the file's name, the line's number and its text.

        Raises:
            CheckError: There is no folder or no such file, or it can't be read.
        """
        if pattern not in self._read:
            found: dict[str, tuple[str, int, str]] = {}
            length = 0
            for name in self._names(pattern):
                for number, text in self._lines(name):
                    length += len(text)
                    found.setdefault(text, (encodable(name), number, text))
                if len(found) > _MAX_LINES or length > _MAX_TOTAL:
                    raise _error(
                        pattern,
                        f"its files have over {_MAX_LINES:,} values, or {_MAX_TOTAL:,} characters; "
                        "name fewer of them.",
                    )
            if not found:
                raise _error(pattern, f"the file has no values: {self._path(pattern)}.")
            self._read[pattern] = list(found.values())
        return self._read[pattern]

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The files by their names: their paths below the folder, without the suffix."""
        found: dict[str, Path] = {}
        assert self._folder is not None
        for parent, folders, files in os.walk(self._folder, onerror=self._closed.append):
            folders.sort()
            for file in sorted(files):
                path = Path(parent, file)
                if path.suffix == SUFFIX and len(found) < _MAX_FILES:
                    found[path.relative_to(self._folder).with_suffix("").as_posix()] = path
        return found

    def _names(self, pattern: str) -> list[str]:
        if self._folder is None:
            raise _error(pattern, _WITHOUT_FOLDER)
        if not self._folder.is_dir():
            raise CheckError(
                [
                    Problem(
                        "wildcards",
                        f"wildcards={shorten(str(self._folder))}: there is no such folder.",
                    )
                ]
            )
        if "*" in pattern:
            names = fnmatch.filter(self._files, pattern)
        else:
            names = [pattern] if pattern in self._files else []
        if not names:
            hint = did_you_mean(pattern, self._files, "__{}__")
            closed = "".join(f" {one.filename}: {one.strerror}." for one in self._closed[:3])
            some = ", ".join(list(self._files)[:8]) or f"no file that ends with {SUFFIX}"
            raise _error(
                pattern,
                f"there is no {pattern}{SUFFIX} in {shorten(str(self._folder))}.{hint} The folder "
                f"has {some}.{closed}",
            )
        return names

    def _path(self, name: str) -> str:
        return f"{name}{SUFFIX}"

    def _lines(self, name: str) -> Iterator[tuple[int, str]]:
        try:
            text = self._text(name)
        except OSError as error:
            raise _error(name, f"{self._path(name)} can't be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise _error(
                name, f"{self._path(name)} is not UTF-8 text; save it as UTF-8."
            ) from error
        for number, line in enumerate(text.splitlines(), 1):
            value = _COMMENT.sub("", line).strip()
            if value:
                yield number, value

    def _text(self, name: str) -> str:
        assert self._folder is not None
        path = resolve(self._files[name])
        # A link may point anywhere, and a named pipe has no end.
        if not path.is_relative_to(resolve(self._folder)):
            raise _error(name, f"{self._path(name)} is a link that leaves the folder.")
        if path.exists() and not path.is_file():
            raise _error(name, f"{self._path(name)} is not a regular file.")
        with read_plain(path) as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise _error(name, f"{self._path(name)} has over {_MAX_BYTES:,} bytes; split it.")
        return data.decode("utf-8-sig")


def _error(pattern: str, message: str) -> CheckError:
    return CheckError([Problem("wildcards", f"the wildcard __{pattern}__: {message}")])
