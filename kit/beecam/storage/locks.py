"""Lock files: which processes have a library open."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from beecam._util.digests import is_digest
from beecam._util.files import remove_quietly
from beecam._util.plain_files import is_plain, set_aside

# Seconds: far more than it takes to check and create an index.
_OPENING_TIMEOUT = 60


class LibraryLock:
    """A lock file for one opening of a library; other processes can see whether it is alive.

    The lock is held while the library is open. The system releases it when the process ends,
    however it ends.

    Locking a file may create or empty it, so only plain files whose names are those of openings
    are locked or removed.

    Attributes:
        name: The name of this opening in the index's table of pending clips: a digest.
    """

    def __init__(self, folder: Path) -> None:
        """Create a lock file in a folder, and lock it."""
        folder.mkdir(exist_ok=True)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._lock = FileLock(folder / f"{self.name}.lock")
        self._lock.acquire(timeout=5)

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Let no other process check, move or create the library's files during a `with` block.

        Raises:
            TimeoutError: Another process is opening the library, and doesn't finish.
        """
        path = self._folder / "opening.lock"
        if path.is_symlink() or (path.exists() and not is_plain(path, writable=True)):
            set_aside(path, "not-plain")
        with FileLock(path, timeout=_OPENING_TIMEOUT):
            yield

    def is_alive(self, name: str) -> bool:
        """Return whether the opening of this name is still open, in any process."""
        if name == self.name:
            return True
        if not is_digest(name):
            return False
        path = self._folder / f"{name}.lock"
        if not is_plain(path, writable=True):
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
            if is_digest(path.stem) and not self.is_alive(path.stem):
                remove_quietly(path)

    def release(self) -> None:
        """Release the lock and remove its file."""
        self._lock.release()
        remove_quietly(self._folder / f"{self.name}.lock")
