"""Seeds of scenes: which are for training, held out, or never trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from beecam.models.pollen.world.scene import ACCIDENTS, Scene, draw_scene, held_out, possible

# Seeds from here on are never trained on.
UNSEEN = 1_000_000_000


def scenes(first: int = 0, *, held: bool = False) -> Iterator[Scene]:
    """Yield scenes of consecutive seeds.

    >>> next(scenes(5)).seed
    5

    Args:
        first: The first seed.
        held: Only held-out combinations; by default only the others.
    """
    for seed in itertools.count(first):
        scene = draw_scene(seed)
        if held_out(scene) == held:
            yield scene


def accident_scenes(first: int = 0) -> Iterator[Scene]:
    """Yield scenes with accidents, each kind equally often; no held-out combinations."""
    seeds = itertools.count(first)
    for accident in itertools.cycle(ACCIDENTS):
        found = (draw_scene(seed, accident=accident) for seed in seeds)
        yield next(s for s in found if possible(accident, s.attributes) and not held_out(s))
