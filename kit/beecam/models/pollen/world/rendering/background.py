"""Land and sky: where each ray ends, and the colour there."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.world.rendering.camera import FIELD, STEEP, Rays
from beecam.models.pollen.world.rendering.land import FINE, Land, sample
from beecam.models.pollen.world.rendering.stage import PLACES, Stage

_STEPS = 40
_NEAR, _FAR = 0.6, 80.0
_MIN_SIGHT, _MIN_SIGHT_STEEP = 14.0, 5.0  # the second is added to the first
_PANE_HEIGHT = 0.25  # windows begin above the street
_SHORE = 0.06


def _march(land: Land, rays: Rays, pixel: float) -> tuple[Tensor, Tensor]:
    """Return the distance at which each ray meets the ground, and the ground's share of its pixel.

    A ray that misses by less than a pixel is partly ground, which smooths edges against the sky
    without more rays. The step length grows with distance.
    """
    ratio = (_FAR / _NEAR) ** (1 / _STEPS)
    far = torch.full_like(rays.dx, _FAR)
    before = torch.zeros_like(rays.dx)
    above = torch.ones_like(rays.dx)
    going = torch.ones_like(rays.dx, dtype=torch.bool)
    least = torch.full_like(rays.dx, _FAR)
    closest = torch.full_like(rays.dx, _FAR)
    for i in range(_STEPS + 1):
        k = _NEAR * ratio**i
        gap = (
            rays.z
            + rays.dz * k
            - sample(land.height, rays.x + rays.dx * k, rays.y + rays.dy * k)[:, 0]
        )
        hit = going & (gap < 0)
        # Interpolate linearly between the last two steps.
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


def background(stage: Stage, land: Land, rays: Rays) -> Tensor:
    """Render land and sky: (clips, frames, height, width, 3), RGB in 0 to 1."""
    far, share = _march(land, rays, FIELD / stage.size)
    sky = _sky(stage, land, rays)
    ground = _ground(stage, land, rays, far)
    haze = stage.haze()
    ground = haze + (ground - haze) * visibility(stage, far)[..., None]
    return sky + share[..., None] * (ground - sky)


def visibility(stage: Stage, far: Tensor) -> Tensor:
    """Return the share of light that passes through the air over a distance, 0 to 1."""
    places = [PLACES[scene.place] for scene in stage.scenes]
    reach = torch.tensor([p.fog for p in places], device=stage.device).view(-1, 1, 1, 1)
    reach = reach * stage.light("haze") * stage.weather("sight")
    # Near things are visible in any fog: they show the place and the camera move.
    steep = stage.flag("place", *STEEP)
    reach = torch.maximum(reach, _MIN_SIGHT + _MIN_SIGHT_STEEP * steep)
    return torch.exp(-((far / reach) ** 1.5))


def _ground(stage: Stage, land: Land, rays: Rays, far: Tensor) -> Tensor:
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    colour = sample(land.colour, x, y)
    # Beyond these distances a texture cell is smaller than a pixel: coarser maps avoid aliasing.
    for scale, start in ((4, 5.0), (16, 16.0)):
        share = ((far - start) / start).clamp(0, 1)[:, None]
        coarse = F.avg_pool2d(land.colour, scale)
        # The centre of a coarse cell is shifted by half its width.
        shift = (scale - 1) / 2 / FINE
        colour = colour + share * (sample(coarse, x - shift, y - shift) - colour)
    ground = colour.permute(0, 2, 3, 4, 1)
    glow = sample(land.glow, x, y)[:, 0]
    ground = _layers(stage, rays, far, ground, glow)
    if bool(stage.flag("place", "volcano").any()):
        shine = (glow * stage.flag("place", "volcano"))[..., None]
        beat = 0.85 + 0.15 * torch.sin(9 * stage.t + 0.5 * x + stage.number("phase"))[..., None]
        lava = torch.tensor((1.0, 0.42, 0.08), device=stage.device)
        ground = ground + (shine * beat).clamp(0, 1) * (lava - ground)
    return _waves(stage, rays, far, ground)


def _layers(stage: Stage, rays: Rays, far: Tensor, ground: Tensor, walls: Tensor) -> Tensor:
    """Paint what depends on height: layers of rock, and windows that are lit at night."""
    canyon, city = stage.flag("place", "canyon"), stage.flag("place", "city")
    z = rays.z + rays.dz * far
    band = 0.5 + 0.5 * torch.sin(4.2 * z)
    fade = 1 / (1 + (far / 30) ** 2)
    ground = ground * (1 + canyon * fade * (0.8 * band - 0.45))[..., None]
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    # Soft borders: from far away a window is smaller than a pixel.
    storey = torch.sigmoid(6 * torch.sin(7.0 * z)) * torch.sigmoid(6 * torch.sin(6.3 * (x + y)))
    pane = (2 * storey * walls).clamp(0, 1) * (z > _PANE_HEIGHT) * city * fade
    dark = stage.flag("light", "night") + 0.6 * stage.flag("light", "sunset")
    warm = torch.tensor((1.0, 0.84, 0.42), device=stage.device)
    glass = torch.tensor((0.22, 0.28, 0.36), device=stage.device) * stage.light("white")
    window = glass + dark[..., None].clamp(0, 1) * (warm - glass)
    return ground + 0.75 * pane[..., None] * (window - ground)


def _waves(stage: Stage, rays: Rays, far: Tensor, ground: Tensor) -> Tensor:
    """Paint water: moving waves that glint towards the sun."""
    sea = stage.flag("place", "ocean") + stage.flag("place", "islands") * (
        rays.z + rays.dz * far < _SHORE
    )
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    t = stage.t * 4 * stage.pace() + stage.number("phase")
    swell = torch.zeros_like(far)
    for kx, ky, speed, high in (
        (0.6, 0.5, 1.3, 0.5),
        (-0.9, 1.3, 1.9, 0.35),
        (2.3, 0.7, 2.6, 0.25),
        (-1.9, 2.9, 3.1, 0.2),
    ):
        fade = 1 / (1 + (far * (abs(kx) + abs(ky)) / 28) ** 2)
        swell = swell + high * fade * torch.sin(kx * x + ky * y + speed * t)
    shade = (1 + 0.38 * swell)[..., None]
    ahead = torch.atan2(rays.dy, rays.dx) - (stage.number("yaw") + stage.number("sun"))
    ahead = torch.remainder(ahead + math.pi, math.tau) - math.pi
    glint = (swell - 0.42).clamp(min=0) * torch.exp(-((ahead / 0.25) ** 2)) * 1.6
    glint = (glint + (swell - 0.75).clamp(min=0) * 0.7)[..., None] * stage.light("sun")
    sheen = (1 - torch.exp(-far / 45))[..., None] * 0.6
    wet = ground * shade + glint
    wet = wet + sheen * (stage.haze() - wet)
    return torch.where(sea[..., None] > 0, wet, ground)


def _sky(stage: Stage, land: Land, rays: Rays) -> Tensor:
    flat = (rays.dx**2 + rays.dy**2).sqrt()
    height = torch.atan2(rays.dz, flat)
    share = (height.clamp(min=0) / 0.75).clamp(0, 1)[..., None] ** 0.65
    sky = stage.light("horizon") + (stage.light("top") - stage.light("horizon")) * share
    turn = torch.atan2(rays.dy, rays.dx) - (stage.number("yaw") + stage.number("sun"))
    turn = torch.remainder(turn + math.pi, math.tau) - math.pi
    low, high = stage.light("height").unbind(-1)
    away = (turn**2 + (height - low - (high - low) * stage.number("sun_height")) ** 2).sqrt()
    night, late = stage.flag("light", "night"), stage.flag("light", "dawn", "sunset")
    drift = stage.t * 1.5 * stage.pace()
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
    sky = _sun(stage, sky, away, late)
    second = stage.flag("accident", "two suns")
    if bool(second.any()):
        # On the other side of the view from the first, and above what is at the horizon.
        beside = -stage.number("sun").sign() * 0.42
        apart = (torch.remainder(turn - beside + math.pi, math.tau) - math.pi) ** 2
        over = (low + (high - low) * 0.15).clamp(min=0.12)
        away = (apart + (height - over) ** 2).sqrt()
        sky = torch.where(second[..., None] > 0, _sun(stage, sky, away, late), sky)
    # A covered sky keeps a little of the light's colours, which show the time of day.
    haze = stage.haze()
    cloud = haze + 0.35 * (stage.light("top").mean(-1, keepdim=True) - haze) * share
    sky = sky + stage.weather("cover")[..., None] * (cloud - sky)
    return _rainbow(stage, sky, turn, height)


def _sun(stage: Stage, sky: Tensor, away: Tensor, late: Tensor) -> Tensor:
    """Draw the sun or moon with its glow."""
    glow = torch.exp(-away / (0.16 + 0.14 * late)) * (0.12 + 0.55 * late)
    sky = sky + glow[..., None] * (stage.light("sun") - sky)
    disc = (0.5 - (away - 0.085) / 0.025).clamp(0, 1)
    return sky + disc[..., None] * (stage.light("sun") - sky)


def _rainbow(stage: Stage, sky: Tensor, turn: Tensor, height: Tensor) -> Tensor:
    here = stage.flag("accident", "rainbow")
    if not bool(here.any()):
        return sky
    away = ((turn - 0.25 * stage.number("side")) ** 2 + (height + 0.12) ** 2).sqrt()
    across = (away - 0.38) / 0.14
    bands = [torch.exp(-(((across - at) / 0.28) ** 2)) for at in (0.85, 0.5, 0.15)]
    arc = torch.stack(bands, -1)
    share = (0.5 - ((across - 0.5).abs() - 0.5) / 0.2).clamp(0, 1) * here * 0.6
    return sky + share[..., None] * (0.25 + 0.85 * arc - sky)


def _stars(stage: Stage, turn: Tensor, height: Tensor) -> Tensor:
    """Return the brightness of a few stars in each scene's sky."""
    out = torch.zeros_like(height)
    count = 26
    positions = []
    for scene in stage.scenes:
        g = torch.Generator().manual_seed(scene.seed + 2)
        positions.append(torch.rand(count, 3, generator=g))
    stars = torch.stack(positions).to(stage.device)
    for i in range(count):
        a, h, bright = (stars[:, i, j].view(-1, 1, 1, 1) for j in range(3))
        away = ((turn - (a - 0.5) * 2.8) ** 2 + (height - 0.06 - h * 0.7) ** 2).sqrt()
        out = out + (0.5 - (away - 0.013) / 0.016).clamp(0, 1) * (0.45 + 0.55 * bright)
    return out
