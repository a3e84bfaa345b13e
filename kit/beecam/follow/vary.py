"""Variations of a clip: shots whose noise, and therefore whose pixels, are near the clip's."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from beecam._util.checks import integer, number, raise_problems
from beecam._util.plain import as_integer
from beecam.clips.clip import Clip
from beecam.errors import Problem, shorten
from beecam.shots.noise import Noise
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis
from beecam.sweeps.build import sweep_of_shots
from beecam.sweeps.sweep import Sweep

_MAX_VARIATIONS = 10_000


def vary(clip: Clip | Shot, n: int = 8, strength: float = 0.35, *, seed: int = 0) -> Sweep:
    """Lay out variations of a clip: its noise mixed with that of new seeds.

    The first cell is the clip's own shot, for comparison. The noise of a variation is stored as
    weighted seeds, so that it can be varied again and regenerated at any time. The weights are
    1 - `strength` for the clip's noise and `strength` for the new seed's; the mix is scaled to
    unit variance, without which clips of a strength near 0.5 turn blurred.

    >>> bc.run(bc.vary(clip, 8, strength=0.3), model)

    Args:
        clip: A clip or its resolved shot.
        n: The number of variations.
        strength: Over 0, where nothing changes, up to 1, which is a new seed.
        seed: Selects the new seeds: other values give other variations of the same strength.

    Raises:
        CheckError: An argument is out of range, or the shot isn't resolved.
    """
    raise_problems(_find_problems(clip, n, strength, seed))
    shot = clip.shot if isinstance(clip, Clip) else clip
    shots = [shot]
    for i in range(n):
        noise = mix(shot.noise, _new_seed(shot, seed, i), float(strength))
        shots.append(shot.replace(noise=noise))
    axis = Axis("variation", tuple(range(n + 1)), ("original", *(str(i + 1) for i in range(n))))
    sweep = sweep_of_shots(shots, axis)
    return replace(sweep, parents=(clip.key,)) if isinstance(clip, Clip) else sweep


def mix(noise: Noise, seed: int, strength: float) -> Noise:
    """Return a noise mixed with the noise of a new seed.

    >>> mix(((3, 1.0),), 9, 0.25)
    ((3, 0.75), (9, 0.25))

    Args:
        noise: Seeds with their weights.
        seed: The new seed.
        strength: The weight of the new seed's noise, over 0 and up to 1.
    """
    if strength == 1:
        return ((seed, 1.0),)
    norm = math.sqrt(math.fsum(weight**2 for _, weight in noise))
    scaled = [(old, (1 - strength) * weight / norm) for old, weight in noise]
    return (*scaled, (seed, strength))


def _find_problems(clip: Any, n: Any, strength: Any, seed: Any) -> Iterator[Problem]:
    if not isinstance(clip, (Clip, Shot)):
        yield Problem(
            "clip", f"clip={shorten(clip)}: a clip, as in run.clips[0], or a shot is needed."
        )
    elif isinstance(clip, Shot) and not clip.resolved:
        yield Problem(
            "clip",
            f"clip={clip.code()}: a resolved shot is needed, as in bc.vary(model.resolve(shot)).",
        )
    yield from integer("n", n, 1, _MAX_VARIATIONS)
    needed = "a number over 0 and up to 1 is needed; 0.35 is the default."
    yield from number("strength", strength, needed, above=0, high=1)
    if as_integer(seed) is None:
        yield Problem("seed", f"seed={shorten(seed)}: an integer is needed.")


def _new_seed(shot: Shot, seed: int, index: int) -> int:
    text = f"{shot.key} {seed} {index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
