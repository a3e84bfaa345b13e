"""The land: height fields that repeat, painted and lit, and clouds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from beecam.models.pollen.world.rendering.stage import PLACES, Stage
from beecam.models.pollen.world.scene import Scene

MAP = 128  # cells a side of the height field, which repeats
FINE = 2  # texture cells for each of them
_STREET, _SHORE = 0.3, 0.02  # up to where houses, and islands, are street and sea


def _lots(scene: Scene) -> list[Tensor]:
    """Draw the random grids of one scene."""
    g = torch.Generator().manual_seed(scene.seed + 1)
    return [
        *(torch.randn(n, n, generator=g) for n in (4, 8, 16, 32, 64)),
        torch.rand(2, MAP * FINE, MAP * FINE, generator=g),
        *(torch.randn(n, n, generator=g) for n in (4, 8, 16, 32)),
    ]


def _grow(grids: Sequence[Tensor], size: int, weights: Sequence[Tensor]) -> Tensor:
    """Add up grids at one size, seamlessly: each is clips x n x n; to clips x size x size."""
    total = torch.zeros(len(grids[0]), size, size, device=grids[0].device)
    for grid, weight in zip(grids, weights, strict=True):
        n = grid.shape[-1]
        ring = F.pad(grid[:, None], (2, 2, 2, 2), mode="circular")
        scale = size // n
        wide = F.interpolate(ring, scale_factor=scale, mode="bicubic", align_corners=False)[:, 0]
        cut = wide[:, 2 * scale : 2 * scale + size, 2 * scale : 2 * scale + size]
        total += weight.view(-1, 1, 1) * cut
    return total


@dataclass
class Land:
    """What rays meet."""

    height: Tensor  # clips x 1 x MAP x MAP
    colour: Tensor  # clips x 3 x fine x fine, lit
    glow: Tensor  # clips x 1 x fine x fine, where lava shines, or a house has walls
    clouds: Tensor  # clips x 1 x MAP x MAP


def make_land(stage: Stage) -> Land:
    """Make the land of every scene from its own lots."""
    device = stage.device
    lots = [torch.stack(each).to(device) for each in zip(*map(_lots, stage.scenes), strict=True)]
    places = [PLACES[scene.place] for scene in stage.scenes]
    rough = torch.tensor([p.rough for p in places], device=device)
    noise = _grow(lots[:5], MAP, [rough**i for i in range(5)])
    noise = noise / noise.flatten(1).std(1).view(-1, 1, 1)
    relief = torch.tensor([p.relief for p in places], device=device).view(-1, 1, 1)
    height = _shape(stage, noise, lots[3]) * relief * stage.number("relief")[:, 0]
    # What lies below the water can't be seen: the sea is the land's floor there.
    sea = stage.flag("place", "islands")[:, 0]
    height = torch.where(sea > 0, height.clamp(min=0), height)
    colour = _colour(stage, noise, height, lots[5])
    veins = (1 - (noise / 0.3).abs()).clamp(min=0) * stage.flag("place", "volcano")[:, 0]
    across = (height.roll(-1, 2) - height.roll(1, 2)).abs()
    along = (height.roll(-1, 1) - height.roll(1, 1)).abs()
    walls = (torch.maximum(across, along) > 0.5) * stage.flag("place", "city")[:, 0]  # noqa: PLR2004
    glow = _wide((veins**0.7 + walls)[:, None], MAP * FINE)
    clouds = _grow(lots[6:], MAP, [torch.full_like(rough, 0.6**i) for i in range(4)])
    clouds = clouds / clouds.flatten(1).std(1).view(-1, 1, 1)
    return Land(height[:, None], colour, glow, clouds[:, None])


def _shape(stage: Stage, noise: Tensor, blocks: Tensor) -> Tensor:
    """Turn noise into each place's own relief."""
    axis = torch.arange(MAP, device=stage.device) * (math.tau / MAP)
    across, along = axis.view(1, 1, -1), axis.view(1, -1, 1)
    dune = (torch.sin(9 * across + 3 * torch.sin(along) + 1.1 * noise) * 0.5 + 0.5) ** 1.6
    cells = (torch.sin(26 * across + noise) * torch.sin(26 * along + 1.3 * noise)).abs()
    level = (noise * 1.6).floor()
    # Rock falls steeply from terrace to terrace.
    terraces = (level + ((noise * 1.6 - level - 0.72) / 0.28).clamp(0, 1)) / 1.6
    shapes = {
        "meadow": noise,
        "ocean": noise,
        "lavender": noise,
        "desert": dune + 0.25 * noise,
        "mountains": 1.1 - noise.abs(),
        "forest": 0.6 * noise + 0.75 * cells,
        "city": _towers(blocks),
        "canyon": terraces,
        "islands": noise - 0.35,
        "volcano": noise.abs() - 0.2,
    }
    total = torch.zeros_like(noise)
    for name, shape in shapes.items():
        total = total + stage.flag("place", name)[:, 0] * shape
    return total


