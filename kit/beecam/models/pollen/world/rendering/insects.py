"""Insects and other things close to the camera, such as petals and birds, with soft edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Colour = tuple[float, float, float]


class Canvas:
    """Frames that shapes are painted on; a shape is a signed field, negative inside.

    Attributes:
        image: (clips, frames, height, width, 3), RGB in 0 to 1.
        x, y: Position of each pixel, (clips, frames, height, width); the frame is 1 wide, y up.
        soft: Width of an edge, in the same unit.
        light: What white looks like, (clips, 1, 1, 1, 3).
    """

    def __init__(
        self, image: Tensor, x: Tensor, y: Tensor, soft: float | Tensor, light: Tensor
    ) -> None:
        self.image = image
        self.x = x
        self.y = y
        self.soft = soft
        self.light = light

    def paint(self, field: Tensor, colour: Colour | Tensor, opacity: float | Tensor = 1.0) -> None:
        """Paint a colour where the field is negative."""
        cover = (0.5 - field / self.soft).clamp(0, 1) * opacity
        tint = torch.as_tensor(colour, device=self.image.device, dtype=torch.float32)
        self.image = self.image + cover[..., None] * (tint * self.light - self.image)


def ellipse(x: Tensor, y: Tensor, a: float | Tensor, b: float | Tensor) -> Tensor:
    """Return an approximate distance to an ellipse with half axes a and b at the origin."""
    length = ((x / a) ** 2 + (y / b) ** 2).sqrt()
    return (length - 1) * (a * b) / ((x * b / a) ** 2 + (y * a / b) ** 2 + 1e-6).sqrt() * length


def rotate(x: Tensor, y: Tensor, angle: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return positions rotated by an angle in radians."""
    c, s = torch.cos(torch.as_tensor(angle)), torch.sin(torch.as_tensor(angle))
    return c * x + s * y, c * y - s * x


def wings(
    canvas: Canvas,
    at: tuple[Tensor, Tensor],
    pairs: Sequence[tuple[float, ...]],
    *,
    spread: Tensor,
    colour: Colour,
    opacity: float,
    rim: Colour | None = None,
) -> None:
    """Draw mirrored pairs of wings.

    Args:
        canvas: Is painted on.
        at: Positions, across and along, in the insect's own unit.
        pairs: For each pair of wings the height of its root, its angle from the horizontal, half
            its length and half its width.
        spread: How far open they are, 0 to 1: a beating wing looks shorter.
        colour: Colour of the wings.
        opacity: Opacity of the wings.
        rim: Colour of a darker border.
    """
    side, y = at[0].abs(), at[1]
    for root, angle, length, width in pairs:
        u, v = rotate(side - 0.02, y - root, angle)
        reach = length * (0.35 + 0.65 * spread)
        if rim is not None:
            canvas.paint(ellipse(u - reach, v, reach * 1.08, width * 1.2), rim, opacity)
        canvas.paint(ellipse(u - reach, v, reach * 0.9, width * 0.85), colour, opacity)


