"""The garbage collector closes surfaces at any moment, also while what they share is used."""

import threading

import pytest

from beecam_widgets._clips.shared_state import Member, SharedState
from beecam_widgets._clips.sheet_owners import SheetOwner, owns_sheet, set_displayed


def in_time(function):
    """Call a function on a thread; fail if it never returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(20)
    assert results, "it hangs, or it raised"
    return results[0]


class CollectingOwner(SheetOwner):
    """An owner during whose lookup others are collected."""

    collected = ()

    @property
    def token(self):
        others, self.collected = self.collected, ()
        for other in others:
            set_displayed(other, "")
        return self._token

    @token.setter
    def token(self, value):
        self._token = value


@pytest.mark.parametrize("count", [1, 2, 50])
def test_sheets_have_owners_while_surfaces_are_collected(count):
    others = [SheetOwner(refresh=lambda: None) for _ in range(count)]
    one = CollectingOwner(refresh=lambda: None, rank=-1)
    for owner in (*others, one):
        set_displayed(owner, "clips")
    one.collected = others
    in_time(lambda: set_displayed(SheetOwner(refresh=lambda: None), "other clips") or True)
    one.collected = others
    in_time(lambda: owns_sheet(one) or True)
    assert in_time(lambda: owns_sheet(one))
    set_displayed(one, "")


class CollectingMember(Member):
    """A member during whose lookup others are collected."""

    state, collected = None, ()

    def __hash__(self):
        others, self.collected = self.collected, ()
        for other in others:
            self.state.leave(other)
        return id(self)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_state_is_shared_while_surfaces_are_collected(count):
    state, changes = SharedState(), []
    others = [Member(lambda *_: None, lambda *_: changes.append(1)) for _ in range(count)]
    one = CollectingMember(lambda *_: None)
    one.state = state
    for member in (*others, one):
        state.join(member)
    one.collected = others
    in_time(lambda: state.set(one, "filter", "bee") or True)
    changes.clear()
    in_time(lambda: state.set(one, "filter", "moth") or True)
    assert not changes, "they have left"
    state.join(others[0])
    in_time(lambda: state.set(one, "filter", "fly") or True)
    assert len(changes) == 1, "it is back"
