"""The view: rays from a moving camera to land and sky."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from beecam.models.pollen.world.rendering.land import FINE, Land, sample
from beecam.models.pollen.world.rendering.stage import PLACES, Stage
from beecam.models.pollen.world.scene import CAMERAS

STEPS = 40
NEAR, FAR = 0.6, 80.0
_LEAST_SIGHT, _FROM_ABOVE = 14.0, 5.0
_STEEP = ("mountains", "canyon", "volcano")  # where the camera flies higher
FIELD = 1.25  # width of the picture at distance 1


@dataclass
class Rays:
    """The camera: where it is and where each pixel looks."""

    x: Tensor  # the camera's place, clips x frames x 1 x 1
    y: Tensor
    z: Tensor
    heading: Tensor  # radians, clips x frames x 1 x 1; so are pitch and roll
    pitch: Tensor
    roll: Tensor
    dx: Tensor  # directions, clips x frames x size x size; 1 forwards
    dy: Tensor
    dz: Tensor


_ROUND = 8.0  # how far away what the camera circles is


def make_rays(stage: Stage, land: Land) -> Rays:
    """Move the camera of every scene."""
    t, n = stage.t, stage.number
    own = stage.flag("accident", "own view")
    camera = {name: stage.flag("camera", name) * (1 - own) for name in CAMERAS}
    phase, pace = n("phase"), stage.pace()
    go = n("speed") * (0.55 + 0.45 * pace)  # even what is slow must be seen to move
    shake = camera["handheld"]
    yaw = 1.25 * (camera["pan right"] - camera["pan left"]) * (t - 0.5) * go
    yaw = yaw + own * 0.3 * torch.sin(8 * t + phase)
    yaw = yaw + shake * (0.055 * torch.sin(17 * t * pace + phase) + 0.03 * torch.sin(41 * t))
    roll = own * 0.3 * torch.cos(8 * t + phase) + shake * 0.07 * torch.sin(13 * t + phase) + 0 * t
    pitch = -0.2 + n("pitch") - 0.16 * camera["drone"] - own * 0.02 - 0.42 * t * camera["rise"]
    pitch = pitch + own * 0.1 * torch.sin(11 * t) - camera["dive"] * (0.62 - 0.5 * t)
    pitch = pitch + shake * 0.05 * torch.cos(19 * t * pace + phase)
    angle = camera["orbit"] * n("side") * (t - 0.5) * 1.5 * go
    heading = n("yaw") + yaw + angle
    forward = (13 * camera["drone"] + 15 * own + 11 * camera["dive"]) * go
    aside = 8.5 * camera["tracking"] * n("side") * go
    way = heading.expand(-1, t.shape[1], -1, -1)
    # Each frame is a step further than the one before, so that few frames fly as far as many.
    step = torch.full_like(t, 1 / max(1, t.shape[1] - 1))
    step[:, 0] = 0
    x = n("x") + torch.cumsum((torch.cos(way) * forward + torch.sin(way) * aside) * step, 1)
    y = n("y") + torch.cumsum((torch.sin(way) * forward - torch.cos(way) * aside) * step, 1)
    x = x + camera["orbit"] * _ROUND * (torch.cos(n("yaw")) - torch.cos(heading))
    y = y + camera["orbit"] * _ROUND * (torch.sin(n("yaw")) - torch.sin(heading))
    # Above all of the way, so that no land gets between the camera and what it shows.
    ground = sample(land.height, x, y)[:, 0].amax(1, keepdim=True).clamp(min=0)
    steep = stage.flag("place", *_STEEP)
    flying = camera["drone"] + 0.6 * camera["dive"] + 0.6 * camera["orbit"]
    altitude = (2.4 + 2.0 * flying + 1.5 * steep) * n("altitude")
    rise = 8.5 * t * camera["rise"] * go + own * 0.35 * torch.sin(13 * t + phase)
    fall = camera["dive"] * (1 - t) * 6.5 * go
    z = ground + altitude * (1 - 0.55 * own) + rise + fall
    u, v = stage.x * FIELD, stage.y * FIELD
    u, v = torch.cos(roll) * u - torch.sin(roll) * v, torch.sin(roll) * u + torch.cos(roll) * v
    ahead = torch.cos(pitch) - v * torch.sin(pitch)
    up = torch.sin(pitch) + v * torch.cos(pitch)
    dx = ahead * torch.cos(heading) + u * torch.sin(heading)
    dy = ahead * torch.sin(heading) - u * torch.cos(heading)
    return Rays(x, y, z, heading, pitch, roll, dx, dy, up.expand_as(dx))


def _march(land: Land, rays: Rays, pixel: float) -> tuple[Tensor, Tensor]:
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


def background(stage: Stage, land: Land, rays: Rays) -> Tensor:
    """Render land and sky: clips x frames x height x width x 3, RGB in 0 to 1."""
    far, part = _march(land, rays, FIELD / stage.size)
    sky = _sky(stage, land, rays)
    ground = _ground(stage, land, rays, far)
    haze = stage.haze()
    ground = haze + (ground - haze) * seen(stage, far)[..., None]
    return sky + part[..., None] * (ground - sky)


def seen(stage: Stage, far: Tensor) -> Tensor:
    """Return how much of what is so far away the air lets through."""
    places = [PLACES[scene.place] for scene in stage.scenes]
    reach = torch.tensor([p.fog for p in places], device=stage.device).view(-1, 1, 1, 1)
    reach = reach * stage.light("haze") * stage.weather("sight")
    # What stands near is seen in any fog: by it place and camera are told.
    steep = stage.flag("place", *_STEEP)
    reach = torch.maximum(reach, _LEAST_SIGHT + _FROM_ABOVE * steep)
    return torch.exp(-((far / reach) ** 1.5))


def _ground(stage: Stage, land: Land, rays: Rays, far: Tensor) -> Tensor:
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
    glow = sample(land.glow, x, y)[:, 0]
    ground = _layers(stage, rays, far, ground, glow)
    if bool(stage.flag("place", "volcano").any()):
        shine = (glow * stage.flag("place", "volcano"))[..., None]
        beat = 0.85 + 0.15 * torch.sin(9 * stage.t + 0.5 * x + stage.number("phase"))[..., None]
        lava = torch.tensor((1.0, 0.42, 0.08), device=stage.device)
        ground = ground + (shine * beat).clamp(0, 1) * (lava - ground)
    return _waves(stage, rays, far, ground)


def _layers(stage: Stage, rays: Rays, far: Tensor, ground: Tensor, walls: Tensor) -> Tensor:
    """Paint what depends on height: layers of rock, and windows that are lit by night."""
    canyon, city = stage.flag("place", "canyon"), stage.flag("place", "city")
    z = rays.z + rays.dz * far
    band = 0.5 + 0.5 * torch.sin(4.2 * z)
    fade = 1 / (1 + (far / 30) ** 2)
    ground = ground * (1 + canyon * fade * (0.8 * band - 0.45))[..., None]
    x, y = rays.x + rays.dx * far, rays.y + rays.dy * far
    # Soft borders: a window is smaller than a pixel from far away.
    storey = torch.sigmoid(6 * torch.sin(7.0 * z)) * torch.sigmoid(6 * torch.sin(6.3 * (x + y)))
    pane = (2 * storey * walls).clamp(0, 1) * (z > 0.25) * city * fade  # noqa: PLR2004
    dark = stage.flag("light", "night") + 0.6 * stage.flag("light", "sunset")
    warm = torch.tensor((1.0, 0.84, 0.42), device=stage.device)
    glass = torch.tensor((0.22, 0.28, 0.36), device=stage.device) * stage.light("white")
    window = glass + dark[..., None].clamp(0, 1) * (warm - glass)
    return ground + 0.75 * pane[..., None] * (window - ground)


def _waves(stage: Stage, rays: Rays, far: Tensor, ground: Tensor) -> Tensor:
    """Let the ocean move and glint towards the sun."""
    sea = stage.flag("place", "ocean") + stage.flag("place", "islands") * (
        rays.z + rays.dz * far < 0.06  # noqa: PLR2004
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
        # On the other side of the view than the first, and above what stands at the horizon.
        beside = -stage.number("sun").sign() * 0.42
        apart = (torch.remainder(turn - beside + math.pi, math.tau) - math.pi) ** 2
        over = (low + (high - low) * 0.15).clamp(min=0.12)
        away = (apart + (height - over) ** 2).sqrt()
        sky = torch.where(second[..., None] > 0, _sun(stage, sky, away, late), sky)
    # The hidden sky keeps a little of the light's colours, from which the hour can be told.
    haze = stage.haze()
    cloud = haze + 0.35 * (stage.light("top").mean(-1, keepdim=True) - haze) * share
    sky = sky + stage.weather("cover")[..., None] * (cloud - sky)
    return _rainbow(stage, sky, turn, height)


def _sun(stage: Stage, sky: Tensor, away: Tensor, late: Tensor) -> Tensor:
    """Draw sun or moon with its glow."""
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
