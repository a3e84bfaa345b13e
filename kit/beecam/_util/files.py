"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = ".*.part"
_LEFT_OVER = 3_600  # seconds after which an unfinished file is nobody's


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written takes the place of `path` at the end.

    It is another one each time: two threads, or two processes, may write the same file at once,
    and the last one's stays. Whatever is raised, nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        remove_quietly(temporary)


def remove_partial_files(folder: Path) -> None:
    """Remove what processes that were killed left unfinished in a folder, an hour ago or more."""
    for left in folder.glob(_UNFINISHED):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_OVER:
                left.unlink()


def sync_folder(folder: Path) -> None:
    """Make sure that the folder's names are on the disk, where a system can do that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_quietly(path: Path) -> None:
    """Remove a file if it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
