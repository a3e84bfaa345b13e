"""What surfaces of the same cells have in common: selection, cursor, filter and order."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

FOLLOWED = ("_current", "_selected", "filter", "sort")


class Follower(Protocol):
    """A surface, as far as this module knows it.

    Attributes:
        sheet_rank: Of surfaces of the same cells the one with the highest leaves their contact
            sheet in the notebook; of several the one that was shown last.
    """

    sheet_rank: int

    def follow(self, name: str, value: Any) -> None:
        """Take over what another surface has set."""


class Shared:
    """One value for each of FOLLOWED, and the surfaces that show it.

    Surfaces of one source hold the same object. A change is told to all others, on the thread of
    whoever made it; whoever is told sets its own trait and tells nobody.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[str, Any] = {"_current": -1, "_selected": [], "filter": "", "sort": ""}
        self._followers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._keeper: weakref.ref[Any] | None = None

    def join(self, follower: Follower) -> Mapping[str, Any]:
        """Take part from now on; returns the values as they are."""
        with self._lock:
            self._followers.add(follower)
            return dict(self._values)

    def leave(self, follower: Follower) -> None:
        """Take part no more."""
        with self._lock:
            self._followers.discard(follower)
            if self.keeps_sheet(follower):
                self._keeper = None

    def move_to(self, other: Shared) -> list[Any]:
        """Hand values and surfaces over to another one; returns the surfaces."""
        with self._lock:
            followers = list(self._followers)
            if other is self:
                return followers
            other._values = dict(self._values)
            other._followers.update(followers)
            other._keeper = self._keeper
            self._followers.clear()
        return followers

    def take_sheet(self, by: Follower) -> Any | None:
        """Let a surface that is shown leave the contact sheet; returns the one that left it."""
        with self._lock:
            before = self._keeper() if self._keeper else None
            if before is by or (before is not None and before.sheet_rank > by.sheet_rank):
                return None
            self._keeper = weakref.ref(by)
            return before

    def keeps_sheet(self, one: Follower) -> bool:
        """Return whether it is this surface that leaves the contact sheet."""
        return self._keeper is not None and self._keeper() is one

    def put(self, by: Follower, name: str, value: Any) -> None:
        """Set a value; the surface that did it is not told."""
        with self._lock:
            if self._values[name] == value:
                return
            self._values[name] = value
            others = [one for one in self._followers if one is not by]
        for other in others:
            other.follow(name, value)


_shared: weakref.WeakValueDictionary[str, Shared] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def shared_by(token: str) -> Shared:
    """Return what the surfaces of a source share, as long as one of them lives."""
    with _lock:
        found = _shared.get(token)
        if found is None:
            found = _shared[token] = Shared()
        return found
