"""Render scenes as clips: flights over landscapes, in torch.

Rays march through height fields in growing steps (as in the voxel flights of early landscape
games), for all pixels, frames and clips at once, on any device. Random numbers come from each
clip's own CPU generator, so that a clip is the same in every batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from beecam.models.pollen.world.rendering import insects, plants, styles, weather
from beecam.models.pollen.world.rendering.background import background
from beecam.models.pollen.world.rendering.camera import make_rays
from beecam.models.pollen.world.rendering.land import make_land
from beecam.models.pollen.world.rendering.stage import Stage
from beecam.models.pollen.world.scene import FRAMES, SIZE, STYLES, Scene

# Small arrays are reused by the allocator; the kernel clears large ones each time.
_BATCH, _GPU_BATCH = 2, 125
_PIXELATED = {"pixel art"}


def render(
    scenes: Sequence[Scene],
    size: int = SIZE,
    frames: int = FRAMES,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Render scenes as clips, in one batch.

    >>> from beecam.models.pollen.world.scene import draw_scene
    >>> render([draw_scene(3)], frames=2).shape
    torch.Size([1, 2, 96, 96, 3])

    Args:
        scenes: The scenes.
        size: Width and height in pixels.
        frames: Frames per clip; the duration of a clip is the same whatever their number.
        device: Device to render on.

    Returns:
        (clips, frames, height, width, 3), RGB, uint8.
    """
    with torch.no_grad():
        stage = Stage(scenes, size, frames, torch.device(device))
        land = make_land(stage)
        rays = make_rays(stage, land)
        image = plants.paint(stage, land, rays, background(stage, land, rays))
        image = _draw_accidents(stage, image, ("balloon", "bird"))
        image = _draw_insects(stage, image)
        image = _draw_accidents(stage, image, ("own view", "petal", "light leak"))
        # Pixel art would hide what falls over it; outlines round each drop would hide all else.
        image = styles.restyle(stage, weather.fall(stage, image, _PIXELATED))
        image = _flip(stage, weather.fall(stage, image, set(STYLES) - _PIXELATED))
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)


def render_all(
    scenes: Sequence[Scene],
    *,
    device: str | torch.device = "cpu",
    frames: int = FRAMES,
    size: int = SIZE,
) -> Tensor:
    """Render scenes in small batches: (clips, frames, height, width, 3), uint8, on the CPU."""
    batch = _BATCH if torch.device(device).type == "cpu" else _GPU_BATCH
    return torch.cat(
        [
            render(scenes[i : i + batch], size, frames, device).cpu()
            for i in range(0, len(scenes), batch)
        ]
    )


def _draw_insects(stage: Stage, image: Tensor) -> Tensor:
    """Draw the insect of each clip that has one, and several where there is a swarm."""
    out = list(image.unbind(0))
    for kind in insects.DRAW:
        indices = [
            i for i, s in enumerate(stage.scenes) if s.insect == kind and s.accident != "own view"
        ]
        if indices:
            drawn = _draw_insect(stage, kind, indices, torch.stack([out[i] for i in indices]))
            for i, one in zip(indices, drawn, strict=True):
                out[i] = one
    return torch.stack(out)


def _draw_insect(stage: Stage, kind: str, indices: list[int], image: Tensor) -> Tensor:
    part = Stage([stage.scenes[i] for i in indices], stage.size, stage.t.shape[1], stage.device)
    n, t = part.number, part.t
    canvas = insects.Canvas(image, part.x, part.y, 1.4 / stage.size, part.near_light())
    beats = insects.BEATS[kind] * (0.6 + 0.4 * part.pace())
    spread = 0.5 + 0.5 * torch.sin(beats * n("beat") * t + n("phase2"))
    t = t * (0.5 + 0.5 * part.pace())
    giant, swarm = part.flag("accident", "giant"), part.flag("accident", "swarm")
    size = insects.SIZES[kind] * n("size") * (1 + giant) * (1 - 0.45 * swarm)
    soft = canvas.soft
    for i in range(7 if bool(swarm.any()) else 1):
        shift = n("phase") + 1.9 * i
        dx, dy = insects.hover(t, shift, n("drift"))
        path = (
            n("left") + dx + (0.33 * math.cos(2.4 * i) if i else 0.0),
            n("top") + dy + (0.33 * math.sin(2.4 * i) if i else 0.0),
        )
        tilt = n("tilt") + 0.12 * torch.sin(6 * t + shift)
        x, y = insects.insect_coordinates(part.x, part.y, path, size, tilt)
        before = canvas.image
        canvas.soft = soft / size
        insects.DRAW[kind](canvas, x, y, spread)
        if i:
            canvas.image = torch.where(swarm[..., None] > 0, canvas.image, before)
    return canvas.image


def _draw_accidents(stage: Stage, image: Tensor, names: Sequence[str]) -> Tensor:
    """Draw accidents that are things before the camera."""
    canvas = insects.Canvas(image, stage.x, stage.y, 1.4 / stage.size, stage.near_light())
    t, drift = stage.t, stage.number("drift").sign()
    for name in names:
        flag = stage.flag("accident", name)
        if not bool(flag.any()):
            continue
        before = canvas.image
        if name == "own view":
            sway = torch.sin(9 * t + stage.number("phase"))
            insects.antennae(canvas, stage.x, stage.y, sway)
        else:
            draw = {
                "petal": insects.petal,
                "balloon": insects.balloon,
                "bird": insects.bird,
                "light leak": insects.light_leak,
            }[name]
            draw(canvas, stage.x, stage.y, t, drift)
        canvas.image = torch.where(flag[..., None] > 0, canvas.image, before)
    return canvas.image


def _flip(stage: Stage, image: Tensor) -> Tensor:
    """Turn clips upside down, or mirror their left half, where that is the accident."""
    image = torch.where(stage.flag("accident", "upside down")[..., None] > 0, image.flip(2), image)
    half = image[..., : stage.size // 2, :]
    mirrored = torch.cat([half, half.flip(3)], 3)
    return torch.where(stage.flag("accident", "mirror")[..., None] > 0, mirrored, image)
