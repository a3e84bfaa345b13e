"""Stars, rejections and tags in a log file next to the index, which can be rebuilt from it."""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from beecam._util import checks
from beecam._util.digests import is_digest
from beecam._util.plain_files import open_plain, read_plain
from beecam._util.strict_json import parse_json
from beecam.errors import Problem, shorten
from beecam.storage.own_files import OwnFiles

MAX_STARS = 5
_INVALID = (ValueError, TypeError, KeyError, AttributeError)
MAX_TAGS = 1_000
# Of all tags of a clip, as JSON: a line of the log has room for them.
_MAX_CHARACTERS = 500_000
_MAX_LINE = 1_000_000  # a longer line isn't ours


class AnnotationLog:
    """A log of changes, one JSON object per line; the last change of a clip counts.

    Annotations are looked up in the index. The log is read when the index has to be rebuilt from
    the media, which hold no annotations, and to find out what another process has written.

    A line is read only if it is whole and its key, stars and tags are valid: others may have
    written it, and a full disk may have cut it off.
    """

    def __init__(self, path: Path, files: OwnFiles | None = None) -> None:
        """Use a log file, which is created by the first change.

        Args:
            path: The file.
            files: Makes way for it.
        """
        self._path = path
        self._files = files or OwnFiles()

    def add(self, key: str, **annotations: Any) -> bool:
        """Append a change to the log; return whether it has the change.

        If the disk is full, only the index has it.
        """
        line = json.dumps({"key": key, **annotations}, separators=(",", ":")).encode() + b"\n"
        try:
            self._files.prepare(self._path)
            handle = open_plain(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                # The last line may be half a line, which would swallow this one.
                size = os.fstat(handle).st_size
                os.lseek(handle, max(0, size - 1), os.SEEK_SET)
                start = b"\n" if size and os.read(handle, 1) != b"\n" else b""
                # A single write with O_APPEND: lines of two processes don't mix.
                return os.write(handle, start + line) == len(start + line)
            finally:
                os.close(handle)
        except OSError as error:
            self._files.report(
                f"{self._path.name} can't be written ({error.strerror or error}): stars and tags "
                "are in the index only."
            )
            return False

    def read(self) -> tuple[dict[str, dict[str, Any]], int]:
        """Return the last annotations of each clip, by key, and how many lines are damaged.

        Raises:
            OSError: The log can't be read at present; without a log there are no annotations.
        """
        return self._read_from(0)[1:]

    def since(self, cursor: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the new cursor, and the annotations written since `cursor`, by key.

        Args:
            cursor: The offset in bytes that the last call returned; negative for the file's end.
        """
        try:
            return self._read_from(cursor)[:2]
        except OSError:  # the next call continues there
            return cursor, {}

    def _read_from(self, cursor: int) -> tuple[int, dict[str, dict[str, Any]], int]:
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        damaged = 0
        try:
            with read_plain(self._path) as file:
                size = os.fstat(file.fileno()).st_size
                # A file that is shorter than before has been replaced.
                at = size if cursor < 0 else cursor if cursor <= size else 0
                file.seek(at)
                while line := file.readline(_MAX_LINE):
                    ended = line.endswith(b"\n") or len(line) == _MAX_LINE
                    try:
                        # An editor may have left a mark of UTF-8 before the first line.
                        key, change = _parse_line(line if at else line.removeprefix(BOM_UTF8))
                        found[key] |= change
                    except _INVALID:
                        damaged += bool(line.strip())
                        if not ended:
                            break  # the next call reads a line that isn't complete yet
                    at += len(line)
        except FileNotFoundError:
            return 0, {}, 0
        return at, dict(found), damaged


def _parse_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return the key and the valid annotations of a line.

    Raises:
        ValueError: It isn't one of the log; TypeError, KeyError and AttributeError likewise.
    """
    data = parse_json(line, _MAX_LINE)
    key = data["key"]
    if not is_digest(key):
        raise ValueError(key)
    change = {name: value for name, value in data.items() if is_annotation(name, value)}
    if len(change) != len(data) - 1:
        raise ValueError(key)
    return key, change


def is_annotation(name: str, value: Any) -> bool:
    r"""Return whether this is a valid annotation, of data from outside.

    >>> is_annotation("stars", 4), is_annotation("tags", ["half of a pair: \ud83d"])
    (True, False)
    """
    if name == "stars":
        return type(value) is int and 0 <= value <= MAX_STARS
    if name == "tags":
        return isinstance(value, (list, tuple)) and not list(tag_problems(value))
    return name == "rejected" and isinstance(value, bool)


def tag_problems(tags: Any) -> Iterator[Problem]:
    """Yield a problem unless `tags` is a list of strings."""
    if isinstance(tags, str):
        yield Problem("tags", f"tags={tags!r}: give a list of strings, as in [{tags!r}].")
    elif not isinstance(tags, Collection):
        yield Problem("tags", f"tags={shorten(tags)}: give a list of strings; [] removes all tags.")
    elif len(tags) > MAX_TAGS:
        yield Problem("tags", f"tags: {len(tags):,} tags; at most {MAX_TAGS:,} are allowed.")
    else:
        for tag in tags:
            if not isinstance(tag, str):
                yield Problem("tags", f"tags: {shorten(tag)} is not a string.")
            else:
                yield from checks.encodable_text("tags", tag)
        length = len(json.dumps([str(tag) for tag in tags]))
        if length > _MAX_CHARACTERS:
            yield Problem(
                "tags",
                f"tags: {length:,} characters as JSON; at most {_MAX_CHARACTERS:,} are allowed.",
            )
