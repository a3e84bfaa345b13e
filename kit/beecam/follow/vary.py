"""Vary: shots whose noise is near that of a clip, and so whose pixels are, too."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

from beecam._util import checks as kinds
from beecam.clips.clip import Clip
from beecam.errors import Problem, shorten
from beecam.shots.shot import Noise, Shot
from beecam.sweeps.axes import Axis
from beecam.sweeps.build import sweep_of_shots
from beecam.sweeps.sweep import Sweep

_MOST = 10_000


def vary(clip: Clip | Shot, n: int = 8, strength: float = 0.35, *, seed: int = 0) -> Sweep:
    """Lay out variations of a clip: its noise mixed with some of a new seed.

    The first cell is the clip as it is, to compare with. A variation's noise is a recipe of seeds
    and weights, so that it can be varied again and made again at any time. Weights are 1 -
    `strength` for the clip's own noise and `strength` for the new one; the mix is scaled back to
    unit variance, without which clips near one half turn blurred.

    >>> bc.run(bc.vary(clip, 8, strength=0.3), model)

    Args:
        clip: A clip or its resolved shot.
        n: How many variations.
        strength: Over 0, where nothing changes, up to 1, which is a new seed.
        seed: For other variations of the same strength.

    Raises:
        CheckError: An argument is out of its range.
    """
    problems: list[Problem] = []
    if not isinstance(clip, (Clip, Shot)):
        problems.append(
            Problem(
                "clip", (f"clip={shorten(clip)}: a clip, as in run.clips[0], or a shot is needed.")
            )
        )
    elif isinstance(clip, Shot) and not clip.resolved:
        problems.append(
            Problem(
                "clip",
                f"clip={clip.code()}: a shot has a noise to vary once a model has resolved it: "
                "bc.vary(model.resolve(shot)).",
            )
        )
    problems += kinds.integer("n", n, 1, _MOST)
    if (
        isinstance(strength, bool)
        or not isinstance(strength, (int, float))
        or not (0 < strength <= 1)
    ):
        problems.append(
            Problem(
                "strength", f"strength={shorten(strength)}: over 0, up to 1; 0.35 is the default."
            )
        )
    if isinstance(seed, bool) or not isinstance(seed, int):
        problems.append(Problem("seed", f"seed={shorten(seed)}: a whole number."))
    kinds.raise_problems(problems)
    shot = clip.shot if isinstance(clip, Clip) else clip
    shots = [shot]
    for i in range(n):
        noise = mix(shot.noise, _new_seed(shot, seed, i), float(strength))
        shots.append(shot.replace(noise=noise))
    axis = Axis("variation", tuple(range(n + 1)), ("as it is", *(str(i + 1) for i in range(n))))
    made = sweep_of_shots(shots, axis)
    return replace(made, parents=(clip.key,)) if isinstance(clip, Clip) else made


def mix(noise: Noise, seed: int, strength: float) -> Noise:
    """Return the recipe of `noise` with a share of a new seed's noise in it.

    Args:
        noise: Seeds with their weights.
        seed: The new one.
        strength: Its share, over 0 and up to 1.
    """
    if strength == 1:
        return ((seed, 1.0),)
    length = math.sqrt(math.fsum(weight**2 for _, weight in noise))
    kept = [(old, (1 - strength) * weight / length) for old, weight in noise]
    return (*kept, (seed, strength))


def _new_seed(shot: Shot, seed: int, index: int) -> int:
    text = f"{shot.key} {seed} {index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
