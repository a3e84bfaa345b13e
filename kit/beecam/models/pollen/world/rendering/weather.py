"""Rain and snow before the lens: layers of drops that fall, each seen through a moving window."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from beecam.models.pollen.world.rendering.stage import Stage

# (share of cells with a drop, width and length of a drop in 1/96 of the frame, cells a clip it
# falls, opacity). Large, soft drops: what is finer no small autoencoder keeps.
# They leave enough of the land to be seen that place and camera can be told.
_RAIN = ((0.0028, 2.2, 26, 300.0, 0.32), (0.005, 1.6, 16, 200.0, 0.24))
_SNOW = ((0.0007, 6.5, 6.5, 60.0, 0.75), (0.0019, 4.0, 4.0, 40.0, 0.7))
# On white paper what falls is drawn in grey, on neon it shines.
_TINTS = {"pencil": (0.5, 0.52, 0.56), "neon": (0.45, 0.95, 1.0)}


def fall(stage: Stage, image: Tensor, styles: Collection[str]) -> Tensor:
    """Let rain and snow fall over the frames of clips in some styles.

    Args:
        stage: All clips.
        image: clips x frames x height x width x 3, RGB in 0 to 1.
        styles: Only clips in these.
    """
    for name, layers, tint in (("rain", _RAIN, 0.92), ("snow", _SNOW, 1.0)):
        here = [
            i
            for i, scene in enumerate(stage.scenes)
            if scene.weather == name and scene.style in styles
        ]
        if not here:
            continue
        part = Stage([stage.scenes[i] for i in here], stage.size, stage.t.shape[1], stage.device)
        colour = (0.25 + 0.75 * part.near_light()) * tint
        for i, scene in enumerate(part.scenes):
            if scene.style in _TINTS:
                colour[i] = torch.tensor(_TINTS[scene.style], device=stage.device)
            elif scene.style == "black and white":
                colour[i] = colour[i].mean()
        drawn = image[here]
        for i, layer in enumerate(layers):
            cover = _layer(part, i, layer)
            drawn = drawn + cover[..., None] * (colour - drawn)
        image = image.clone()
        image[here] = drawn
    return image


def _layer(stage: Stage, which: int, layer: tuple[float, float, float, float, float]) -> Tensor:
    share, wide, long, way, opacity = layer
    n = stage.size
    unit = n / 96
    lots = torch.stack(
        [
            torch.rand(1, n, n, generator=torch.Generator().manual_seed(scene.seed + 5 + which))
            for scene in stage.scenes
        ]
    ).to(stage.device)
    drops = (lots < share / unit**2).float()
    for sigma, axis in ((wide * unit / 2.2, 3), (long * unit / 2.2, 2)):
        drops = _blur(drops, sigma, axis)
    drops = drops / drops.flatten(1).amax(1).view(-1, 1, 1, 1).clamp(min=1e-6)
    frames = []
    for t in stage.t.flatten().tolist():
        # Each scene's drops fall at its own speed; to the side a little, as the wind is.
        moved = []
        for scene, one in zip(stage.scenes, drops, strict=True):
            fast = {"slow": 0.75, "normal": 1.0, "fast": 1.3}[scene.speed]
            down = round(t * way * fast * unit)
            side = round(t * way * 0.12 * scene.numbers["drift"] * unit)
            moved.append(one.roll((down, side), (1, 2)))
        frames.append(torch.stack(moved)[:, 0])
    return torch.stack(frames, 1).mul(1.6).clamp(0, 1) * opacity


def _blur(maps: Tensor, sigma: float, axis: int) -> Tensor:
    reach = max(1, int(2.5 * sigma))
    place = torch.arange(-reach, reach + 1, device=maps.device).float()
    kernel = torch.exp(-0.5 * (place / max(sigma, 0.3)) ** 2)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    pad = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)  # noqa: PLR2004
    return F.conv2d(F.pad(maps, pad, mode="circular"), kernel.view(shape))
