"""The land: periodic height fields, their lit colours, and clouds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.world.rendering.stage import PLACES, Stage
from beecam.models.pollen.world.scene import Scene

MAP = 128  # cells a side of the height field, which is periodic
FINE = 2  # texture cells a side for each cell
_STREET, _SHORE = 0.3, 0.02  # heights up to which a city is street, and islands are sea
_WALL = 0.5  # steps in height that are a house's wall


def _random_grids(scene: Scene) -> list[Tensor]:
    """Return the random grids of one scene: five of its height, one of specks, four of clouds."""
    g = torch.Generator().manual_seed(scene.seed + 1)
    return [
        *(torch.randn(n, n, generator=g) for n in (4, 8, 16, 32, 64)),
        torch.rand(2, MAP * FINE, MAP * FINE, generator=g),
        *(torch.randn(n, n, generator=g) for n in (4, 8, 16, 32)),
    ]


def _fractal_noise(grids: Sequence[Tensor], size: int, weights: Sequence[Tensor]) -> Tensor:
    """Return the weighted sum of grids (clips, n, n), resized seamlessly to (clips, size, size)."""
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
    """Maps of the ground and the clouds; `fine` is MAP * FINE."""

    height: Tensor  # (clips, 1, MAP, MAP)
    colour: Tensor  # (clips, 3, fine, fine), lit
    glow: Tensor  # (clips, 1, fine, fine), where lava glows or a house has walls
    clouds: Tensor  # (clips, 1, MAP, MAP)


def make_land(stage: Stage) -> Land:
    """Return the land of every scene."""
    device = stage.device
    grids = [
        torch.stack(each).to(device) for each in zip(*map(_random_grids, stage.scenes), strict=True)
    ]
    places = [PLACES[scene.place] for scene in stage.scenes]
    rough = torch.tensor([p.rough for p in places], device=device)
    noise = _fractal_noise(grids[:5], MAP, [rough**i for i in range(5)])
    noise = noise / noise.flatten(1).std(1).view(-1, 1, 1)
    relief = torch.tensor([p.relief for p in places], device=device).view(-1, 1, 1)
    height = _shape(stage, noise, grids[3]) * relief * stage.number("relief")[:, 0]
    # The sea bed isn't visible: the water's surface is the lowest height.
    sea = stage.flag("place", "islands")[:, 0]
    height = torch.where(sea > 0, height.clamp(min=0), height)
    colour = _lit_colour(stage, noise, height, grids[5])
    veins = (1 - (noise / 0.3).abs()).clamp(min=0) * stage.flag("place", "volcano")[:, 0]
    across = (height.roll(-1, 2) - height.roll(1, 2)).abs()
    along = (height.roll(-1, 1) - height.roll(1, 1)).abs()
    walls = (torch.maximum(across, along) > _WALL) * stage.flag("place", "city")[:, 0]
    glow = _upsample((veins**0.7 + walls)[:, None], MAP * FINE)
    clouds = _fractal_noise(grids[6:], MAP, [torch.full_like(rough, 0.6**i) for i in range(4)])
    clouds = clouds / clouds.flatten(1).std(1).view(-1, 1, 1)
    return Land(height[:, None], colour, glow, clouds[:, None])


def _shape(stage: Stage, noise: Tensor, blocks: Tensor) -> Tensor:
    """Return the relief of each scene's place."""
    axis = torch.arange(MAP, device=stage.device) * (math.tau / MAP)
    across, along = axis.view(1, 1, -1), axis.view(1, -1, 1)
    dune = (torch.sin(9 * across + 3 * torch.sin(along) + 1.1 * noise) * 0.5 + 0.5) ** 1.6
    cells = (torch.sin(26 * across + noise) * torch.sin(26 * along + 1.3 * noise)).abs()
    level = (noise * 1.6).floor()
    # Steep steps from terrace to terrace.
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
    """Return houses on a grid of streets, few of them high.

    Args:
        blocks: Random numbers, (clips, n, n).
    """
    n = blocks.shape[-1]
    each = MAP // n
    high = 0.7 + 0.5 * blocks.abs() + 3.2 * (blocks - 0.9).clamp(min=0)
    houses = high.repeat_interleave(each, 1).repeat_interleave(each, 2)
    position = torch.arange(MAP, device=blocks.device) % each
    built = (position > 0).float()
    return houses * built.view(1, 1, -1) * built.view(1, -1, 1)


def _lit_colour(stage: Stage, noise: Tensor, height: Tensor, specks: Tensor) -> Tensor:
    """Return the lit colour of the ground: (clips, 3, fine, fine).

    Args:
        stage: All clips.
        noise: (clips, MAP, MAP).
        height: (clips, MAP, MAP).
        specks: Uniform random numbers, (clips, 2, fine, fine).
    """
    rise, rough = (_upsample(maps[:, None], MAP * FINE)[:, 0] for maps in (height, noise))
    colour = _plain_colour(stage, rise, rough, specks)
    colour = _flowers(stage, colour, specks)
    colour = _water_and_snow(stage, colour, rise, specks[:, 0] - 0.5)
    lit = _sunlight(stage, rise)
    white = stage.light("white").view(-1, 3, 1, 1)
    return colour * lit[:, None] * white * stage.weather("dim")


