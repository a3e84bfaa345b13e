"""Which of the displayed surfaces stores the contact sheet of some clips in the notebook.

A sheet takes up to 700 KB of the notebook's file, so that the same clips have it once, even if
several surfaces or cells show them, or a run and the set of its clips.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False)
class SheetOwner:
    """A surface as an owner of contact sheets.

    Attributes:
        refresh: Called when it has become or is no longer the owner; called on any thread.
        rank: The displayed surface with the highest rank is the owner; of equal ranks the one that
            was displayed last.
        token: The clips that it shows; "" as long as it isn't displayed.
        number: Grows with each display.
    """

    refresh: Callable[[], None]
    rank: int = 0
    token: str = ""
    number: int = 0


_numbers = itertools.count(1)
_displayed: weakref.WeakSet[SheetOwner] = weakref.WeakSet()
# The garbage collector may close a surface at any moment, also while this thread is in here: the
# lock is reentrant, and closing removes nothing from what may be iterated.
_lock = threading.RLock()


def _owner(token: str) -> SheetOwner | None:
    candidates = [one for one in _displayed if one.token == token]
    return max(candidates, key=lambda one: (one.rank, one.number), default=None)


def owns_sheet(owner: SheetOwner) -> bool:
    """Return whether a surface stores the contact sheet of its clips."""
    with _lock:
        return bool(owner.token) and _owner(owner.token) is owner


def set_displayed(owner: SheetOwner, token: str) -> None:
    """Note that a surface is displayed (again) and shows some clips; "" if it is no longer.

    The surface itself is not refreshed.
    """
    with _lock:
        tokens = {one for one in (owner.token, token) if one}
        before = {one: _owner(one) for one in tokens}
        owner.token, owner.number = token, next(_numbers)
        if token:
            _displayed.add(owner)
        changed = {
            surface
            for one, old in before.items()
            if (new := _owner(one)) is not old
            for surface in (old, new)
            if surface not in (None, owner)
        }
    for surface in changed:
        if surface is not None:
            surface.refresh()
