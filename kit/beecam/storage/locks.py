"""Lock files: which processes have a library open."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
import uuid
import weakref
from pathlib import Path

from filelock import FileLock, Timeout

from beecam._util.digests import is_digest
from beecam._util.files import remove_quietly
from beecam._util.forks import in_forked_process
from beecam._util.plain_files import is_plain, is_plain_folder, open_plain, set_aside
from beecam.storage.own_files import OwnFiles

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_POLL_EVERY = 0.02  # seconds
_MAX_REMOVED = 500  # lock files at one opening, which takes a tenth of a second
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

    def __init__(self, folder: Path, files: OwnFiles | None = None) -> None:
        """Create a lock file in a folder, and lock it.

        Args:
            folder: Where the lock files are.
            files: Makes the folder, and way for files.
        """
        self._files = files or OwnFiles()
        if is_plain_folder(folder) and not os.access(folder, os.W_OK | os.X_OK):
            # Who can't enter it sees no lock of others in it either.
            self._set_aside(folder, "not-writable")
        self._files.make_folder(folder)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._lock = _lock_of(folder / f"{self.name}.lock")
        self._lock.acquire()

    def opening(self) -> OpeningLock | FileLock:
        """Return the lock with which a process checks, moves or creates the library's files.

        It isn't acquired yet: who acquires it has noted before that it must be released, so that no
        interrupt leaves it held.
        """
        path = self._folder / "opening.lock"
        self._files.prepare(path, writable=True)
        if path.exists() and not os.access(path, os.R_OK):
            # Who can't read that can't read clips either: no process shares the library so.
            self._set_aside(path, "of-another-user")
        return _lock_of(path)

    def _set_aside(self, path: Path, what: str) -> None:
        moved = set_aside(path, what)
        self._files.report(f"{path.name} is closed to this user; it is kept as {moved.name}.")

    def is_alone(self) -> bool:
        """Return whether no other opening of the library is known to be open."""
        try:
            names = [one.stem for one in self._folder.iterdir() if one.suffix == ".lock"]
        except OSError:
            return False
        return not any(name != self.name and self.is_alive(name) for name in names)

    def is_alive(self, name: str) -> bool:
        """Return whether the opening of this name is still open, in any process."""
        if name == self.name:
            return True
        if not is_digest(name):
            return False
        path = self._folder / f"{name}.lock"
        return is_plain(path, writable=True) and _is_locked(path)

    def remove_stale(self) -> None:
        """Remove lock files of processes that ended without closing the library.

        Some at a time: who has thousands of them doesn't wait for all at one opening.
        """
        some: list[str] = []
        # A folder that this user may write, but not read, shows no locks of others.
        with contextlib.suppress(PermissionError), os.scandir(self._folder) as entries:
            names = (
                one.name.removesuffix(".lock") for one in entries if one.name.endswith(".lock")
            )
            others = (name for name in names if is_digest(name) and name != self.name)
            some = list(itertools.islice(others, _MAX_REMOVED))
        for name in some:
            path = self._folder / f"{name}.lock"
            if is_plain(path, writable=True):
                _is_locked(path, remove=True)

    def release(self) -> None:
        """Release the lock and remove its file, unless it is that of a process before a fork."""
        self._lock.release()
        if self._files.is_own_process:
            remove_quietly(self._folder / f"{self.name}.lock")


def _lock_of(path: Path) -> OpeningLock | FileLock:
    return FileLock(path, timeout=_OPENING_TIMEOUT) if fcntl is None else OpeningLock(path)


class OpeningLock:
    """A lock file that one opening holds at a time; it may be that of another user.

    It is not filelock's, whose table of all locks of a process stays locked forever if an
    interrupt comes while it is changed. Here, whatever is interrupted, `release` is enough.
    """

    def __init__(self, path: Path) -> None:
        """Use a file, which is created if it is missing."""
        self._path = path
        self._descriptor = -1
        _locks.add(self)

    def acquire(self) -> None:
        """Lock the file, which may take a while.

        Raises:
            TimeoutError: Another process is opening the library, and doesn't finish.
        """
        end = time.monotonic() + _OPENING_TIMEOUT
        while True:
            self._descriptor = self._open()
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(str(self._path)) from None
                self.release()
                time.sleep(_POLL_EVERY)
                continue
            if os.fstat(self._descriptor).st_nlink:
                return
            self.release()  # it was removed meanwhile

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        try:
            return open_plain(self._path, flags)
        except PermissionError as error:
            # That of another user, who allows reading: enough to lock it, except on some networks.
            try:
                return open_plain(self._path)
            except FileNotFoundError:  # there is none, and the folder lets none be created
                raise error from None

    def release(self) -> None:
        """Unlock the file; nothing happens if it isn't locked."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


# All of this process.
_locks: weakref.WeakSet[OpeningLock] = weakref.WeakSet()


@in_forked_process
def _leave_to_parent() -> None:
    """Close the locks of the process that this one was forked from, which holds them alone then."""
    for lock in list(_locks):
        lock.release()


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