def _towers(blocks: Tensor) -> Tensor:
    """Set houses on a grid of streets; few of them are high. blocks: clips x n x n."""
    n = blocks.shape[-1]
    each = MAP // n
    high = 0.7 + 0.5 * blocks.abs() + 3.2 * (blocks - 0.9).clamp(min=0)
    houses = high.repeat_interleave(each, 1).repeat_interleave(each, 2)
    place = torch.arange(MAP, device=blocks.device) % each
    built = (place > 0).float()
    return houses * built.view(1, 1, -1) * built.view(1, -1, 1)


def _colour(stage: Stage, noise: Tensor, height: Tensor, specks: Tensor) -> Tensor:
    """Paint and light the ground: clips x 3 x fine x fine."""
    device, fine = stage.device, MAP * FINE

    def up(maps: Tensor) -> Tensor:
        return _wide(maps[:, None], fine)[:, 0]

    def flag(*names: str) -> Tensor:
        return stage.flag("place", *names)[:, 0]

    rise = up(height)
    low = torch.tensor([PLACES[s.place].low for s in stage.scenes], device=device)
    high = torch.tensor([PLACES[s.place].high for s in stage.scenes], device=device)
    relative = (rise - rise.amin((1, 2), keepdim=True)) / (
        rise.amax((1, 2), keepdim=True) - rise.amin((1, 2), keepdim=True) + 1e-3
    )
    grain = specks[:, 0] - 0.5
    along = torch.arange(fine, device=device).view(1, -1, 1) * (math.tau / fine)
    ripples = torch.sin(72 * along + 2.5 * up(noise))
    share = (
        flag("meadow") * (0.5 + 0.25 * up(noise) + 0.9 * grain)
        + flag("desert") * (0.1 + 0.7 * relative + 0.1 * grain + 0.3 * ripples)
        + flag("ocean") * (0.35 + 0.2 * up(noise) + 0.2 * grain)
        + flag("mountains") * ((relative - 0.36) * 3.0 + 0.5 + 0.4 * grain)
        + flag("forest") * (1.3 * relative - 0.2 + 0.5 * grain)
        + flag("city") * ((rise > _STREET) * (0.35 + 0.4 * up(noise)) + 0.1 * grain)
        + flag("canyon") * (0.25 + 0.55 * relative + 0.2 * grain)
        + flag("islands") * ((rise - 0.35) * 2.5 + 0.4 * grain)
        + flag("volcano") * (0.3 + 0.8 * grain)
    )
    rows = torch.sin(
        torch.arange(fine, device=device).view(1, 1, -1) * (math.tau / fine * 40)
        + 1.2 * up(noise) * 0.5
    )
    share = share + flag("lavender") * (0.5 + 0.3 * up(noise) + 0.6 * grain)
    share = share.clamp(0, 1)[:, None]
    colour = low[:, :, None, None] * (1 - share) + high[:, :, None, None] * share
    hue = stage.number("hue")
    colour = colour * torch.cat([1 + 0.07 * hue, torch.ones_like(hue), 1 - 0.07 * hue], 1)
    green = torch.tensor([0.14, 0.28, 0.08], device=device).view(1, 3, 1, 1)
    gaps = (flag("lavender") * (0.5 - 2.5 * (rows + 0.35)).clamp(0, 1))[:, None]
    colour = colour + gaps * (green - colour)
    colour = _flowers(stage, colour, specks)
    lagoon = torch.tensor([0.10, 0.62, 0.66], device=device).view(1, 3, 1, 1)
    wet = (flag("islands") * (rise <= _SHORE))[:, None]
    colour = colour + wet * (lagoon - colour)
    # Snow lies where it snows, a little less on what is steep or at sea.
    fallen = stage.flag("weather", "snow")[:, 0] * (1 - flag("ocean")) * (1 - wet[:, 0])
    cover = (fallen * (0.5 + 0.6 * grain)).clamp(0, 0.85)[:, None]
    colour = colour + cover * (0.94 - colour)
    slope_x = (rise.roll(-1, 2) - rise.roll(1, 2)) * FINE / 2
    slope_y = (rise.roll(-1, 1) - rise.roll(1, 1)) * FINE / 2
    yaw = stage.number("yaw")[:, 0] + stage.number("sun")[:, 0]
    sun = 0.55 - 0.75 * (slope_x * torch.cos(yaw) + slope_y * torch.sin(yaw)) * flag(
        "meadow", "desert", "mountains", "lavender", "forest", "canyon", "islands", "volcano"
    )
    ambient = stage.light("ambient")[:, 0]
    lit = ambient + (1.32 - ambient) * sun.clamp(0, 1)
    white = stage.light("white").view(-1, 3, 1, 1)
    return colour * lit[:, None] * white * stage.weather("dim")


