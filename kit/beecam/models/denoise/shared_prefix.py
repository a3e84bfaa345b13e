"""First parts of clips that several of them share: generated once, and resumed from.

A clip with a switch is the beginning of one shot and the rest of another. The beginning is always
generated in a batch of its own, so that its bits are the same whichever clips share it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from beecam.errors import ModelError, Stopped
from beecam.models.model import Checkpoint, OnStep, Step
from beecam.shots.shot import Shot

_MAX_BYTES = 256_000_000


def before_switch(shot: Shot) -> Shot:
    """Return the shot before the prompt switch."""
    return shot.replace(switch=None, draft_steps=None)


def after_switch(shot: Shot) -> Shot:
    """Return the shot after the prompt switch; the shot itself where it has none."""
    switch = shot.switch
    if switch is None:
        return shot
    names = ("prompt", "negative_prompt", "guidance_scale")
    new = {name: getattr(switch, name) for name in names if getattr(switch, name) is not None}
    return shot.replace(switch=None, **new)


class SharedPrefixes:
    """The checkpoints of clips at their switches, of those that were generated last."""

    def __init__(self) -> None:
        self._stored: OrderedDict[tuple[str, int], Checkpoint] = OrderedDict()
        self._generating: dict[tuple[str, int], threading.Lock] = {}
        self._lock = threading.Lock()

    def checkpoints(
        self,
        shots: Sequence[Shot],
        generate: Callable[[Shot, OnStep], object],
        on_step: OnStep | None,
    ) -> list[Checkpoint]:
        """Return the checkpoint of each shot at its switch; missing ones are generated.

        Args:
            shots: Resolved shots with a switch each.
            generate: Generates the clip of one shot, and calls a function after each step.
            on_step: Called after each step; it may raise `Stopped`.
        """
        return [self._checkpoint(shot, generate, on_step) for shot in shots]

    def _checkpoint(
        self, shot: Shot, generate: Callable[[Shot, OnStep], object], on_step: OnStep | None
    ) -> Checkpoint:
        first = before_switch(shot)
        assert shot.switch is not None
        key = first.key, shot.switch.step(shot.num_inference_steps or 1)
        with self._lock:
            generating = self._generating.setdefault(key, threading.Lock())
        # Two concurrent batches that share a beginning generate it once.
        with generating:
            with self._lock:
                if key in self._stored:
                    self._stored.move_to_end(key)
                    return self._stored[key]
            try:
                checkpoint = _generated_until(first, key[1], generate, on_step)
                with self._lock:
                    self._store(key, checkpoint)
            finally:
                with self._lock:
                    self._generating.pop(key, None)
        return checkpoint

    def _store(self, key: tuple[str, int], checkpoint: Checkpoint) -> None:
        self._stored[key] = checkpoint
        while sum(map(_size, self._stored.values())) > _MAX_BYTES and len(self._stored) > 1:
            self._stored.popitem(last=False)


def _generated_until(
    first: Shot, at: int, generate: Callable[[Shot, OnStep], object], on_step: OnStep | None
) -> Checkpoint:
    """Generate a clip up to a step, and return its checkpoint there."""
    found: list[Checkpoint] = []

    def watch(step: Step) -> None:
        if on_step is not None:
            # There is one preview here, not one for each clip of the caller's batch.
            on_step(replace(step, preview=None, checkpoints=None))
        if step.step == at:
            assert step.checkpoints is not None
            found.extend(step.checkpoints())
            raise Stopped("the other clips resume from here.")

    try:
        generate(first, watch)
    except Stopped:
        if not found:
            raise
    if not found:
        raise ModelError(f"the clip ended before step {at}, where it was to change.")
    return found[0]


def _size(checkpoint: Checkpoint) -> int:
    return sum(array.nbytes for array in checkpoint.arrays.values())
