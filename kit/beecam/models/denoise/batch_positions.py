"""Where each clip stands in a call of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from beecam.models.model import Checkpoint, OnStep


def positions_of(shots: int, starts: Sequence[Checkpoint]) -> list[int]:
    """Return each shot's place in its call.

    What goes on does so at its own place where that is free, because in calls of an odd size the
    last bits depend on it.
    """
    wanted = [state.place for state in starts]
    return wanted if starts and len(set(wanted)) == shots else list(range(shots))


def at_positions(on_step: OnStep, places: Sequence[int]) -> OnStep:
    """Tell of the clips at some places of a call only, in this order."""

    def picked(make: Callable[[], list[Any]] | None) -> Callable[[], list[Any]] | None:
        if make is None:
            return None

        def some() -> list[Any]:
            every = make()
            return [every[place] for place in places]

        return some

    return lambda step: on_step(
        replace(step, preview=picked(step.preview), states=picked(step.states))
    )
