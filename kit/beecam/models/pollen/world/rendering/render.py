"""The world that pollen is trained on: flights over landscapes, rendered in torch.

Height fields are met by rays that walk outwards in growing steps (as in the voxel flights of
early landscape games), all pixels, frames and clips at once, on any device. What is by lot comes
from each clip's own generator on the CPU, so that a clip is the same in every batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from beecam.models.pollen.world.rendering import plants, sprites, styles, weather
from beecam.models.pollen.world.rendering.land import make_land
from beecam.models.pollen.world.rendering.stage import Stage
from beecam.models.pollen.world.rendering.view import background, make_rays
from beecam.models.pollen.world.scene import STYLES, Scene

_RASTERED = {"pixel art"}


def render(
    scenes: Sequence[Scene], size: int = 96, frames: int = 17, device: str | torch.device = "cpu"
) -> Tensor:
    """Render scenes as clips.

    Args:
        scenes: What to render, in one batch.
        size: Width and height in pixels.
        frames: Frames a clip; a clip takes the same time whatever their number.
        device: Where to.

    Returns:
        clips x frames x height x width x 3, RGB, uint8.
    """
    with torch.no_grad():
        stage = Stage(scenes, size, frames, torch.device(device))
        land = make_land(stage)
        rays = make_rays(stage, land)
        image = plants.paint(stage, land, rays, background(stage, land, rays))
        image = _passing(stage, image, ("balloon", "bird"))
        image = _passing(stage, _foreground(stage, image), ("own view", "petal", "light leak"))
        # A raster hides what falls over it; lines drawn round each drop hide all else.
        image = styles.restyle(stage, weather.fall(stage, image, _RASTERED))
        image = _turned(stage, weather.fall(stage, image, set(STYLES) - _RASTERED))
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)


def _foreground(stage: Stage, image: Tensor) -> Tensor:
    """Draw the insect of each clip that has one, and many where there is a swarm."""
    out = list(image.unbind(0))
    for kind in sprites.DRAW:
        here = [
            i for i, s in enumerate(stage.scenes) if s.insect == kind and s.accident != "own view"
        ]
        if here:
            drawn = _insects(stage, kind, here, torch.stack([out[i] for i in here]))
            for i, one in zip(here, drawn, strict=True):
                out[i] = one
    return torch.stack(out)


def _insects(stage: Stage, kind: str, here: list[int], image: Tensor) -> Tensor:
    part = Stage([stage.scenes[i] for i in here], stage.size, stage.t.shape[1], stage.device)
    n, t = part.number, part.t
    canvas = sprites.Canvas(image, part.x, part.y, 1.4 / stage.size, part.near_light())
    beats = sprites.BEATS[kind] * (0.6 + 0.4 * part.pace())
    spread = 0.5 + 0.5 * torch.sin(beats * n("beat") * t + n("phase2"))
    t = t * (0.5 + 0.5 * part.pace())
    giant, swarm = part.flag("accident", "giant"), part.flag("accident", "swarm")
    size = sprites.SIZES[kind] * n("size") * (1 + giant) * (1 - 0.45 * swarm)
    soft = canvas.soft
    for i in range(7 if bool(swarm.any()) else 1):
        shift = n("phase") + 1.9 * i
        dx, dy = sprites.hover(t, shift, n("drift"))
        path = (
            n("left") + dx + (0.33 * math.cos(2.4 * i) if i else 0.0),
            n("top") + dy + (0.33 * math.sin(2.4 * i) if i else 0.0),
        )
        tilt = n("tilt") + 0.12 * torch.sin(6 * t + shift)
        x, y = sprites.place(part.x, part.y, path, size, tilt)
        before = canvas.image
        canvas.soft = soft / size
        sprites.DRAW[kind](canvas, x, y, spread)
        if i:
            canvas.image = torch.where(swarm[..., None] > 0, canvas.image, before)
    return canvas.image


def _passing(stage: Stage, image: Tensor, names: Sequence[str]) -> Tensor:
    """Draw accidents that are things before the lens."""
    canvas = sprites.Canvas(image, stage.x, stage.y, 1.4 / stage.size, stage.near_light())
    t, drift = stage.t, stage.number("drift").sign()
    for name in names:
        flag = stage.flag("accident", name)
        if not bool(flag.any()):
            continue
        before = canvas.image
        if name == "own view":
            sway = torch.sin(9 * t + stage.number("phase"))
            sprites.antennae(canvas, stage.x, stage.y, sway)
        else:
            draw = {
                "petal": sprites.petal,
                "balloon": sprites.balloon,
                "bird": sprites.bird,
                "light leak": sprites.leak,
            }[name]
            draw(canvas, stage.x, stage.y, t, drift)
        canvas.image = torch.where(flag[..., None] > 0, canvas.image, before)
    return canvas.image


def _turned(stage: Stage, image: Tensor) -> Tensor:
    """Turn frames upside down, or mirror their left half, where that is the accident."""
    image = torch.where(stage.flag("accident", "upside down")[..., None] > 0, image.flip(2), image)
    half = image[..., : stage.size // 2, :]
    mirrored = torch.cat([half, half.flip(3)], 3)
    return torch.where(stage.flag("accident", "mirror")[..., None] > 0, mirrored, image)
