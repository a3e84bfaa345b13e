"""A library as files: who has it open, what is on the disk, why it can't be used."""

from __future__ import annotations

import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from beecam._util.files import remove_quietly


class LibraryLock:
    """One opening of a library; others can tell whether its process still lives.

    It holds a lock for as long as it is open, which the system takes away from a process that
    dies, however it dies.

    Attributes:
        name: Names the session in the library's rows.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._lock = FileLock(folder / f"{self.name}.lock")
        self._lock.acquire(timeout=5)

    def is_alive(self, name: str) -> bool:
        """Return whether a session is open somewhere."""
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
        """Remove what sessions left that were not ended."""
        for path in self._folder.glob("*.lock"):
            if not self.is_alive(path.stem):
                remove_quietly(path)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()
        remove_quietly(self._folder / f"{self.name}.lock")


def explain_unusable(folder: Path, error: BaseException) -> str:
    """Return a sentence on what to change, so that a folder can be a library."""
    if isinstance(error, PermissionError) or "readonly" in str(error):
        why = "this user may not write there; change its permissions or name another folder"
    elif isinstance(error, OSError) and error.errno == 30:  # noqa: PLR2004  (EROFS)
        why = "the disk is read-only; name a folder on another one"
    elif (isinstance(error, OSError) and error.errno == 28) or "full" in str(error):  # noqa: PLR2004
        why = "the disk is full; free some space or name a folder on another one"
    else:
        why = f"{error}; name another folder"
    return f"library {str(folder)!r} can't be used: {why}."
