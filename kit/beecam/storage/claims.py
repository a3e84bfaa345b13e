"""What this process is generating, so that two runs don't generate the same clip."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol


class BackgroundWriter(Protocol):
    """An object that writes into a library in the background, such as the engine of a run."""

    def give_up(self, *, cancel: bool = False) -> None:
        """Cancel clips that aren't generated yet, if `cancel` or if the run is paused."""

    def leave(self, *, cancel: bool = False) -> None:
        """Finish, because the library is about to be closed."""


class Claims:
    """The keys of clips that are being generated, with their owners; thread-safe."""

    def __init__(self) -> None:
        self._owners: dict[str, object] = {}
        self._changed = threading.Condition()

    def take(self, keys: Iterable[str], owner: object) -> set[str]:
        """Claim those keys that have no other owner; return the keys that `owner` now has."""
        with self._changed:
            return {key for key in keys if self._owners.setdefault(key, owner) is owner}

    def release(self, keys: Iterable[str], owner: object) -> None:
        """Release claims: the clips are written, or won't be generated."""
        with self._changed:
            for key in keys:
                if self._owners.get(key) is owner:
                    del self._owners[key]
            self._changed.notify_all()

    def free(self, keys: Iterable[str], timeout: float) -> set[str]:
        """Return the keys without an owner, after waiting up to `timeout` seconds for the first."""
        requested = set(keys)
        with self._changed:
            self._changed.wait_for(lambda: requested - self._owners.keys(), timeout)
            return requested - self._owners.keys()
