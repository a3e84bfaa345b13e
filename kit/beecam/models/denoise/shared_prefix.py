"""First parts of clips that several of them share: made once, and gone on from.

A clip with a switch is the beginning of one shot and the rest of another. The beginning is always
made in a call of its own, so that its bits are the same whoever shares it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from beecam.errors import ModelError, Stopped
from beecam.models.model import Checkpoint, OnStep, Step
from beecam.shots.shot import Shot

_KEPT_BYTES = 256_000_000


def before_switch(shot: Shot) -> Shot:
    """Return the shot whose first steps these are."""
    return shot.replace(switch=None, draft_steps=None)


def after_switch(shot: Shot) -> Shot:
    """Return the shot whose last steps these are."""
    switch = shot.switch
    if switch is None:
        return shot
    names = ("prompt", "negative_prompt", "guidance_scale")
    new = {name: getattr(switch, name) for name in names if getattr(switch, name) is not None}
    return shot.replace(switch=None, **new)


class SharedPrefixes:
    """Where clips stand at their switches, of those that were made last."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[tuple[str, int], Checkpoint] = OrderedDict()
        self._making: dict[tuple[str, int], threading.Lock] = {}
        self._lock = threading.Lock()

    def states(
        self, shots: Sequence[Shot], make: Callable[[Shot, OnStep], None], on_step: OnStep | None
    ) -> list[Checkpoint]:
        """Return where each shot stands at its switch; what isn't known is made.

        Args:
            shots: Resolved, with a switch each.
            make: Makes a clip of one shot, and calls a function after each step.
            on_step: Told of each step, and may raise `Stopped`.
        """
        return [self._state(shot, make, on_step) for shot in shots]

    def _state(
        self, shot: Shot, make: Callable[[Shot, OnStep], None], on_step: OnStep | None
    ) -> Checkpoint:
        first = before_switch(shot)
        assert shot.switch is not None
        key = first.key, shot.switch.step(shot.num_inference_steps or 1)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # Two calls at once that share a beginning make it once.
        with making:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            state = _made(first, key[1], make, on_step)
            with self._lock:
                self._kept[key] = state
                while sum(map(_size, self._kept.values())) > _KEPT_BYTES and len(self._kept) > 1:
                    self._kept.popitem(last=False)
                self._making.pop(key, None)
        return state


def _made(
    first: Shot, at: int, make: Callable[[Shot, OnStep], None], on_step: OnStep | None
) -> Checkpoint:
    found: list[Checkpoint] = []

    def watch(step: Step) -> None:
        if on_step is not None:
            # Of its previews there is one, not one for each clip of the call.
            on_step(replace(step, preview=None, states=None))
        if step.step == at:
            assert step.states is not None
            found.extend(step.states())
            raise Stopped("the others go on from here.")

    try:
        make(first, watch)
    except Stopped:
        if not found:
            raise
    if not found:
        raise ModelError(f"the clip ended before step {at}, where it was to change.")
    return found[0]


def _size(state: Checkpoint) -> int:
    return sum(array.nbytes for array in state.arrays.values())
