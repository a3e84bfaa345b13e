"""Plants, lamps and sails near the camera, which show how it moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from beecam.models.pollen.world.rendering.background import visibility
from beecam.models.pollen.world.rendering.camera import FIELD, Rays
from beecam.models.pollen.world.rendering.insects import Canvas, Colour, ellipse
from beecam.models.pollen.world.rendering.land import Land, sample
from beecam.models.pollen.world.rendering.stage import Stage

_COUNT = 14
_NEAREST = 1.2


@dataclass(frozen=True)
class Plant:
    """The plant of a place: a stem and a head, in units of the land's cells.

    Attributes:
        high: Height of the stem.
        wide: Width of the stem at its foot.
        stem: Colour of the stem.
        head: Half the width and height of the head.
        colours: Colours of the head; each plant has one of them.
        cone: Whether the head is pointed like a fir.
        arms: Whether it has two arms, like a cactus.
    """

    high: float
    wide: float
    stem: Colour
    head: tuple[float, float]
    colours: tuple[Colour, ...]
    cone: bool = False
    arms: bool = False


PLANTS: Mapping[str, Plant] = {
    "meadow": Plant(
        1.5,
        0.05,
        (0.25, 0.5, 0.12),
        (0.28, 0.26),
        ((0.98, 0.3, 0.5), (1.0, 0.9, 0.3), (1.0, 1.0, 1.0)),
    ),
    "desert": Plant(1.2, 0.2, (0.25, 0.45, 0.2), (0.2, 0.5), ((0.3, 0.52, 0.24),), arms=True),
    "ocean": Plant(0.3, 0.3, (0.4, 0.2, 0.12), (0.36, 0.6), ((0.97, 0.96, 0.9),), cone=True),
    "mountains": Plant(0.8, 0.1, (0.25, 0.18, 0.12), (0.55, 1.1), ((0.1, 0.26, 0.2),), cone=True),
    "lavender": Plant(
        1.3, 0.04, (0.35, 0.5, 0.25), (0.17, 0.6), ((0.55, 0.3, 0.8), (0.68, 0.42, 0.92))
    ),
    "forest": Plant(
        2.2, 0.16, (0.22, 0.15, 0.1), (0.8, 0.75), ((0.1, 0.34, 0.1), (0.2, 0.42, 0.1))
    ),
    "city": Plant(2.0, 0.07, (0.16, 0.16, 0.18), (0.22, 0.22), ((1.0, 0.9, 0.55),)),
    "islands": Plant(2.3, 0.12, (0.5, 0.38, 0.22), (0.75, 0.28), ((0.16, 0.5, 0.16),)),
    "canyon": Plant(1.6, 0.6, (0.6, 0.26, 0.14), (0.5, 0.22), ((0.78, 0.42, 0.24),)),
    "volcano": Plant(0.1, 0.2, (0.12, 0.1, 0.1), (0.35, 0.3), ((0.16, 0.14, 0.15),), cone=True),
}


class _View(NamedTuple):
    stage: Stage
    land: Land
    rays: Rays


def paint(stage: Stage, land: Land, rays: Rays, image: Tensor) -> Tensor:
    """Return frames (clips, frames, height, width, 3) with the plants near the camera."""
    plants = [PLANTS[scene.place] for scene in stage.scenes]
    drawn = torch.stack(
        [
            torch.rand(_COUNT, 5, generator=torch.Generator().manual_seed(scene.seed + 3))
            for scene in stage.scenes
        ]
    ).to(stage.device)
    canvas = Canvas(image, stage.x, stage.y, 1.4 / stage.size, stage.near_light())
    # The farthest first, so that the nearer covers it.
    order = drawn[..., 0].argsort(1, descending=True)
    drawn = drawn.gather(1, order[..., None].expand(-1, -1, 5))
    for i in range(_COUNT):
        _paint_one(canvas, _View(stage, land, rays), plants, drawn[:, i])
    return canvas.image


def _paint_one(canvas: Canvas, view: _View, plants: list[Plant], drawn: Tensor) -> None:
    """Paint one plant of every clip; `drawn` are its random numbers, (clips, 5)."""
    stage, land, rays = view

    def per_clip(values: list[float]) -> Tensor:
        return torch.tensor(values, device=stage.device).view(-1, 1, 1, 1)

    def number(i: int) -> Tensor:
        return drawn[:, i].view(-1, 1, 1, 1)

    # A few are far ahead, for a camera that flies there.
    far = 3.0 + 6 * number(0) + 16 * (number(0) - 0.6).clamp(min=0)
    aside = (number(1) - 0.5) * 2.4 / (1 + 0.06 * far)
    towards = stage.number("yaw") + aside
    x = rays.x[:, :1] + far * torch.cos(towards)
    y = rays.y[:, :1] + far * torch.sin(towards)
    foot = sample(land.height, x, y)[:, 0]
    size = 0.75 + 0.6 * number(2)
    high = per_clip([p.high for p in plants]) * size
    sway = 0.06 * torch.sin(5 * stage.t * stage.pace() + 6 * number(3))
    x0, y0, scale, depth = _project(rays, x, y, foot)
    x1, y1, _, _ = _project(rays, x, y, foot + high)
    x1 = x1 + sway * high * scale
    shown = (depth > _NEAREST) * visibility(stage, depth.clamp(min=0.1))
    wide = per_clip([p.wide for p in plants]) * size * scale
    canvas.paint(
        _stem(canvas, (x0, y0), (x1, y1), wide), _colours([p.stem for p in plants], stage), shown
    )
    a = per_clip([p.head[0] for p in plants]) * size * scale
    b = per_clip([p.head[1] for p in plants]) * size * scale
    cone = per_clip([float(p.cone) for p in plants])
    dx, dy = canvas.x - x1, canvas.y - y1
    round_head = ellipse(dx, dy, a + 1e-4, b + 1e-4)
    pointed = torch.maximum(dx.abs() - a * (0.5 - dy / (2 * b + 1e-4)), dy.abs() - b)
    field = torch.where(cone > 0, pointed, round_head)
    arms = per_clip([float(p.arms) for p in plants])
    if bool(arms.any()):
        low = dy + 0.35 * high * scale
        both = torch.minimum(
            *(ellipse(dx + side * 2.6 * a, low, 0.6 * a + 1e-4, 0.7 * b + 1e-4) for side in (-1, 1))
        )
        field = torch.where(arms > 0, torch.minimum(field, both), field)
    tints = drawn[:, 4].clamp(max=0.999).tolist()
    chosen = [p.colours[int(t * len(p.colours))] for p, t in zip(plants, tints, strict=True)]
    canvas.paint(field, _colours(chosen, stage), shown)


def _project(rays: Rays, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the image position of a point (two tensors), the scale there, and its depth."""
    rx, ry, rz = x - rays.x, y - rays.y, z - rays.z
    ahead = rx * torch.cos(rays.heading) + ry * torch.sin(rays.heading)
    right = rx * torch.sin(rays.heading) - ry * torch.cos(rays.heading)
    depth = ahead * torch.cos(rays.pitch) + rz * torch.sin(rays.pitch)
    up = rz * torch.cos(rays.pitch) - ahead * torch.sin(rays.pitch)
    scale = 1 / (depth.clamp(min=0.3) * FIELD)
    u, v = right * scale, up * scale
    c, s = torch.cos(rays.roll), torch.sin(rays.roll)
    return c * u + s * v, c * v - s * u, scale, depth


def _stem(
    canvas: Canvas, foot: tuple[Tensor, Tensor], top: tuple[Tensor, Tensor], wide: Tensor
) -> Tensor:
    """Return an approximate distance to a line that gets thinner upwards."""
    ex, ey = top[0] - foot[0], top[1] - foot[1]
    dx, dy = canvas.x - foot[0], canvas.y - foot[1]
    along = ((dx * ex + dy * ey) / (ex**2 + ey**2 + 1e-6)).clamp(0, 1)
    away = ((dx - along * ex) ** 2 + (dy - along * ey) ** 2).sqrt()
    field: Tensor = away - wide * (1 - 0.5 * along)
    return field


def _colours(colours: list[Colour], stage: Stage) -> Tensor:
    return torch.tensor(colours, device=stage.device).view(-1, 1, 1, 1, 3)
