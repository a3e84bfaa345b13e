"""Stars, rejections and tags in a log file next to the index, which can be rebuilt from it."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from beecam.errors import Problem, shorten


class AnnotationLog:
    """A log of changes, one JSON object per line; the last change of a clip counts.

    Annotations are looked up in the index. The log is read when the index has to be rebuilt from
    the media, which hold no annotations, and to find out what another process has written.
    """

    def __init__(self, path: Path) -> None:
        """Use a log file, which is created by the first change."""
        self._path = path

    def add(self, key: str, **annotations: Any) -> None:
        """Append a change to the log. If the disk is full, only the index has the change."""
        line = json.dumps({"key": key, **annotations}, separators=(",", ":")).encode() + b"\n"
        with contextlib.suppress(OSError):
            # A single write with O_APPEND: lines of two processes don't mix.
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the last annotations of each clip, by key; damaged lines are skipped."""
        return self.since(0)[1]

    def since(self, cursor: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the new cursor, and the annotations written since `cursor`, by key.

        Args:
            cursor: The offset in bytes that the last call returned; negative for the file's end.
        """
        try:
            size = self._path.stat().st_size
            # A file that is shorter than before has been replaced.
            start = size if cursor < 0 else cursor if cursor <= size else 0
            if start == size:
                return size, {}
            with self._path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except OSError:
            return 0, {}
        # The next call reads a line that isn't complete yet.
        end = data.rfind(b"\n") + 1
        return start + end, _parse_annotations(data[:end])


def _parse_annotations(data: bytes) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for line in data.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            change = json.loads(line)
            found[change["key"]] |= {k: v for k, v in change.items() if _is_annotation(k, v)}
    return dict(found)


def _is_annotation(name: str, value: Any) -> bool:
    if name == "stars":
        return type(value) is int and 0 <= value <= 5  # noqa: PLR2004
    if name == "tags":
        return isinstance(value, list) and all(isinstance(tag, str) for tag in value)
    return name == "rejected" and isinstance(value, bool)


def tag_problems(tags: Any) -> Iterator[Problem]:
    """Yield a problem unless `tags` is a list of strings."""
    if isinstance(tags, str):
        yield Problem("tags", f"tags={tags!r}: give a list of strings, as in [{tags!r}].")
    elif not isinstance(tags, Collection):
        yield Problem("tags", f"tags={shorten(tags)}: give a list of strings; [] removes all tags.")
    else:
        for tag in tags:
            if not isinstance(tag, str):
                yield Problem("tags", f"tags: {shorten(tag)} is not a string.")
