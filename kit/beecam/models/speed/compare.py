"""What a model's speed gains and what it changes, measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from beecam.models.speed.speed import Speed

if TYPE_CHECKING:
    from beecam.models.diffusers.adapter import DiffusersModel
    from beecam.shots.shot import Shot


_IDENTICAL_PSNR = 99.0  # dB; what equal clips are given


@dataclass(frozen=True)
class Comparison:
    """One shot, made at a model's speed and exactly.

    Attributes:
        speed: What was switched on.
        seconds: Of the quick clip.
        exact_seconds: Of the exact one.
        psnr: How alike they are, in dB; over 40 few people see a difference.
        largest: The greatest difference of a colour, of 255.
    """

    speed: Speed
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


def compare(model: DiffusersModel, shot: Shot, repeats: int = 3) -> Comparison:
    """Measure what a model's speed gives and what it changes.

    >>> print(compare(bc.load(speed="fast"), bc.shot("a bee over a meadow")))

    Args:
        model: Loaded with a `speed`.
        shot: What is made, alone; what it leaves open is each model's own default.
        repeats: How often, after a first time that warms up; the quickest counts.
    """
    found = []
    for one in (model, model.at_speed("exact")):
        full = one.resolve(shot)
        made = one.generate([full])[0].frames
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            one.generate([full])
            times.append(time.perf_counter() - started)
        found.append((made, min(times)))
    (quick, seconds), (exact, exact_seconds) = found
    off = quick.astype(float) - exact
    error = float(np.mean(off**2))
    psnr = 10 * float(np.log10(255**2 / error)) if error else _IDENTICAL_PSNR
    return Comparison(model.speed, seconds, exact_seconds, psnr, int(np.abs(off).max()))