def bee(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw a round striped body with short clear wings, seen from behind and above."""
    wings(
        c, (x, y), [(0.25, 0.45, 0.42, 0.24)], spread=spread, colour=(0.93, 0.96, 1.0), opacity=0.75
    )
    body = ellipse(x, y, 0.46, 0.72)
    c.paint(body, (0.98, 0.76, 0.1))
    for at in (-0.42, -0.05, 0.32):
        c.paint(torch.maximum(body, (y - at).abs() - 0.1), (0.1, 0.06, 0.03))
    c.paint(ellipse(x, y - 0.72, 0.3, 0.26), (0.12, 0.08, 0.05))


def butterfly(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw four broad orange wings with dark borders that open and close."""
    pairs = [(0.15, 0.6, 0.62, 0.42), (-0.2, -0.55, 0.45, 0.36)]
    wings(
        c,
        (x, y),
        pairs,
        spread=spread,
        colour=(1.0, 0.45, 0.06),
        opacity=1.0,
        rim=(0.13, 0.05, 0.03),
    )
    c.paint(ellipse(x, y, 0.09, 0.6), (0.1, 0.05, 0.04))


def ladybug(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw a red dome with black spots, a black head, and blurred wings beneath."""
    wings(c, (x, y), [(0.0, 0.1, 0.5, 0.2)], spread=spread, colour=(0.85, 0.85, 0.9), opacity=0.5)
    c.paint(ellipse(x, y - 0.62, 0.36, 0.3), (0.06, 0.05, 0.06))
    body = ellipse(x, y, 0.68, 0.66)
    c.paint(body, (0.88, 0.08, 0.07))
    c.paint(torch.maximum(body, x.abs() - 0.05), (0.06, 0.04, 0.04))
    for sx, sy in ((0.34, 0.25), (0.36, -0.22)):
        c.paint(ellipse(x.abs() - sx, y - sy, 0.15, 0.15), (0.06, 0.04, 0.04))


def dragonfly(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw a long thin blue body with four narrow clear wings held out."""
    pairs = [(0.4, 0.18, 0.58, 0.16), (0.14, -0.18, 0.54, 0.17)]
    wings(c, (x, y), pairs, spread=0.75 + 0.25 * spread, colour=(0.8, 0.95, 1.0), opacity=0.8)
    c.paint(ellipse(x, y + 0.35, 0.13, 0.85), (0.05, 0.62, 0.68))
    c.paint(ellipse(x, y - 0.35, 0.2, 0.28), (0.05, 0.45, 0.62))
    c.paint(ellipse(x, y - 0.68, 0.22, 0.16), (0.1, 0.75, 0.5))


def firefly(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw a slim dark body whose tail glows, brighter and darker, in any light."""
    wings(c, (x, y), [(0.3, 0.5, 0.4, 0.17)], spread=spread, colour=(0.75, 0.75, 0.7), opacity=0.6)
    c.paint(ellipse(x, y - 0.15, 0.2, 0.55), (0.16, 0.1, 0.08))
    c.paint(ellipse(x, y - 0.62, 0.17, 0.15), (0.85, 0.3, 0.15))
    beat = 0.75 + 0.25 * spread
    light, c.light = c.light, torch.ones_like(c.light)
    soft, c.soft = c.soft, c.soft + 0.9
    c.paint(ellipse(x, y + 0.6, 0.6, 0.6), (0.8, 1.0, 0.25), 0.75 * beat)
    c.soft = soft
    c.paint(ellipse(x, y + 0.5, 0.27, 0.36), (1.0, 1.0, 0.55))
    c.light = light


def beetle(c: Canvas, x: Tensor, y: Tensor, spread: Tensor) -> None:
    """Draw a long shining green body, parted along its back, with two horns and six legs."""
    side = x.abs()
    for at, angle in ((0.3, 0.5), (-0.05, 0.0), (-0.4, -0.5)):
        u, v = rotate(side, y - at, angle + 0.12 * (spread - 0.5))
        c.paint(torch.maximum(v.abs() - 0.05, u - 0.82), (0.05, 0.07, 0.05))
    c.paint(ellipse(x, y + 0.12, 0.46, 0.72), (0.06, 0.42, 0.24))
    c.paint(ellipse(side - 0.2, y + 0.05, 0.1, 0.42), (0.35, 0.85, 0.5), 0.8)
    c.paint(torch.maximum(ellipse(x, y + 0.12, 0.46, 0.72), side - 0.04), (0.02, 0.12, 0.07))
    c.paint(ellipse(x, y - 0.62, 0.34, 0.22), (0.04, 0.2, 0.12))
    horn = ellipse(side - 0.08, y - 0.98, 0.26, 0.32).abs() - 0.07
    c.paint(torch.maximum(torch.maximum(horn, 0.75 - y), 0.1 - side), (0.05, 0.07, 0.05))


DRAW: dict[str, Callable[[Canvas, Tensor, Tensor, Tensor], None]] = {
    "bee": bee,
    "butterfly": butterfly,
    "ladybug": ladybug,
    "dragonfly": dragonfly,
    "firefly": firefly,
    "beetle": beetle,
}
# Wing beats in radians per clip: slow enough to be visible at 8 frames a second.
BEATS = {
    "bee": 38.0,
    "butterfly": 16.0,
    "ladybug": 34.0,
    "dragonfly": 44.0,
    "firefly": 24.0,
    "beetle": 20.0,
}
SIZES = {
    "bee": 0.2,
    "butterfly": 0.175,
    "ladybug": 0.18,
    "dragonfly": 0.2,
    "firefly": 0.18,
    "beetle": 0.165,
}


def antennae(c: Canvas, x: Tensor, y: Tensor, sway: Tensor) -> None:
    """Draw an insect's view of itself: two antennae above, the rim of its head below."""
    side = x.abs()
    rod = (side - 0.1 - 0.25 * (y - 0.12) - sway * 0.03).abs()
    field = torch.maximum(rod - 0.016, 0.14 - y)
    c.paint(field, (0.05, 0.04, 0.03))
    c.paint(ellipse(side - 0.19 - sway * 0.03, y - 0.46, 0.04, 0.04), (0.05, 0.04, 0.03))
    c.paint(ellipse(x, y + 0.62, 0.42, 0.2), (0.08, 0.06, 0.04))


def petal(c: Canvas, x: Tensor, y: Tensor, t: Tensor, drift: Tensor) -> None:
    """Draw a petal that crosses the frame, large and out of focus."""
    u, v = rotate(x - drift * (1.1 * t - 0.55), y - 0.12 * torch.sin(5 * t), 0.6 + 1.5 * t)
    soft, c.soft = c.soft, c.soft * 5
    c.paint(ellipse(u, v, 0.3, 0.17), (1.0, 0.6, 0.75), 0.9)
    c.paint(ellipse(u + 0.12, v, 0.1, 0.06), (1.0, 0.85, 0.9), 0.8)
    c.soft = soft


def balloon(c: Canvas, x: Tensor, y: Tensor, t: Tensor, side: Tensor) -> None:
    """Draw a hot-air balloon with stripes that drifts through the sky."""
    u = x - side * (0.24 + 0.06 * t)
    v = y - 0.27 - 0.04 * t
    skin = ellipse(u, v, 0.13, 0.15)
    c.paint(skin, (0.92, 0.2, 0.18))
    c.paint(torch.maximum(skin, u.abs() - 0.035), (1.0, 0.9, 0.6))
    ropes = torch.maximum((u.abs() - 0.035).abs() - 0.006, (v + 0.17).abs() - 0.04)
    c.paint(ropes, (0.3, 0.2, 0.12))
    c.paint(torch.maximum(u.abs() - 0.04, (v + 0.22).abs() - 0.025), (0.45, 0.28, 0.14))


def bird(c: Canvas, x: Tensor, y: Tensor, t: Tensor, drift: Tensor) -> None:
    """Draw a large dark bird that crosses the sky with slow wings."""
    u, v = x - drift * (1.3 * t - 0.65), y - 0.3 - 0.03 * torch.sin(6 * t)
    beat = 0.35 * torch.sin(20 * t)
    wing = (v - beat * u.abs() + 0.7 * u**2).abs() - 0.026 * (1 - u.abs() / 0.24)
    c.paint(torch.maximum(wing, u.abs() - 0.23), (0.06, 0.06, 0.08))
    c.paint(ellipse(u, v, 0.075, 0.032), (0.06, 0.06, 0.08))


def light_leak(c: Canvas, x: Tensor, y: Tensor, t: Tensor, drift: Tensor) -> None:
    """Draw a light leak from one side."""
    near = (0.5 - drift * x + 0.1 * torch.sin(4 * y + 3 * t)).clamp(0, 1)
    amount = torch.exp(-near * (4.2 - 1.6 * torch.sin(math.pi * t))) * 0.95
    red = torch.tensor((1.0, 0.36, 0.08), device=c.image.device)
    c.image = 1 - (1 - c.image.clamp(0, 1)) * (1 - amount[..., None] * red)


def insect_coordinates(
    x: Tensor, y: Tensor, path: tuple[Tensor, Tensor], size: Tensor, tilt: Tensor
) -> tuple[Tensor, Tensor]:
    """Return pixel positions in the unit of an insect that hovers along a path."""
    return rotate((x - path[0]) / size, (y - path[1]) / size, tilt)


def hover(t: Tensor, phase: Tensor, drift: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far an insect is from its middle position, over the time 0 to 1."""
    return (
        0.09 * torch.sin(math.pi * t * drift * 2 + phase) + 0.05 * drift * (t - 0.5),
        0.06 * torch.cos(7 * t + phase),
    )
