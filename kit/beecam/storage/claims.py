"""Which clips are being made in this process, so that no two runs make the same one."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Claims:
    """The keys of clips that are being made, and by whom; safe to use from any thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._owners: dict[str, object] = {}
        self._changed = threading.Condition()

    def take(self, keys: Iterable[str], owner: object) -> set[str]:
        """Claim what nobody else makes; return which of the keys are the owner's now."""
        with self._changed:
            return {key for key in keys if self._owners.setdefault(key, owner) is owner}

    def release(self, keys: Iterable[str], owner: object) -> None:
        """Give up claims: the clips are written, or won't be."""
        with self._changed:
            for key in keys:
                if self._owners.get(key) is owner:
                    del self._owners[key]
            self._changed.notify_all()

    def free(self, keys: Iterable[str], timeout: float) -> set[str]:
        """Return which of these nobody makes, waiting for one at most so many seconds."""
        wanted = set(keys)
        with self._changed:
            self._changed.wait_for(lambda: wanted - self._owners.keys(), timeout)
            return wanted - self._owners.keys()