def _flowers(stage: Stage, colour: Tensor, specks: Tensor) -> Tensor:
    """Scatter flowers in the meadow, bushes in the desert, light tips in the forest."""
    device = stage.device
    for place, share, tints in (
        ("meadow", 0.07, ((0.98, 0.25, 0.50), (1.0, 0.92, 0.25), (1.0, 1.0, 1.0))),
        ("desert", 0.008, ((0.30, 0.42, 0.16),)),
        ("forest", 0.05, ((0.26, 0.52, 0.16),)),
        ("lavender", 0.05, ((0.86, 0.66, 0.98),)),
    ):
        here = stage.flag("place", place)[:, 0]
        for i, tint in enumerate(tints):
            low = i * share / len(tints)
            mask = ((specks[:, 1] >= low) & (specks[:, 1] < low + share / len(tints))) * here
            colour = colour + mask[:, None] * (
                torch.tensor(tint, device=device).view(1, 3, 1, 1) - colour
            )
    return colour


def _wide(maps: Tensor, size: int) -> Tensor:
    ring = F.pad(maps, (1, 1, 1, 1), mode="circular")
    scale = size // maps.shape[-1]
    wide = F.interpolate(ring, scale_factor=scale, mode="bilinear", align_corners=False)
    return wide[..., scale:-scale, scale:-scale]


def sample(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read maps that repeat (clips x channels x n x n) at places in cells of the height field."""
    ring = F.pad(maps, (0, 1, 0, 1), mode="circular")
    # The first cell lies at -1, its repetition behind the last one at 1.
    gx = (x / MAP - (x / MAP).floor()) * 2 - 1
    gy = (y / MAP - (y / MAP).floor()) * 2 - 1
    grid = torch.stack([gx, gy], -1).flatten(1, 2)
    out = F.grid_sample(ring, grid, mode="bilinear", align_corners=True)
    return out.view(len(maps), maps.shape[1], *x.shape[1:])
