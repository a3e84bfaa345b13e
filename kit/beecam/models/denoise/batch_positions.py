"""The position of each clip in a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from beecam.models.model import Checkpoint, OnStep


def positions_of(shots: int, starts: Sequence[Checkpoint]) -> list[int]:
    """Return each shot's position in its batch.

    A clip resumes at its own position where that is free, because in batches of an odd size the
    last bits depend on it.
    """
    positions = [checkpoint.position for checkpoint in starts]
    return positions if starts and len(set(positions)) == shots else list(range(shots))


def filled(positions: Sequence[int], pad_to: int) -> list[int]:
    """Return for each clip of a batch the index of its shot; the last shot fills the rest.

    >>> filled([2, 0], pad_to=4)
    [1, 1, 0, 1]

    Args:
        positions: Each shot's position.
        pad_to: The smallest size of the batch.
    """
    found = [len(positions) - 1] * max(pad_to, *(position + 1 for position in positions))
    for i, position in enumerate(positions):
        found[position] = i
    return found


def at_positions(on_step: OnStep, positions: Sequence[int]) -> OnStep:
    """Return a function that reports the clips at some positions of a batch, in this order."""

    def picked(make: Callable[[], list[Any]] | None) -> Callable[[], list[Any]] | None:
        if make is None:
            return None

        def select() -> list[Any]:
            every = make()
            return [every[position] for position in positions]

        return select

    return lambda step: on_step(
        replace(step, preview=picked(step.preview), checkpoints=picked(step.checkpoints))
    )
