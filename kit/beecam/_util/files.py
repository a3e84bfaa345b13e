"""Atomic file writes: a file is complete, or it does not exist."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from beecam.errors import BeecamError

_PARTIAL_FILES = ".*.part"
_MAX_AGE = 3_600  # seconds; no process writes a file for longer


@contextlib.contextmanager
def atomic_write(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to, and move it to `path` at the end.

    Each call yields another temporary path: two threads or processes may write the same file at
    once, and the one that ends last wins. If the block raises, `path` is unchanged and the
    temporary file is removed.

    >>> with atomic_write(Path("notes.json")) as temporary:
    ...     temporary.write_text("{}")

    Args:
        path: The file.
        lasting: Flush the file and its name to the disk before this returns, so that a power
            failure leaves the old file or the new one. Not needed for what can be computed again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield temporary
        if lasting:
            sync_file(temporary)
        temporary.replace(path)
        if lasting:
            sync_folder(path.parent)
    finally:
        remove_quietly(temporary)


@contextlib.contextmanager
def translate_write_errors(path: Path, what: str = "the file") -> Iterator[None]:
    """Raise errors of the disk, while a user's file is written, as a BeecamError.

    >>> with translate_write_errors(Path("bee.png")):
    ...     image.save("bee.png")

    Raises:
        BeecamError: The file can't be written there.
    """
    try:
        yield
    except OSError as error:
        raise BeecamError(
            f"path={str(path)!r}: {what} can't be written there: {error.strerror or error}."
        ) from error


def remove_partial_files(folder: Path) -> None:
    """Remove temporary files in a folder that killed processes left an hour ago or earlier."""
    for path in folder.glob(_PARTIAL_FILES):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _MAX_AGE:
                path.unlink()


def sync_file(path: Path) -> None:
    """Flush a file's content to the disk."""
    with path.open("rb+") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, on systems that support it.

    A folder that this user may write but not read, as for submissions, can't be flushed.
    """
    if os.name == "posix":
        with contextlib.suppress(PermissionError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def remove_quietly(path: Path) -> None:
    """Remove a file; ignore that it does not exist or can't be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
