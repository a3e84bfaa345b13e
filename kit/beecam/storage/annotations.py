"""Stars, rejections and tags, written down beside the index so that they outlive it."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any


class AnnotationLog:
    """A file of lines, one for each change; the last word on a clip counts.

    The index is where marks are looked up. This is read when the index has to be made anew from the
    media, which know nothing of what a person thought of them, and to learn what another kernel
    has marked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, key: str, **marks: Any) -> None:
        """Write a change down; a disk that is full costs no more than this copy."""
        line = json.dumps({"key": key, **marks}, separators=(",", ":")).encode() + b"\n"
        with contextlib.suppress(OSError):
            # One write at the file's end: lines of two kernels don't mix.
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the last marks of each clip, by key; lines that are no marks are passed over."""
        return self.since(0)[1]

    def since(self, place: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the marks that were added after a place of the file, and the place to go on from.

        Args:
            place: In bytes, as the last call returned it; a negative number for the file's end.
        """
        try:
            size = self._path.stat().st_size
            # A shorter file than before is another one.
            begin = size if place < 0 else place if place <= size else 0
            if begin == size:
                return size, {}
            with self._path.open("rb") as file:
                file.seek(begin)
                data = file.read()
        except OSError:
            return 0, {}
        # A line that is being written belongs to the next call.
        end = data.rfind(b"\n") + 1
        return begin + end, _parse_annotations(data[:end])


def _parse_annotations(data: bytes) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for line in data.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            marks = json.loads(line)
            found[marks["key"]] |= {k: v for k, v in marks.items() if _is_annotation(k, v)}
    return dict(found)


def _is_annotation(name: str, value: Any) -> bool:
    if name == "stars":
        return type(value) is int and 0 <= value <= 5  # noqa: PLR2004
    if name == "tags":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    return name == "rejected" and isinstance(value, bool)
