"""Checks of what a model returns: whatever passes can be stored and read again.

A wrong result fails alone. Of a batch with one the others are generated again, each by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from beecam._util.words import count_of
from beecam.errors import ModelError, first_line, shorten
from beecam.media.types import Sound
from beecam.models.model import Checkpoint, Generated, OnStep, Step, check_frames_shape
from beecam.shots.shot import LIMITS

_PARTS = {"checkpoint": Checkpoint, "broken": str, "sound": Sound}
_AXES = ("num_frames", "height", "width")


def checked_clips(name: str, found: Any, count: int) -> list[Generated]:
    """Return a model's clips as they are stored.

    A clip of another size than was asked for is kept: its facts have its true one.

    Args:
        name: The model's name.
        found: What it returned.
        count: The number of shots that it got.

    Raises:
        ModelError: It isn't one clip per shot.
    """
    if not isinstance(found, (list, tuple)):
        raise ModelError(
            f"{name} returned {type(found).__name__}; a list with a bc.Generated for each shot is "
            "needed."
        )
    if len(found) != count:
        counts = f"{count_of(len(found), 'clip')} for {count_of(count, 'shot')}"
        raise ModelError(f"{name} returned {counts}.")
    return [_checked(name, one) for one in found]


def checked_steps(name: str, on_step: OnStep | None) -> OnStep | None:
    """Return `on_step` such that it reports what a model passes to it in place of a step.

    Args:
        name: The model's name.
        on_step: Called with each step, or None.
    """
    if on_step is None:
        return None

    def call(step: Any) -> None:
        if not isinstance(step, Step):
            raise ModelError(
                f"{name} called on_step with {shorten(step)}; a bc.Step is needed, as in "
                "on_step(bc.Step(1, 4))."
            )
        on_step(step)

    return call


def checked_keys(name: str, found: Any, count: int, member: str) -> list[Hashable]:
    """Return a model's batch keys.

    Args:
        name: The model's name.
        found: What it returned for some shots.
        count: The number of these.
        member: The method.

    Raises:
        ModelError: It isn't one key per shot that can be a key of a dict.
    """
    if not isinstance(found, (list, tuple)) or len(found) != count:
        raise ModelError(
            f"{name}.{member} returned {shorten(found)} for {count} shots; a list with a key for "
            "each is needed."
        )
    for key in found:
        try:
            hash(key)
        except Exception as error:
            raise ModelError(
                f"{name}.batch_key returned {shorten(key)}, which can't be a key "
                f"({first_line(error)}); a tuple of numbers and strings is needed, as in "
                "(shot.width, shot.height)."
            ) from error
    return list(found)


def _checked(name: str, one: Any) -> Generated:
    frames = one.frames if isinstance(one, Generated) else one
    right = isinstance(frames, np.ndarray) and frames.dtype == np.uint8
    if not isinstance(one, Generated) or not right:
        kind = getattr(frames, "dtype", type(frames).__name__)
        raise ModelError(
            f"{name} returned {type(one).__name__} of {kind}; bc.Generated of a uint8 array is "
            "needed."
        )
    check_frames_shape(name, frames.shape)
    for axis, size in zip(_AXES, frames.shape, strict=False):
        low, high = LIMITS[axis]
        if not (low or 1) <= size <= (high or size):
            raise ModelError(
                f"{name} returned frames of shape {frames.shape}: {axis} of a clip is from {low} "
                f"to {high:,}."
            )
    for part, kind in _PARTS.items():
        value = getattr(one, part)
        if value is not None and not isinstance(value, kind):
            raise ModelError(
                f"{name} returned a clip with {part}={shorten(value)}; {kind.__name__} or None is "
                "needed."
            )
    return replace(one, position=_position(name, one.position))


def _position(name: str, value: Any) -> int:
    try:
        position = operator.index(value)
    except TypeError:
        position = -1
    if position < 0:
        raise ModelError(
            f"{name} returned a clip with position={shorten(value)}; its place in the batch is "
            "needed, an integer from 0."
        )
    return position


def named_error(name: str, member: str, error: Exception, shots: Sequence[Any]) -> ModelError:
    """Return an error of a model's method with the method's name.

    Args:
        name: The model's name.
        member: The method.
        error: What it raised.
        shots: The shots that it was asked about.
    """
    of = f" for {shorten(shots[0])}" if len(shots) == 1 else ""
    return ModelError(f"{name}.{member} raised {type(error).__name__}{of}: {first_line(error)}")
