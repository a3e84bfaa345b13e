"""Styles: filters on the finished frames of a clip.

Patterns repeat every 24 pixels, so that each latent cell gets the same one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.world.rendering.stage import Stage


def restyle(stage: Stage, image: Tensor) -> Tensor:
    """Return frames (clips, frames, height, width, 3), RGB in 0 to 1, each clip in its style."""
    image = image.clamp(0, 1)
    out = image.clone()
    for name, change in STYLES.items():
        indices = [i for i, scene in enumerate(stage.scenes) if scene.style == name]
        if indices:
            part = image[indices].permute(0, 1, 4, 2, 3)
            out[indices] = change(part).clamp(0, 1).permute(0, 1, 3, 4, 2)
    return out


def _grey(image: Tensor) -> Tensor:
    weights = torch.tensor((0.3, 0.55, 0.15), device=image.device).view(3, 1, 1)
    return (image * weights).sum(-3, keepdim=True)


def _box_blur(image: Tensor, radius: int) -> Tensor:
    flat = image.flatten(0, 1)
    wide = F.avg_pool2d(F.pad(flat, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)
    return wide.view_as(image)


def _edges(image: Tensor) -> Tensor:
    """Return the gradient of brightness, 0 to 1: (clips, frames, 1, height, width)."""
    grey = _box_blur(_grey(image), 1)
    padded = F.pad(grey.flatten(0, 1), (1, 1, 1, 1), mode="replicate").view(
        *grey.shape[:3], grey.shape[3] + 2, grey.shape[4] + 2
    )
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return (across**2 + down**2).sqrt()


def _pattern(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's phase in the pattern, in radians: a period is 24 pixels of 96."""
    size = image.shape[-1]
    axis = torch.arange(size, device=image.device) * (4 * math.tau / size)
    return axis.view(1, -1), axis.view(-1, 1)


def _watercolour(image: Tensor) -> Tensor:
    x, y = _pattern(image)
    paint = _box_blur(image, 1)
    # Few tones with soft borders, darker where one ends, on paper that shines through; as many
    # in the dark as in the light, or night scenes would show nothing.
    tones = paint.clamp(min=0).sqrt() * 7
    level = tones.floor()
    washed = ((level + ((tones - level) * 2.2 - 0.6).clamp(0, 1)) / 7) ** 2
    paint = 0.4 * paint + 0.6 * washed
    paint = 0.18 + 0.84 * paint
    rim = (_edges(image) * 1.2).clamp(0, 0.35)
    blots = 0.03 * torch.sin(x + 2 * torch.sin(y)) * torch.sin(y + 1.5 * torch.sin(x))
    paint = paint * (1 - rim) + blots
    u = torch.linspace(-1, 1, image.shape[-1], device=image.device)
    border = torch.maximum(
        u.view(1, -1).abs() + 0.03 * torch.sin(2 * y), u.view(-1, 1).abs() + 0.03 * torch.sin(2 * x)
    )
    bare = ((border - 0.86) / 0.08).clamp(0, 1)
    paper = torch.tensor((0.98, 0.96, 0.91), device=image.device).view(3, 1, 1)
    return paint + bare * (paper - paint)


def _pixel_art(image: Tensor) -> Tensor:
    size = image.shape[-1]
    block = max(1, size // 24)
    small = F.avg_pool2d(image.flatten(0, 1), block)
    grey = _grey(small)
    vivid = (grey + 1.35 * (small - grey)).clamp(0, 1)
    few = vivid + 0.6 * ((vivid * 4).round() / 4 - vivid)
    big = few.repeat_interleave(block, -1).repeat_interleave(block, -2)
    return big.view_as(image)


def _neon(image: Tensor) -> Tensor:
    grey = _grey(image)
    base = (grey + 1.8 * (image - grey)).clamp(0, 1) * 0.42
    size = image.shape[-2]
    height = torch.linspace(0, 1, size, device=image.device).view(1, -1, 1)
    top = torch.tensor((0.15, 1.0, 1.0), device=image.device).view(3, 1, 1)
    low = torch.tensor((1.0, 0.15, 0.85), device=image.device).view(3, 1, 1)
    glow = top + height * (low - top)
    line = (_edges(image) * 3.2).clamp(0, 1)
    halo = _box_blur(line, 3)
    return base + glow * (0.85 * line + 0.6 * halo)


def _black_and_white(image: Tensor) -> Tensor:
    grey = _grey(image)
    # Without colours only tones tell things apart: clips with few tones get more contrast.
    middle = grey.mean((1, 2, 3, 4), keepdim=True)
    spread = grey.std((1, 2, 3, 4), keepdim=True)
    grey = middle + (0.2 / (spread + 1e-3)).clamp(1.2, 2.6) * (grey - middle)
    u = torch.linspace(-1, 1, image.shape[-1], device=image.device)
    away = (u.view(1, -1) ** 2 + u.view(-1, 1) ** 2) / 2
    frames = image.shape[1]
    beat = torch.sin(torch.arange(frames, device=image.device) * 2.4).view(1, frames, 1, 1, 1)
    return (grey * (1.06 - 0.6 * away) * (1 + 0.05 * beat)).expand_as(image)


def _pencil(image: Tensor) -> Tensor:
    x, y = _pattern(image)
    grey = _grey(image)
    paper = torch.tensor((0.97, 0.96, 0.93), device=image.device).view(3, 1, 1)
    hatch = 0.5 + 0.5 * torch.sin(3 * (x + y))
    more = 0.5 + 0.5 * torch.sin(3 * (x - y))
    dark = 1 - grey
    shade = (0.9 * dark - 0.2).clamp(0, 1) * (0.35 + 0.5 * hatch) + (dark - 0.6).clamp(
        0, 1
    ) * 0.7 * more
    line = (_edges(image) * 2.4).clamp(0, 0.8)
    tint = 1 + 0.9 * (image - grey)
    return paper * tint * (1 - (0.85 * shade).clamp(0, 0.82)) * (1 - line)


STYLES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "watercolour": _watercolour,
    "pixel art": _pixel_art,
    "neon": _neon,
    "black and white": _black_and_white,
    "pencil": _pencil,
}
