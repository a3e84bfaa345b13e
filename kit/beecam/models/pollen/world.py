"""The world that pollen is trained on: flights over landscapes, rendered in torch.

Height fields are met by rays that walk outwards in growing steps (as in the voxel flights of
early landscape games), all pixels, frames and clips at once, on any device. What is by lot comes
from each clip's own generator on the CPU, so that a clip is the same in every batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from beecam.models.pollen import sprites
from beecam.models.pollen.scene import Scene
from beecam.models.pollen.stage import INSECT_LIGHT, Stage
from beecam.models.pollen.view import background

OVERSAMPLE = 2


def render(
    scenes: Sequence[Scene], size: int = 64, frames: int = 17, device: str | torch.device = "cpu"
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
        # The land smooths its own edges; what is drawn before it is smoothed by more pixels.
        far = background(Stage(scenes, size, frames, torch.device(device)))
        far = far.repeat_interleave(OVERSAMPLE, 2).repeat_interleave(OVERSAMPLE, 3)
        stage = Stage(scenes, size * OVERSAMPLE, frames, torch.device(device))
        image = _accidents(stage, _foreground(stage, far))
    flat = image.flatten(0, 1).permute(0, 3, 1, 2)
    small = F.avg_pool2d(flat, OVERSAMPLE).permute(0, 2, 3, 1)
    return (
        small.view(len(scenes), frames, size, size, 3).clamp(0, 1).mul(255).round().to(torch.uint8)
    )


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
    lights = [INSECT_LIGHT[scene.light] for scene in part.scenes]
    light = torch.tensor(lights, device=stage.device).view(-1, 1, 1, 1, 3)
    canvas = sprites.Canvas(image, part.x, part.y, 1.5 / stage.size, light)
    spread = 0.5 + 0.5 * torch.sin(sprites.BEATS[kind] * n("beat") * t + n("phase2"))
    giant, swarm = part.flag("accident", "giant"), part.flag("accident", "swarm")
    size = sprites.SIZES[kind] * n("size") * (1 + giant) * (1 - 0.45 * swarm)
    soft = canvas.soft
    for i in range(7 if bool(swarm.any()) else 1):
        shift = n("phase") + 1.9 * i
        dx, dy = sprites.hover(t, shift, n("drift"))
        path = (n("left") + dx + (0.33 * math.cos(2.4 * i) if i else 0.0),
                n("top") + dy + (0.33 * math.sin(2.4 * i) if i else 0.0))  # fmt: skip
        tilt = n("tilt") + 0.12 * torch.sin(6 * t + shift)
        x, y = sprites.place(part.x, part.y, path, size, tilt)
        before = canvas.image
        canvas.soft = soft / float(size.min())
        sprites.DRAW[kind](canvas, x, y, spread)
        if i:
            canvas.image = torch.where(swarm[..., None] > 0, canvas.image, before)
    return canvas.image


def _accidents(stage: Stage, image: Tensor) -> Tensor:
    white = torch.ones(1, 1, 1, 1, 3, device=stage.device)
    canvas = sprites.Canvas(image, stage.x, stage.y, 1.5 / stage.size, white)
    for name in ("own view", "petal"):
        flag = stage.flag("accident", name)
        if not bool(flag.any()):
            continue
        before = canvas.image
        if name == "own view":
            sprites.antennae(
                canvas, stage.x, stage.y, torch.sin(9 * stage.t + stage.number("phase"))
            )
        else:
            sprites.petal(canvas, stage.x, stage.y, stage.t, stage.number("drift").sign())
        canvas.image = torch.where(flag[..., None] > 0, canvas.image, before)
    image = canvas.image
    image = torch.where(stage.flag("accident", "upside down")[..., None] > 0, image.flip(2), image)
    half = image[..., : stage.size // 2, :]
    mirrored = torch.cat([half, half.flip(3)], 3)
    return torch.where(stage.flag("accident", "mirror")[..., None] > 0, mirrored, image)
