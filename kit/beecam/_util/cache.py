"""The folder for what can be found out again: losing it costs time, never a clip.

`sizes.json` holds what was measured of models, `texts/` what large text encoders made.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from beecam._util.files import atomic_write

_PATIENCE = 2.0  # seconds
_MOST_NOTES = 2_000

Note = dict[str, Any]


def cache_folder() -> Path:
    """Return the folder named by BEECAM_CACHE, or `beecam` in this user's cache."""
    if named := os.environ.get("BEECAM_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        usual = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(usual) / "beecam" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "beecam"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beecam"


class Notes:
    """Small JSON objects by name, in one file that several processes may share."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when the first note is kept."""
        self._path = path

    def read(self, name: str) -> Note:
        """Return a note; an empty one where there is none, or the file is damaged."""
        found = self._all().get(name)
        return found if isinstance(found, dict) else {}

    def change(self, name: str, change: Callable[[Note], Note]) -> Note | None:
        """Replace a note by what `change` makes of it; nobody else writes in the meantime.

        Returns:
            The new note, or None where it can't be kept: the folder can't be written, or somebody
            else doesn't let go of it.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=_PATIENCE):
                notes = self._all()
                before = notes.pop(name, {})
                # The last one changed is the last one in the file.
                notes[name] = made = change(dict(before) if isinstance(before, dict) else {})
                self._write(dict(list(notes.items())[-_MOST_NOTES:]))
        except (OSError, Timeout):
            return None
        return made

    def _all(self) -> Note:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, notes: Note) -> None:
        with atomic_write(self._path) as temporary:
            temporary.write_text(json.dumps(notes, indent=1), "utf-8")


def default_library_folder() -> Path:
    """Return the folder named by BEECAM_LIBRARY, or `beecam` in the home folder."""
    return Path(os.environ.get("BEECAM_LIBRARY") or Path.home() / "beecam").expanduser()
