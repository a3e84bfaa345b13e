"""Lock files: which processes have a library open."""

from __future__ import annotations

import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from beecam._util.files import remove_quietly


class LibraryLock:
    """A lock file for one opening of a library; other processes can see whether it is alive.

    The lock is held while the library is open. The system releases it when the process ends,
    however it ends.

    Attributes:
        name: The name of this opening in the index's table of pending clips.
    """

    def __init__(self, folder: Path) -> None:
        """Create a lock file in a folder, and lock it."""
        folder.mkdir(exist_ok=True)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._lock = FileLock(folder / f"{self.name}.lock")
        self._lock.acquire(timeout=5)

    def is_alive(self, name: str) -> bool:
        """Return whether the opening of this name is still open, in any process."""
        path = self._folder / f"{name}.lock"
        if name == self.name:
            return True
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def remove_stale(self) -> None:
        """Remove the lock files of processes that ended without closing the library."""
        for path in self._folder.glob("*.lock"):
            if not self.is_alive(path.stem):
                remove_quietly(path)

    def release(self) -> None:
        """Release the lock and remove its file."""
        self._lock.release()
        remove_quietly(self._folder / f"{self.name}.lock")
