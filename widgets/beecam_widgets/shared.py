"""What surfaces of the same cells have in common: selection, cursor, filter and order."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

FOLLOWED = ("_current", "_selected", "filter", "sort")


class Follower(Protocol):
    """A surface, as far as this module knows it."""

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

    def join(self, follower: Follower) -> Mapping[str, Any]:
        """Take part from now on; returns the values as they are."""
        with self._lock:
            self._followers.add(follower)
            return dict(self._values)

    def leave(self, follower: Follower) -> None:
        """Take part no more."""
        with self._lock:
            self._followers.discard(follower)

    def move_to(self, other: Shared) -> list[Any]:
        """Hand values and surfaces over to another one; returns the surfaces."""
        with self._lock:
            followers = list(self._followers)
            other._values = dict(self._values)
            other._followers.update(followers)
            self._followers.clear()
        return followers

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
