"""What is being generated, so that no two runs generate the same clip, in any process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from beecam._util.condition import Condition
from beecam.errors import LibraryError
from beecam.storage.index import Index
from beecam.storage.locks import LibraryLock

_TRY_AGAIN = 2.0  # seconds


class BackgroundWriter(Protocol):
    """An object that writes into a library in the background, such as the engine of a run."""

    def give_up(self, *, cancel: bool = False) -> None:
        """Cancel clips that aren't generated yet, if `cancel` or if the run is paused."""

    def leave(self, *, cancel: bool = False) -> None:
        """Finish, because the library is about to be closed."""


class Claims:
    """The keys of clips that are being generated; thread-safe.

    Between processes, a claim is a record in the index's table of pending clips, and counts while
    the lock file of the opening that made it is held: it ends with its process, however that ends.
    The transaction that adds a clip's row removes the record, so that a clip is always claimed, or
    in the library, or neither. Within a process, each claim also has an owner.

    Who generates takes the claim first and then looks into the library, in this order: the clip
    may have been finished in between.
    """

    def __init__(self, index: Index, lock: LibraryLock) -> None:
        """Record the claims of an opening, named by its lock, in the index."""
        self._index = index
        self._lock = lock
        self._owners: dict[str, object] = {}
        self._guard = threading.RLock()
        self._changed = Condition(self._guard)

    def take(self, keys: Iterable[str], owner: object) -> set[str]:
        """Claim those keys that have no owner in any process; return those.

        Raises:
            OSError: The index can't be written at present; nothing is claimed.
        """
        with self._guard:
            free = [key for key in dict.fromkeys(keys) if key not in self._owners]
            self._owners.update(dict.fromkeys(free, owner))
        taken: set[str] = set()
        try:
            if free:
                taken = self._record(free)
        finally:
            self._forget(key for key in free if key not in taken)
        return taken

    def release(self, keys: Iterable[str], owner: object) -> None:
        """Release claims: the clips are written, or won't be generated."""
        with self._guard:
            released = [key for key in keys if self._owners.get(key) is owner]
            # From now on without an owner, but claimed until the record is removed.
            self._owners.update(dict.fromkeys(released, self))
        if released:
            self._remove(released)

    def free(self, keys: Iterable[str], timeout: float) -> set[str]:
        """Return the keys without an owner in any process; wait up to `timeout` seconds.

        Raises:
            OSError: The index can't be read at present.
        """
        requested = set(keys)
        end = time.monotonic() + timeout
        while True:
            with self._guard:
                here = requested & self._owners.keys()
            found = requested - here - self._claimed_elsewhere(requested)
            with self._guard:
                left = end - time.monotonic()
                if found or left <= 0:
                    return found
                # Releases of other processes are only seen when the time is up.
                self._changed.wait_for(lambda: here - self._owners.keys(), left)  # noqa: B023

    def close(self) -> None:
        """Remove all claims, because the library is being closed."""
        for key in list(self._owners):
            self._index.end(self._lock.name, key)

    def abandon(self) -> None:
        """Hold no claims any more: they are those of the process that this one was forked from."""
        self._owners.clear()
        self._guard = threading.RLock()  # a thread of the other process may hold it
        self._changed = Condition(self._guard)

    # --- inside --------------------------------------------------------------------------------

    def _record(self, keys: Sequence[str]) -> set[str]:
        """Record claims, except of what other processes have claimed; return which."""
        with self._index.transaction():
            taken = set(keys) - self._claimed_elsewhere(keys)
            for key in taken:
                self._index.begin(key, self._lock.name)
        return taken

    def _claimed_elsewhere(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys other openings have claimed, and are still open."""
        requested, found = set(keys), set()
        for session, pending in self._index.unfinished().items():
            claimed = requested.intersection(pending)
            if session != self._lock.name and claimed and self._lock.is_alive(session):
                found |= claimed
        return found

    def _remove(self, keys: Sequence[str]) -> None:
        """Remove records, later if the index can't be written now: other processes wait for it."""
        try:
            # Most are gone already, with the transaction that has added the clip's row.
            for key in set(keys).intersection(self._index.unfinished().get(self._lock.name, ())):
                self._index.end(self._lock.name, key)
        except (OSError, LibraryError):
            if not self._index.closed:
                again = threading.Timer(_TRY_AGAIN, self._remove, [keys])
                again.daemon = True
                again.start()
                return
        self._forget(keys)

    def _forget(self, keys: Iterable[str]) -> None:
        with self._guard:
            for key in keys:
                self._owners.pop(key, None)
            self._changed.notify_all()
