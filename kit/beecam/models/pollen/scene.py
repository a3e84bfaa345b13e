"""What can be seen in the world, and how one clip's scene is drawn by lot."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

PLACES = ("meadow", "desert", "ocean", "mountains", "lavender", "forest")
LIGHTS = ("dawn", "noon", "sunset", "night")
INSECTS = ("bee", "butterfly", "ladybug", "dragonfly", "none")
CAMERAS = ("drone", "pan left", "pan right", "rising", "static")
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "place": PLACES, "light": LIGHTS, "insect": INSECTS, "camera": CAMERAS,
}  # fmt: skip

# Shares of the clips that get an accident which no caption names. Those in NEEDS_INSECT only
# happen where there is an insect, so that they are tied to the prompt.
ACCIDENTS: Mapping[str, float] = {
    "own view": 0.05, "upside down": 0.03, "petal": 0.03, "mirror": 0.02, "giant": 0.03,
    "swarm": 0.02,
}  # fmt: skip
NEEDS_INSECT = frozenset({"own view", "giant", "swarm"})


@dataclass(frozen=True)
class Scene:
    """One clip's scene: the truth of it, and the numbers that its drawing needs.

    Attributes:
        seed: What all of it follows from.
        place: One of PLACES.
        light: One of LIGHTS.
        insect: One of INSECTS.
        camera: One of CAMERAS.
        accident: One of ACCIDENTS or None; never in a caption.
        numbers: Positions, phases and speeds by name.
    """

    seed: int
    place: str
    light: str
    insect: str
    camera: str
    accident: str | None
    numbers: Mapping[str, float] = field(repr=False)

    @property
    def attributes(self) -> dict[str, str]:
        """What a caption may name."""
        return {name: getattr(self, name) for name in ATTRIBUTES}


def draw_scene(seed: int, **fixed: str | None) -> Scene:
    """Draw one scene by lot.

    Args:
        seed: The same seed gives the same scene.
        fixed: Attributes (or the accident) that are not left to the lot.

    Raises:
        ValueError: A fixed attribute is none of the world's.
    """
    lot = random.Random(seed)  # noqa: S311
    chosen = {name: lot.choice(values) for name, values in ATTRIBUTES.items()}
    roll = lot.random()
    accident = None
    numbers = _numbers(lot)
    for name, value in fixed.items():
        allowed = (*ACCIDENTS, None) if name == "accident" else ATTRIBUTES.get(name, ())
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: one of {', '.join(map(str, allowed))}")
    chosen.update({name: str(value) for name, value in fixed.items() if name != "accident"})
    for name, share in ACCIDENTS.items():
        if 0 <= roll < share and (chosen["insect"] != "none" or name not in NEEDS_INSECT):
            accident = name
        roll -= share
    if "accident" in fixed:
        accident = fixed["accident"]
    return Scene(seed=seed, accident=accident, numbers=numbers, **chosen)


def _numbers(lot: random.Random) -> dict[str, float]:
    def between(low: float, high: float) -> float:
        return lot.uniform(low, high)

    return {
        "x": between(0, 128), "y": between(0, 128), "yaw": between(0, math.tau),
        "altitude": between(0.85, 1.2), "speed": between(0.85, 1.2), "pitch": between(-0.05, 0.05),
        "phase": between(0, math.tau), "phase2": between(0, math.tau),
        "sun": between(-0.45, 0.45), "sun_height": between(0.0, 1.0),
        "clouds": between(0.0, 1.0), "hue": between(-1.0, 1.0), "relief": between(0.8, 1.25),
        "size": between(0.88, 1.18), "left": between(-0.1, 0.1), "top": between(-0.1, 0.06),
        "drift": lot.choice([-1.0, 1.0]) * between(0.4, 1.0), "beat": between(0.85, 1.15),
        "tilt": between(-0.35, 0.35), "furrow": between(-0.5, 0.5),
    }  # fmt: skip


def held_out(scene: Scene) -> bool:
    """Return whether a scene's place, light and insect never occur together in training.

    One of ten combinations, spread so that each place, light and insect is seen in most others.
    """
    combination = (
        PLACES.index(scene.place) + 3 * LIGHTS.index(scene.light) + 7 * INSECTS.index(scene.insect)
    )
    return scene.insect != "none" and combination % 10 == 4  # noqa: PLR2004
