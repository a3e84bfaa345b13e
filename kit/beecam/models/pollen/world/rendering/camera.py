"""The camera: its path, and a ray for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from beecam.models.pollen.world.rendering.land import Land, sample
from beecam.models.pollen.world.rendering.stage import Stage
from beecam.models.pollen.world.scene import CAMERAS

STEEP = ("mountains", "canyon", "volcano")  # where the camera flies higher
FIELD = 1.25  # width of the image at distance 1
_ORBIT_RADIUS = 8.0


@dataclass
class Rays:
    """Camera poses, and the ray direction of each pixel."""

    x: Tensor  # camera position, (clips, frames, 1, 1)
    y: Tensor
    z: Tensor
    heading: Tensor  # radians, (clips, frames, 1, 1), as pitch and roll
    pitch: Tensor
    roll: Tensor
    dx: Tensor  # directions, (clips, frames, size, size); length 1 forwards
    dy: Tensor
    dz: Tensor


def make_rays(stage: Stage, land: Land) -> Rays:
    """Return the rays of the moving camera of every scene."""
    t, n = stage.t, stage.number
    own = stage.flag("accident", "own view")
    camera = {name: stage.flag("camera", name) * (1 - own) for name in CAMERAS}
    phase, pace = n("phase"), stage.pace()
    go = n("speed") * (0.55 + 0.45 * pace)  # slow movement must be visible too
    shake = camera["handheld"]
    yaw = 1.25 * (camera["pan left"] - camera["pan right"]) * (t - 0.5) * go
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
    # Integrated frame by frame, so that few frames fly as far as many.
    step = torch.full_like(t, 1 / max(1, t.shape[1] - 1))
    step[:, 0] = 0
    x = n("x") + torch.cumsum((torch.cos(way) * forward + torch.sin(way) * aside) * step, 1)
    y = n("y") + torch.cumsum((torch.sin(way) * forward - torch.cos(way) * aside) * step, 1)
    x = x + camera["orbit"] * _ORBIT_RADIUS * (torch.cos(n("yaw")) - torch.cos(heading))
    y = y + camera["orbit"] * _ORBIT_RADIUS * (torch.sin(n("yaw")) - torch.sin(heading))
    # Above the highest ground along the path, so that no land hides the view.
    ground = sample(land.height, x, y)[:, 0].amax(1, keepdim=True).clamp(min=0)
    steep = stage.flag("place", *STEEP)
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
