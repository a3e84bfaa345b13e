"""Measure what a model's speed gains and how far its clips are from the exact ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from beecam.models.capabilities import SupportsSpeed
from beecam.models.model import Model
from beecam.shots.shot import Shot

_IDENTICAL_PSNR = 99.0  # dB; reported for equal clips


@dataclass(frozen=True)
class Comparison:
    """One shot, generated at a model's speed and exactly.

    Attributes:
        speed: What was switched on, in words.
        seconds: The time of the faster clip.
        exact_seconds: The time of the exact clip.
        psnr: The similarity of the clips in dB; above 40 few people see a difference.
        largest: The largest difference of a color value, of 255.
    """

    speed: str
    seconds: float
    exact_seconds: float
    psnr: float
    largest: int

    def __str__(self) -> str:
        return (
            f"{self.speed}; {self.exact_seconds / self.seconds:.2f} times as fast "
            f"({self.seconds:.2f} s a clip), {self.psnr:.1f} dB from the exact clip "
            f"(at most {self.largest} of 255)"
        )


class _FastModel(Model, SupportsSpeed, Protocol):
    """A model that has several speeds."""


def compare(model: _FastModel, shot: Shot, repeats: int = 3) -> Comparison:
    """Measure what a model's speed gains and what it changes.

    >>> print(compare(bc.load(speed="fast"), bc.shot("a bee over a meadow")))

    Args:
        model: A model that was loaded with a `speed`.
        shot: What to generate, alone; each model fills in its own defaults.
        repeats: How often each, in turns, so that a busy machine slows down both; the first time
            warms up, and of the others the fastest counts.
    """
    models = (model, model.at_speed("exact"))
    shots = [one.resolve(shot) for one in models]
    pairs = list(zip(models, shots, strict=True))
    fast, exact = (one.generate([full])[0].frames for one, full in pairs)
    rounds = [[_seconds(one, full) for one, full in pairs] for _ in range(repeats)]
    seconds, exact_seconds = map(min, zip(*rounds, strict=True))
    difference = fast.astype(float) - exact
    error = float(np.mean(difference**2))
    psnr = 10 * float(np.log10(255**2 / error)) if error else _IDENTICAL_PSNR
    return Comparison(str(model.speed), seconds, exact_seconds, psnr, int(np.abs(difference).max()))


def _seconds(model: Model, shot: Shot) -> float:
    started = time.perf_counter()
    model.generate([shot])
    return time.perf_counter() - started