def _plain_colour(stage: Stage, rise: Tensor, rough: Tensor, specks: Tensor) -> Tensor:
    """Return each place's mix of its low and high colour, with the rows of lavender."""
    device, fine = stage.device, MAP * FINE
    low = torch.tensor([PLACES[s.place].low for s in stage.scenes], device=device)
    high = torch.tensor([PLACES[s.place].high for s in stage.scenes], device=device)
    share = _share_of_high(stage, rise, rough, specks[:, 0] - 0.5).clamp(0, 1)[:, None]
    colour = low[:, :, None, None] * (1 - share) + high[:, :, None, None] * share
    hue = stage.number("hue")
    colour = colour * torch.cat([1 + 0.07 * hue, torch.ones_like(hue), 1 - 0.07 * hue], 1)
    rows = torch.sin(
        torch.arange(fine, device=device).view(1, 1, -1) * (math.tau / fine * 40)
        + 1.2 * rough * 0.5
    )
    green = torch.tensor([0.14, 0.28, 0.08], device=device).view(1, 3, 1, 1)
    lavender = stage.flag("place", "lavender")[:, 0]
    gaps = (lavender * (0.5 - 2.5 * (rows + 0.35)).clamp(0, 1))[:, None]
    return colour + gaps * (green - colour)


def _share_of_high(stage: Stage, rise: Tensor, rough: Tensor, grain: Tensor) -> Tensor:
    """Return the share of the high colour in the mix: (clips, fine, fine), not clamped."""
    fine = MAP * FINE

    def flag(name: str) -> Tensor:
        return stage.flag("place", name)[:, 0]

    relative = (rise - rise.amin((1, 2), keepdim=True)) / (
        rise.amax((1, 2), keepdim=True) - rise.amin((1, 2), keepdim=True) + 1e-3
    )
    along = torch.arange(fine, device=stage.device).view(1, -1, 1) * (math.tau / fine)
    ripples = torch.sin(72 * along + 2.5 * rough)
    share = (
        flag("meadow") * (0.5 + 0.25 * rough + 0.9 * grain)
        + flag("desert") * (0.1 + 0.7 * relative + 0.1 * grain + 0.3 * ripples)
        + flag("ocean") * (0.35 + 0.2 * rough + 0.2 * grain)
        + flag("mountains") * ((relative - 0.36) * 3.0 + 0.5 + 0.4 * grain)
        + flag("forest") * (1.3 * relative - 0.2 + 0.5 * grain)
        + flag("city") * ((rise > _STREET) * (0.35 + 0.4 * rough) + 0.1 * grain)
        + flag("canyon") * (0.25 + 0.55 * relative + 0.2 * grain)
        + flag("islands") * ((rise - 0.35) * 2.5 + 0.4 * grain)
        + flag("volcano") * (0.3 + 0.8 * grain)
    )
    return share + flag("lavender") * (0.5 + 0.3 * rough + 0.6 * grain)


def _water_and_snow(stage: Stage, colour: Tensor, rise: Tensor, grain: Tensor) -> Tensor:
    """Add the lagoon round islands, and snow where it snows, but not on water."""
    lagoon = torch.tensor([0.10, 0.62, 0.66], device=stage.device).view(1, 3, 1, 1)
    wet = (stage.flag("place", "islands")[:, 0] * (rise <= _SHORE))[:, None]
    colour = colour + wet * (lagoon - colour)
    ocean = stage.flag("place", "ocean")[:, 0]
    fallen = stage.flag("weather", "snow")[:, 0] * (1 - ocean) * (1 - wet[:, 0])
    cover = (fallen * (0.5 + 0.6 * grain)).clamp(0, 0.85)[:, None]
    return colour + cover * (0.94 - colour)


def _sunlight(stage: Stage, rise: Tensor) -> Tensor:
    """Return how bright the slopes are: (clips, fine, fine)."""
    slope_x = (rise.roll(-1, 2) - rise.roll(1, 2)) * FINE / 2
    slope_y = (rise.roll(-1, 1) - rise.roll(1, 1)) * FINE / 2
    yaw = stage.number("yaw")[:, 0] + stage.number("sun")[:, 0]
    shaded = stage.flag(
        "place",
        "meadow",
        "desert",
        "mountains",
        "lavender",
        "forest",
        "canyon",
        "islands",
        "volcano",
    )[:, 0]
    sun = 0.55 - 0.75 * (slope_x * torch.cos(yaw) + slope_y * torch.sin(yaw)) * shaded
    ambient = stage.light("ambient")[:, 0]
    return ambient + (1.32 - ambient) * sun.clamp(0, 1)


def _flowers(stage: Stage, colour: Tensor, specks: Tensor) -> Tensor:
    """Add flowers in the meadow, bushes in the desert, light tips in the forest."""
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


def _upsample(maps: Tensor, size: int) -> Tensor:
    """Return periodic maps (clips, channels, n, n) at another size."""
    ring = F.pad(maps, (1, 1, 1, 1), mode="circular")
    scale = size // maps.shape[-1]
    wide = F.interpolate(ring, scale_factor=scale, mode="bilinear", align_corners=False)
    return wide[..., scale:-scale, scale:-scale]


def sample(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return periodic maps (clips, channels, n, n) at positions in cells of the height field."""
    ring = F.pad(maps, (0, 1, 0, 1), mode="circular")
    # The first cell is at -1, its repetition behind the last one at 1.
    gx = (x / MAP - (x / MAP).floor()) * 2 - 1
    gy = (y / MAP - (y / MAP).floor()) * 2 - 1
    grid = torch.stack([gx, gy], -1).flatten(1, 2)
    out = F.grid_sample(ring, grid, mode="bilinear", align_corners=True)
    return out.view(len(maps), maps.shape[1], *x.shape[1:])
