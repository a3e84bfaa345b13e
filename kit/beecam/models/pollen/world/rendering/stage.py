"""Shared inputs of one rendering: tables of places, lights and weathers, pixels and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from beecam.models.pollen.world.rendering.insects import Colour
from beecam.models.pollen.world.scene import Scene


@dataclass(frozen=True)
class Place:
    """Colours of low and high ground, relief, roughness, and range of sight in fog."""

    low: Colour
    high: Colour
    relief: float
    rough: float
    fog: float


PLACES = {
    "meadow": Place((0.20, 0.46, 0.10), (0.50, 0.72, 0.22), 1.0, 0.42, 55.0),
    "desert": Place((0.72, 0.46, 0.20), (0.96, 0.80, 0.50), 2.2, 0.30, 60.0),
    "ocean": Place((0.02, 0.22, 0.45), (0.12, 0.46, 0.66), 0.0, 0.3, 60.0),
    "mountains": Place((0.36, 0.38, 0.45), (0.95, 0.97, 1.0), 7.0, 0.55, 75.0),
    "lavender": Place((0.36, 0.16, 0.58), (0.68, 0.42, 0.86), 0.7, 0.3, 60.0),
    "forest": Place((0.02, 0.15, 0.06), (0.14, 0.38, 0.12), 1.6, 0.5, 45.0),
    "city": Place((0.30, 0.30, 0.33), (0.62, 0.60, 0.60), 1.0, 0.5, 60.0),
    "canyon": Place((0.55, 0.20, 0.10), (0.92, 0.52, 0.28), 5.5, 0.42, 65.0),
    "islands": Place((0.93, 0.84, 0.60), (0.16, 0.46, 0.12), 2.6, 0.38, 60.0),
    "volcano": Place((0.08, 0.07, 0.08), (0.24, 0.20, 0.20), 3.2, 0.5, 60.0),
}


@dataclass(frozen=True)
class Light:
    """Colours of the sky, of sun or moon and of white, ambient light, height of the sun, haze."""

    top: Colour
    horizon: Colour
    sun: Colour
    white: Colour
    ambient: float
    height: tuple[float, float]
    haze: float


LIGHTS = {
    "dawn": Light(
        (0.60, 0.70, 0.88),
        (1.0, 0.84, 0.82),
        (1.0, 0.96, 0.84),
        (0.96, 0.86, 0.90),
        0.68,
        (0.12, 0.24),
        0.7,
    ),
    "noon": Light(
        (0.14, 0.40, 0.88),
        (0.70, 0.87, 0.99),
        (1.0, 1.0, 0.92),
        (1.06, 1.04, 1.0),
        0.62,
        (0.85, 1.0),
        1.0,
    ),
    "sunset": Light(
        (0.28, 0.15, 0.42),
        (1.0, 0.46, 0.12),
        (1.0, 0.76, 0.28),
        (0.94, 0.54, 0.36),
        0.40,
        (0.05, 0.14),
        0.9,
    ),
    "night": Light(
        (0.01, 0.02, 0.09),
        (0.07, 0.10, 0.24),
        (0.90, 0.92, 1.0),
        (0.42, 0.48, 0.74),
        0.6,
        (0.22, 0.42),
        1.0,
    ),
}
# Insects and plants near the camera are a little brighter: they must be visible at night.
NEAR_LIGHT = {
    "dawn": (1.0, 0.95, 0.95),
    "noon": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.84, 0.72),
    "night": (0.62, 0.65, 0.82),
}


@dataclass(frozen=True)
class Weather:
    """Range of sight, share of the sky that is covered, and changes of the light."""

    sight: float
    cover: float
    grey: float
    dim: float
    glow: float = 0.0


WEATHERS = {
    "clear": Weather(1.0, 0.0, 0.0, 1.0),
    "rain": Weather(0.55, 0.72, 0.55, 0.72),
    "snow": Weather(0.5, 0.66, 0.3, 1.06),
    "fog": Weather(0.25, 0.9, 0.4, 1.0, 0.3),
}
SPEEDS = {"slow": 0.5, "normal": 1.0, "fast": 1.7}


class Stage:
    """Scenes that are rendered together, with their pixels and times as tensors."""

    def __init__(
        self, scenes: Sequence[Scene], size: int, frames: int, device: torch.device
    ) -> None:
        self.scenes = scenes
        self.size = size
        self.device = device
        self.t = torch.linspace(0, 1, frames, device=device).view(1, frames, 1, 1)
        axis = (torch.arange(size, device=device) + 0.5) / size - 0.5
        self.x = axis.view(1, 1, 1, size)
        self.y = -axis.view(1, 1, size, 1)

    def number(self, name: str) -> Tensor:
        """Return one number of every scene: (clips, 1, 1, 1)."""
        values = [scene.numbers[name] for scene in self.scenes]
        return torch.tensor(values, device=self.device).view(-1, 1, 1, 1)

    def flag(self, attribute: str, *values: str) -> Tensor:
        """Return 1.0 where a scene's attribute is one of the values, else 0.0: (clips, 1, 1, 1)."""
        found = [float(getattr(scene, attribute) in values) for scene in self.scenes]
        return torch.tensor(found, device=self.device).view(-1, 1, 1, 1)

    def pace(self) -> Tensor:
        """Return the speed of every scene: (clips, 1, 1, 1)."""
        values = [SPEEDS[scene.speed] for scene in self.scenes]
        return torch.tensor(values, device=self.device).view(-1, 1, 1, 1)

    def weather(self, name: str) -> Tensor:
        """Return a value of every scene's weather: (clips, 1, 1, 1)."""
        values = [getattr(WEATHERS[scene.weather], name) for scene in self.scenes]
        return torch.tensor(values, device=self.device).view(-1, 1, 1, 1)

    def haze(self) -> Tensor:
        """Return the colour of distant air: (clips, 1, 1, 1, 3)."""
        horizon = self.light("horizon")
        grey = horizon.mean(-1, keepdim=True)
        mixed: Tensor = horizon + self.weather("grey")[..., None] * (grey - horizon)
        # Fog scatters light: at night it is brighter than a clear sky.
        mixed = mixed + self.weather("glow")[..., None] * (0.62 - mixed).clamp(min=0)
        return mixed * self.weather("dim")[..., None].clamp(max=1.0)

    def near_light(self) -> Tensor:
        """Return what white looks like close to the camera: (clips, 1, 1, 1, 3)."""
        values = [NEAR_LIGHT[scene.light] for scene in self.scenes]
        return torch.tensor(values, device=self.device).view(-1, 1, 1, 1, 3)

    def light(self, name: str) -> Tensor:
        """Return a value of every scene's light: (clips, 1, 1, 1), colours (clips, 1, 1, 1, 3)."""
        values = [getattr(LIGHTS[scene.light], name) for scene in self.scenes]
        found = torch.tensor(values, device=self.device)
        return found.view(-1, 1, 1, 1, *found.shape[1:])
