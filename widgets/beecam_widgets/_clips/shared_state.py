"""The state that surfaces of the same cells share: selection, cursor, filter and order."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from beecam_widgets._clips.cell_source import CellSource

# The names of the shared traits.
SHARED_TRAITS = ("_current", "_selected", "filter", "sort")


@dataclass(eq=False)
class Member:
    """The callbacks of one widget that takes part in a shared state.

    Attributes:
        on_extended: Called with a source that starts with the cells of the current one and
            replaces it, and with the state of that source.
        on_change: Called with name and value when another member has changed the state.
    """

    on_extended: Callable[[CellSource, SharedState], None]
    on_change: Callable[[str, Any], None] = lambda *_: None


class SharedState:
    """One value for each of SHARED_TRAITS, and the members that show it.

    Surfaces of the same cells hold the same object. A change is passed to all other members, on
    the thread of the member that made it; they set their own traits without passing it on.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[str, Any] = {"_current": -1, "_selected": [], "filter": "", "sort": ""}
        # The garbage collector may close a surface while members are iterated: one that leaves
        # is not removed from them.
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()
        self._left: weakref.WeakSet[Member] = weakref.WeakSet()

    def join(self, member: Member) -> Mapping[str, Any]:
        """Add a member; return the current values."""
        with self._lock:
            self._members.add(member)
            self._left.discard(member)
            return dict(self._values)

    def leave(self, member: Member) -> None:
        """Remove a member."""
        with self._lock:
            self._left.add(member)

    def _active(self) -> list[Member]:
        return [one for one in self._members if one not in self._left]

    def move_to(self, other: SharedState) -> list[Member]:
        """Move values and members to another state; return the members."""
        with self._lock:
            members = self._active()
            if other is self:
                return members
            other._values = dict(self._values)
            for member in members:
                other._members.add(member)
                other._left.discard(member)
            self._members.clear()
        return members

    def set(self, member: Member, name: str, value: Any) -> None:
        """Set a value, and pass it to all members but the one that sets it."""
        with self._lock:
            if self._values[name] == value:
                return
            self._values[name] = value
            others = [one for one in self._active() if one is not member]
        for other in others:
            other.on_change(name, value)


_states: weakref.WeakValueDictionary[str, SharedState] = weakref.WeakValueDictionary()
_states_lock = threading.RLock()


def shared_state(token: str) -> SharedState:
    """Return the state shared by the surfaces of a source; it exists as long as one of them."""
    with _states_lock:
        state = _states.get(token)
        if state is None:
            state = _states[token] = SharedState()
        return state
