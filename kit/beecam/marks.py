"""Stars, rejections and tags, written down beside the index so that they outlive it."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any


class Marks:
    """A file of lines, one for each change; the last word on a clip counts.

    The index is where marks are looked up. This is only read when the index has to be made anew
    from the media, which know nothing of what a person thought of them.
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
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return {}
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                marks = json.loads(line)
                found[marks["key"]] |= {k: v for k, v in marks.items() if _is_mark(k, v)}
        return dict(found)


def _is_mark(name: str, value: Any) -> bool:
    if name == "stars":
        return type(value) is int and 0 <= value <= 5  # noqa: PLR2004
    if name == "tags":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    return name == "rejected" and isinstance(value, bool)
