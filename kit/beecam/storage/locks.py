"""Lock files: which processes have a library open."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from beecam._util.digests import is_digest
from beecam._util.files import remove_quietly
from beecam._util.plain_files import is_plain, open_plain, set_aside

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Seconds: far more than it takes to check and create an index.
_OPENING_TIMEOUT = 60


class LibraryLock:
    """A lock file for one opening of a library; other processes can see whether it is alive.

    The lock is held while the library is open. The system releases it when the process ends,
    however it ends.

    Only plain files whose names are those of openings are looked at or removed. Looking changes
    nothing: the file may be that of another user, who allows reading only.

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
        if os.path.lexists(path) and not is_plain(path, writable=True):
            set_aside(path, "not-plain")
        elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
            set_aside(path, "of-another-user")
        with FileLock(path, timeout=_OPENING_TIMEOUT):
            yield

    def is_alive(self, name: str) -> bool:
        """Return whether the opening of this name is still open, in any process."""
        if name == self.name:
            return True
        if not is_digest(name):
            return False
        path = self._folder / f"{name}.lock"
        return is_plain(path, writable=True) and _is_locked(path)

    def remove_stale(self) -> None:
        """Remove the lock files of processes that ended without closing the library."""
        for path in self._folder.glob("*.lock"):
            if is_digest(path.stem) and path.stem != self.name and is_plain(path, writable=True):
                _is_locked(path, remove=True)

    def release(self) -> None:
        """Release the lock and remove its file."""
        self._lock.release()
        remove_quietly(self._folder / f"{self.name}.lock")


def _is_locked(path: Path, *, remove: bool = False) -> bool:
    """Return whether any process holds the lock of a file; also if that can't be found out.

    Args:
        path: The file.
        remove: Remove it if no process does, before one can lock it.
    """
    try:
        if fcntl is None:
            FileLock(path).acquire(timeout=0).lock.release()
            if remove:
                remove_quietly(path)
            return False
        descriptor = open_plain(path)
        try:
            # Shared, so that two who look don't take each other for the owner.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if remove:
                # Who has just created it waits for the lock, sees that it is gone, and tries again.
                remove_quietly(path)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return False
    except (OSError, Timeout):
        return True
    return False
