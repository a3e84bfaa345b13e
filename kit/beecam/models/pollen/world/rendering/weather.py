"""Rain and snow: layers of falling drops."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.world.rendering.insects import Colour
from beecam.models.pollen.world.rendering.stage import Stage

_DOWN, _ACROSS = 2, 3  # axes of maps

# (density, width and length of a drop, distance that it falls in a clip, opacity), lengths in 1/96
# of the frame. Drops are large and soft, since a small autoencoder keeps nothing finer, and few
# enough to leave place and camera recognisable.
_RAIN = ((0.0028, 2.2, 26, 300.0, 0.32), (0.005, 1.6, 16, 200.0, 0.24))
_SNOW = ((0.0007, 6.5, 6.5, 60.0, 0.75), (0.0019, 4.0, 4.0, 40.0, 0.7))
# On white paper rain and snow are drawn in grey, on neon they glow.
_TINTS: Mapping[str, Colour] = {"pencil": (0.5, 0.52, 0.56), "neon": (0.45, 0.95, 1.0)}


def fall(stage: Stage, image: Tensor, styles: Collection[str]) -> Tensor:
    """Return frames with rain and snow, in clips of some styles.

    Args:
        stage: All clips.
        image: (clips, frames, height, width, 3), RGB in 0 to 1.
        styles: Only clips in these styles are changed.
    """
    for name, layers, tint in (("rain", _RAIN, 0.92), ("snow", _SNOW, 1.0)):
        indices = [
            i
            for i, scene in enumerate(stage.scenes)
            if scene.weather == name and scene.style in styles
        ]
        if not indices:
            continue
        part = Stage([stage.scenes[i] for i in indices], stage.size, stage.t.shape[1], stage.device)
        colour = (0.25 + 0.75 * part.near_light()) * tint
        for i, scene in enumerate(part.scenes):
            if scene.style in _TINTS:
                colour[i] = torch.tensor(_TINTS[scene.style], device=stage.device)
            elif scene.style == "black and white":
                colour[i] = colour[i].mean()
        drawn = image[indices]
        for i, layer in enumerate(layers):
            cover = _layer(part, i, layer)
            drawn = drawn + cover[..., None] * (colour - drawn)
        image = image.clone()
        image[indices] = drawn
    return image


def _layer(stage: Stage, index: int, layer: tuple[float, float, float, float, float]) -> Tensor:
    """Return the opacity of one layer of drops: (clips, frames, height, width)."""
    share, wide, long, distance, opacity = layer
    n = stage.size
    unit = n / 96
    uniform = torch.stack(
        [
            torch.rand(1, n, n, generator=torch.Generator().manual_seed(scene.seed + 5 + index))
            for scene in stage.scenes
        ]
    ).to(stage.device)
    drops = (uniform < share / unit**2).float()
    for sigma, axis in ((wide * unit / 2.2, _ACROSS), (long * unit / 2.2, _DOWN)):
        drops = _blur(drops, sigma, axis)
    drops = drops / drops.flatten(1).amax(1).view(-1, 1, 1, 1).clamp(min=1e-6)
    frames = []
    for t in stage.t.flatten().tolist():
        # Drops fall at the speed of their scene, and a little to the side with its wind.
        moved = []
        for scene, one in zip(stage.scenes, drops, strict=True):
            fast = {"slow": 0.75, "normal": 1.0, "fast": 1.3}[scene.speed]
            down = round(t * distance * fast * unit)
            side = round(t * distance * 0.12 * scene.numbers["drift"] * unit)
            moved.append(one.roll((down, side), (1, 2)))
        frames.append(torch.stack(moved)[:, 0])
    return torch.stack(frames, 1).mul(1.6).clamp(0, 1) * opacity


def _blur(maps: Tensor, sigma: float, axis: int) -> Tensor:
    """Return periodic maps blurred by a Gaussian along one axis."""
    reach = max(1, int(2.5 * sigma))
    offset = torch.arange(-reach, reach + 1, device=maps.device).float()
    kernel = torch.exp(-0.5 * (offset / max(sigma, 0.3)) ** 2)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    pad = (reach, reach, 0, 0) if axis == _ACROSS else (0, 0, reach, reach)
    return F.conv2d(F.pad(maps, pad, mode="circular"), kernel.view(shape))
