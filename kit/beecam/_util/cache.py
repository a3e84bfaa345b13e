"""The cache folder, for data that can be computed again; losing it never loses a clip.

`sizes.json` holds measured batch sizes of models, `texts/` the outputs of large text encoders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from beecam._util.files import atomic_write
from beecam._util.plain_files import read_bytes

_LOCK_TIMEOUT = 2.0  # seconds
_MAX_NOTES = 2_000
_MAX_BYTES = 100_000_000

Note = dict[str, Any]


def cache_folder() -> Path:
    """Return the folder named by BEECAM_CACHE, or `beecam` in this user's cache folder.

    >>> cache_folder()
    PosixPath('/home/ada/.cache/beecam')
    """
    if named := os.environ.get("BEECAM_CACHE"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("beecam", appauthor=False)


class Notes:
    """Small JSON objects by name, in one file that several processes may share.

    >>> notes = Notes(cache_folder() / "sizes.json")
    >>> notes.change("pollen", lambda note: {**note, "largest": 8})
    {'largest': 8}
    >>> notes.read("pollen")
    {'largest': 8}
    """

    def __init__(self, path: Path) -> None:
        """Set the file; it is created by the first `change`."""
        self._path = path

    def read(self, name: str) -> Note:
        """Return a note; an empty one if it does not exist or the file is damaged."""
        note = self._read_all().get(name)
        return note if isinstance(note, dict) else {}

    def change(self, name: str, change: Callable[[Note], Note]) -> Note | None:
        """Replace a note by what `change` returns for it, under a lock.

        Args:
            name: The note's name.
            change: Called with a copy of the stored note, or with an empty one.

        Returns:
            The new note, or None if it can't be stored: the folder is read-only, or another
            process holds the lock for too long.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Created first: an interrupt while a `with` begins could leave it locked.
            lock = FileLock(f"{self._path}.lock", timeout=_LOCK_TIMEOUT)
            try:
                lock.acquire()
                notes = self._read_all()
                stored = notes.pop(name, {})
                # Popped and set again, so that the file is in order of change and the oldest
                # notes are dropped first.
                notes[name] = changed = change(dict(stored) if isinstance(stored, dict) else {})
                self._write(dict(list(notes.items())[-_MAX_NOTES:]))
            finally:
                lock.release()
        except (OSError, Timeout):
            return None
        return changed

    def _read_all(self) -> Note:
        try:
            notes = json.loads(read_bytes(self._path.resolve(), _MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def _write(self, notes: Note) -> None:
        with atomic_write(self._path, lasting=False) as temporary:
            temporary.write_text(json.dumps(notes, indent=1), "utf-8")


def default_library_folder() -> Path:
    """Return the folder named by BEECAM_LIBRARY, or `beecam` in the home folder.

    >>> default_library_folder()
    PosixPath('/home/ada/beecam')
    """
    return Path(os.environ.get("BEECAM_LIBRARY") or Path.home() / "beecam").expanduser()
