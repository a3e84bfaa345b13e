"""The view: rays from a moving camera to land and sky."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from beecam.models.pollen.land import FINE, Land, make_land, sample
from beecam.models.pollen.stage import PLACES, Stage

STEPS = 40
NEAR, FAR = 0.6, 80.0
FIELD = 1.25  # width of the picture at distance 1


@dataclass
class _Rays:
    x: Tensor  # the camera's place, clips x frames x 1 x 1
    y: Tensor
    z: Tensor
    dx: Tensor  # directions, clips x frames x size x size; 1 forwards
    dy: Tensor
    dz: Tensor


def _rays(stage: Stage, land: Land) -> _Rays:
    t, n = stage.t, stage.number
    own = stage.flag("accident", "own view")
    camera = {name: stage.flag("camera", name) * (1 - own) for name in
              ("drone", "pan left", "pan right", "rising", "static")}  # fmt: skip
    phase = n("phase")
    speed = (13 * camera["drone"] + 15 * own) * n("speed")
    yaw = 1.25 * (camera["pan right"] - camera["pan left"]) * (t - 0.5) * n("speed")
    yaw = yaw + own * 0.3 * torch.sin(8 * t + phase)
    roll = own * 0.3 * torch.cos(8 * t + phase) + 0 * t
    pitch = -0.2 + n("pitch") - 0.16 * camera["drone"] - own * 0.02 - 0.42 * t * camera["rising"]
    pitch = pitch + own * 0.1 * torch.sin(11 * t)
    rise = 8.5 * t * camera["rising"] * n("speed") + own * 0.35 * torch.sin(13 * t + phase)
    heading = n("yaw") + yaw
    step = speed / t.shape[1]
    x = n("x") + torch.cumsum(torch.cos(heading) * step, 1)
    y = n("y") + torch.cumsum(torch.sin(heading) * step, 1)
    ground = sample(land.height, x, y)[:, 0].amax(1, keepdim=True).clamp(min=0)
    altitude = (2.6 + 1.8 * camera["drone"] + 1.5 * stage.flag("place", "mountains")) * n(
        "altitude"
    )
    z = ground + altitude * (1 - 0.55 * own) + rise
    u, v = stage.x * FIELD, stage.y * FIELD
    u, v = torch.cos(roll) * u - torch.sin(roll) * v, torch.sin(roll) * u + torch.cos(roll) * v
    forward = torch.cos(pitch) - v * torch.sin(pitch)
    up = torch.sin(pitch) + v * torch.cos(pitch)
    dx = forward * torch.cos(heading) + u * torch.sin(heading)
    dy = forward * torch.sin(heading) - u * torch.cos(heading)
    return _Rays(x, y, z, dx, dy, up.expand_as(dx))


def _march(land: Land, rays: _Rays, pixel: float) -> tuple[Tensor, Tensor]:
    """Return how far each ray goes to the ground, and how much of its pixel is ground.

    Of the rays that meet none, those that pass less than a pixel above it are part ground: edges
    against the sky are smooth without more rays.
    """
    ratio = (FAR / NEAR) ** (1 / STEPS)
    far = torch.full_like(rays.dx, FAR)
    before = torch.zeros_like(rays.dx)
    above = torch.ones_like(rays.dx)
    going = torch.ones_like(rays.dx, dtype=torch.bool)
    least = torch.full_like(rays.dx, FAR)
    closest = torch.full_like(rays.dx, FAR)
    for i in range(STEPS + 1):
        k = NEAR * ratio**i
        gap = (
            rays.z
            + rays.dz * k
            - sample(land.height, rays.x + rays.dx * k, rays.y + rays.dy * k)[:, 0]
        )
        hit = going & (gap < 0)
        # Between the last two steps the gap is about linear.
        meet = before + (k - before) * above / (above - gap).clamp(min=1e-4)
        far = torch.where(hit, meet, far)
        going &= ~hit
        pass_by = gap / k
        closest = torch.where(pass_by < least, k, closest)
        least = torch.minimum(least, pass_by)
        above = gap.clamp(min=1e-4)
        before = torch.full_like(before, k)
    part = (1 - least / pixel).clamp(0, 1)
    return torch.where(going, closest, far), torch.where(going, part, torch.ones_like(part))


def background(stage: Stage) -> Tensor:
    """Render land and sky: clips x frames x height x width x 3, RGB in 0 to 1."""
    land = make_land(stage)
    rays = _rays(stage, land)
    far, part = _march(land, rays, FIELD / stage.size)
    sky = _sky(stage, land, rays)
    ground = _ground(stage, land, rays, far)
    places = [PLACES[scene.place] for scene in stage.scenes]
    reach = torch.tensor([p.fog for p in places], device=stage.device).view(-1, 1, 1, 1)
    clear = torch.exp(-((far / (reach * stage.light("haze"))) ** 1.5))
    horizon = stage.light("horizon")
    ground = horizon + (ground - horizon) * clear[..., None]
    return sky + part[..., None] * (ground - sky)


def _ground(stage: Stage, land: Land, rays: _Rays, far: Tensor) -> Tensor:
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    colour = sample(land.colour, x, y)
    # A texture cell is smaller than a pixel from here on: a coarser one keeps it from sparkling.
    for scale, start in ((4, 5.0), (16, 16.0)):
        share = ((far - start) / start).clamp(0, 1)[:, None]
        coarse = F.avg_pool2d(land.colour, scale)
        # The middle of a coarse cell lies half its width on.
        shift = (scale - 1) / 2 / FINE
        colour = colour + share * (sample(coarse, x - shift, y - shift) - colour)
    ground = colour.permute(0, 2, 3, 4, 1)
    return _waves(stage, rays, far, ground)


def _waves(stage: Stage, rays: _Rays, far: Tensor, ground: Tensor) -> Tensor:
    """Let the ocean move and glint towards the sun."""
    sea = stage.flag("place", "ocean")
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    t = stage.t * 4 + stage.number("phase")
    swell = torch.zeros_like(far)
    for kx, ky, speed, high in ((0.6, 0.5, 1.3, 0.5), (-0.9, 1.3, 1.9, 0.35), (2.3, 0.7, 2.6, 0.25),
                                (-1.9, 2.9, 3.1, 0.2)):  # fmt: skip
        fade = 1 / (1 + (far * (abs(kx) + abs(ky)) / 28) ** 2)
        swell = swell + high * fade * torch.sin(kx * x + ky * y + speed * t)
    shade = (1 + 0.38 * swell)[..., None]
    ahead = torch.atan2(rays.dy, rays.dx) - (stage.number("yaw") + stage.number("sun"))
    ahead = torch.remainder(ahead + math.pi, math.tau) - math.pi
    glint = (swell - 0.42).clamp(min=0) * torch.exp(-((ahead / 0.25) ** 2)) * 1.6
    glint = (glint + (swell - 0.75).clamp(min=0) * 0.7)[..., None] * stage.light("sun")
    sheen = (1 - torch.exp(-far / 45))[..., None] * 0.6
    wet = ground * shade + glint
    wet = wet + sheen * (stage.light("horizon") - wet)
    return torch.where(sea[..., None] > 0, wet, ground)


def _sky(stage: Stage, land: Land, rays: _Rays) -> Tensor:
    flat = (rays.dx**2 + rays.dy**2).sqrt()
    height = torch.atan2(rays.dz, flat)
    share = (height.clamp(min=0) / 0.75).clamp(0, 1)[..., None] ** 0.65
    sky = stage.light("horizon") + (stage.light("top") - stage.light("horizon")) * share
    turn = torch.atan2(rays.dy, rays.dx) - (stage.number("yaw") + stage.number("sun"))
    turn = torch.remainder(turn + math.pi, math.tau) - math.pi
    low, high = stage.light("height").unbind(-1)
    away = (turn**2 + (height - low - (high - low) * stage.number("sun_height")) ** 2).sqrt()
    night, late = stage.flag("light", "night"), stage.flag("light", "dawn", "sunset")
    drift = stage.t * 1.5
    k = 7 / height.clamp(min=0.06)
    cloud = sample(land.clouds, drift + rays.dx / flat * k, rays.dy / flat * k)[:, 0]
    cover = ((cloud - 1.2 + 1.1 * stage.number("clouds")) * 0.8).clamp(0, 1) * (
        ((height - 0.05) / 0.15).clamp(0, 1)
    )
    tint = 0.45 * stage.light("horizon") + 0.55 * (
        stage.light("sun") * (1 - 0.8 * night[..., None])
    )
    sky = sky + 0.75 * cover[..., None] * (tint - sky) * (1 - 0.6 * night[..., None])
    sky = sky + (night * _stars(stage, turn, height) * (1 - cover))[..., None]
    glow = torch.exp(-away / (0.16 + 0.14 * late)) * (0.12 + 0.55 * late)
    sky = sky + glow[..., None] * (stage.light("sun") - sky)
    disc = (0.5 - (away - 0.075) / 0.02).clamp(0, 1)
    return sky + disc[..., None] * (stage.light("sun") - sky)


def _stars(stage: Stage, turn: Tensor, height: Tensor) -> Tensor:
    """Draw a few bright stars in each scene's sky."""
    out = torch.zeros_like(height)
    count = 26
    places = []
    for scene in stage.scenes:
        g = torch.Generator().manual_seed(scene.seed + 2)
        places.append(torch.rand(count, 3, generator=g))
    stars = torch.stack(places).to(stage.device)
    for i in range(count):
        a, h, bright = (stars[:, i, j].view(-1, 1, 1, 1) for j in range(3))
        away = ((turn - (a - 0.5) * 2.8) ** 2 + (height - 0.06 - h * 0.7) ** 2).sqrt()
        out = out + (0.5 - (away - 0.013) / 0.016).clamp(0, 1) * (0.45 + 0.55 * bright)
    return out
