"""Attributes and accidents of the world, and the random draw of one clip's scene."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

SIZE, FRAMES, FPS = 96, 17, 8.0  # of a clip: pixels a side, frames, frames a second

PLACES = (
    "meadow",
    "desert",
    "ocean",
    "mountains",
    "lavender",
    "forest",
    "city",
    "canyon",
    "islands",
    "volcano",
)
LIGHTS = ("dawn", "noon", "sunset", "night")
WEATHERS = ("clear", "rain", "snow", "fog")
INSECTS = ("bee", "butterfly", "ladybug", "dragonfly", "firefly", "beetle", "none")
CAMERAS = (
    "static",
    "drone",
    "pan left",
    "pan right",
    "orbit",
    "rise",
    "dive",
    "tracking",
    "handheld",
)
STYLES = ("plain", "watercolour", "pixel art", "neon", "black and white", "pencil")
SPEEDS = ("slow", "normal", "fast")
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "place": PLACES,
    "light": LIGHTS,
    "weather": WEATHERS,
    "insect": INSECTS,
    "camera": CAMERAS,
    "style": STYLES,
    "speed": SPEEDS,
}

# Probability of each accident in the clips where it is possible. No caption names an accident.
# Those in NEEDS require certain attributes, which ties them to the prompt.
ACCIDENTS: Mapping[str, float] = {
    "own view": 0.05,
    "giant": 0.025,
    "swarm": 0.025,
    "upside down": 0.02,
    "mirror": 0.02,
    "petal": 0.02,
    "balloon": 0.02,
    "bird": 0.02,
    "light leak": 0.02,
    "two suns": 0.06,
    "rainbow": 0.06,
}
_HELD_OUT = 4  # of ten combinations, by index
_ANY_INSECT = {"insect": INSECTS[:-1]}
NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "own view": _ANY_INSECT,
    "giant": _ANY_INSECT,
    "swarm": _ANY_INSECT,
    "rainbow": {"weather": ("rain",)},
    # Only where the sky shows it: an accident must be visible in the clip.
    "two suns": {
        "light": ("dawn", "sunset", "night"),
        "weather": ("clear",),
        "camera": tuple(name for name in CAMERAS if name not in ("drone", "dive")),
        "style": tuple(name for name in STYLES if name != "pencil"),
    },
}


@dataclass(frozen=True)
class Scene:
    """The ground truth of one clip, and the numbers that the renderer needs.

    Attributes:
        seed: Determines everything else.
        place: One of PLACES.
        light: One of LIGHTS.
        weather: One of WEATHERS.
        insect: One of INSECTS.
        camera: One of CAMERAS.
        style: One of STYLES.
        speed: One of SPEEDS, for camera and insect.
        accident: One of ACCIDENTS or None; never in a caption.
        numbers: Positions, phases and speeds by name.
    """

    seed: int
    place: str
    light: str
    weather: str
    insect: str
    camera: str
    style: str
    speed: str
    accident: str | None
    numbers: Mapping[str, float] = field(repr=False)

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes that a caption may name."""
        return {name: getattr(self, name) for name in ATTRIBUTES}

    @property
    def mirrored_attributes(self) -> dict[str, str]:
        """The attributes of the clip flipped left to right."""
        swap = {"pan left": "pan right", "pan right": "pan left"}
        return {**self.attributes, "camera": swap.get(self.camera, self.camera)}


def draw_scene(seed: int, **fixed: str | None) -> Scene:
    """Draw a random scene.

    >>> draw_scene(1, place="desert").place
    'desert'

    Args:
        seed: The same seed gives the same scene.
        fixed: Attributes (or the accident) that are not drawn at random.

    Raises:
        ValueError: A fixed attribute or its value does not exist in the world.
    """
    rng = random.Random(seed)
    chosen = {name: rng.choice(values) for name, values in ATTRIBUTES.items()}
    roll = rng.random()
    accident = None
    numbers = _numbers(rng)
    for name, value in fixed.items():
        if name not in (*ATTRIBUTES, "accident"):
            raise ValueError(f"{name}: not one of {', '.join(ATTRIBUTES)} or accident")
        allowed = (*ACCIDENTS, None) if name == "accident" else ATTRIBUTES[name]
        if value not in allowed:
            raise ValueError(f"{name}={value!r}: must be one of {', '.join(map(str, allowed))}")
    chosen.update({name: str(value) for name, value in fixed.items() if name != "accident"})
    for name, share in ACCIDENTS.items():
        if 0 <= roll < share and possible(name, chosen):
            accident = name
        roll -= share
    if "accident" in fixed:
        accident = fixed["accident"]
    return Scene(seed=seed, accident=accident, numbers=numbers, **chosen)


def possible(accident: str, attributes: Mapping[str, str]) -> bool:
    """Return whether an accident is possible in a scene with these attributes."""
    needs = NEEDS.get(accident, {})
    return all(attributes[name] in values for name, values in needs.items())


def _numbers(rng: random.Random) -> dict[str, float]:
    def between(low: float, high: float) -> float:
        return rng.uniform(low, high)

    return {
        "x": between(0, 128),
        "y": between(0, 128),
        "yaw": between(0, math.tau),
        "altitude": between(0.85, 1.2),
        "speed": between(0.85, 1.2),
        "pitch": between(-0.05, 0.05),
        "phase": between(0, math.tau),
        "phase2": between(0, math.tau),
        "sun": between(-0.4, 0.4),
        "sun_height": between(0.0, 1.0),
        "clouds": between(0.0, 1.0),
        "hue": between(-1.0, 1.0),
        "relief": between(0.8, 1.25),
        "size": between(0.88, 1.18),
        "left": between(-0.1, 0.1),
        "top": between(-0.1, 0.06),
        "drift": rng.choice([-1.0, 1.0]) * between(0.4, 1.0),
        "beat": between(0.85, 1.15),
        "tilt": between(-0.35, 0.35),
        "side": rng.choice([-1.0, 1.0]),
    }


def held_out(scene: Scene) -> bool:
    """Return whether a scene's combination of place, light and insect is held out of training.

    One combination in ten is, spread so that each place, light and insect is seen in most others.
    """
    combination = (
        PLACES.index(scene.place) + 3 * LIGHTS.index(scene.light) + 7 * INSECTS.index(scene.insect)
    )
    return scene.insect != "none" and combination % 10 == _HELD_OUT
