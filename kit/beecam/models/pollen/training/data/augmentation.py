"""Augmentations of clips for classifiers: changes that keep what a clip shows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.networks.classifier import VALUES
from beecam.models.pollen.world.rendering import styles

_MAX_CROP = 10  # at most 1/10 of a side is cropped; larger crops help against memorising clips
_GREY = 0.25  # share of the clips
_BLACK_AND_WHITE = 0.25  # share of the clips
_FLIPPED = 0.12  # share of the clips, for each kind of flip
_BLURRED, _BLUR = 0.6, 2.5  # share of the clips, and by how much they are reduced at most
# Deviation of noise at most (of a range of 2), and size of its coarse part in pixels.
_GRAIN, _BLOTCHES, _BLOTCH_PIXELS = 0.06, 0.1, 3
_HALF = 0.5


def random_crop(video: Tensor, g: torch.Generator, *, horizontal: bool = True) -> Tensor:
    """Return a random crop, the same for all clips, resized to the full size.

    Args:
        video: (clips, channels, frames, height, width).
        g: Draws the crop.
        horizontal: The crop may be off centre horizontally.
    """
    size = video.shape[-1]
    less = int(torch.randint(0, size // _MAX_CROP + 1, (1,), generator=g))
    y, x = (int(torch.randint(0, less + 1, (1,), generator=g)) for _ in range(2))
    if not horizontal:
        x = less // 2
    crop = video[..., y : y + size - less, x : x + size - less]
    if less == 0:
        return crop
    flat = F.interpolate(crop.transpose(1, 2).flatten(0, 1), size, mode="bilinear")
    return flat.view(len(video), video.shape[2], *flat.shape[1:]).transpose(1, 2)


def random_grey(video: Tensor, g: torch.Generator) -> Tensor:
    """Return video with some clips in grey."""
    chosen = torch.rand(len(video), 1, 1, 1, 1, generator=g).to(video.device) < _GREY
    return torch.where(chosen, video.mean(1, keepdim=True), video)


def random_black_and_white(clips: Tensor, g: torch.Generator) -> Tensor:
    """Return uint8 clips (clips, frames, height, width, 3), some in the black and white style."""
    chosen = torch.rand(len(clips), generator=g) < _BLACK_AND_WHITE
    indices = chosen.nonzero().flatten().to(clips.device)
    image = clips[indices].permute(0, 1, 4, 2, 3).float() / 255
    styled = styles.STYLES["black and white"](image).clamp(0, 1).mul(255).round().byte()
    return clips.index_copy(0, indices, styled.permute(0, 1, 3, 4, 2).contiguous())


def random_flips(clips: Tensor, labels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return clips, some of those without accidents upside down or mirrored, and their labels.

    Args:
        clips: (clips, frames, height, width, 3), uint8.
        labels: Indices of accidents, (clips,), on the CPU.
        g: Draws, on the CPU.
    """
    roll, plain = torch.rand(len(clips), generator=g), labels == 0
    left = clips[:, :, :, : clips.shape[3] // 2]
    flips = {"upside down": clips.flip(2), "mirror": torch.cat([left, left.flip(3)], 3)}
    for i, (name, flipped) in enumerate(flips.items()):
        chosen = plain & (roll >= i * _FLIPPED) & (roll < (i + 1) * _FLIPPED)
        clips = torch.where(chosen.to(clips.device).view(-1, 1, 1, 1, 1), flipped, clips)
        labels = torch.where(chosen, VALUES["accident"].index(name), labels)
    return clips, labels


def degrade(video: Tensor, g: torch.Generator, noise_generator: torch.Generator) -> Tensor:
    """Return video that is softer, grainy and blotchy, as generated clips are.

    A classifier of rendered clips only relies on their last sharpness, or the even colour of a
    sky, for places and styles (Hendrycks and Dietterich 2019, arXiv 1903.12261).

    Args:
        video: (clips, channels, frames, height, width).
        g: Draws by how much.
        noise_generator: Draws the noise, on the device of the video.
    """
    size = video.shape[-1]
    flat = video.transpose(1, 2).flatten(0, 1)
    if float(torch.rand(1, generator=g)) < _BLURRED:
        less = int(torch.randint(round(size / _BLUR), size + 1, (1,), generator=g))
        flat = F.interpolate(flat, less, mode="bilinear", antialias=True)
        flat = F.interpolate(flat, size, mode="bicubic")
    for pixels, strength in ((1, _GRAIN), (_BLOTCH_PIXELS, _BLOTCHES)):
        shape = (*flat.shape[:2], size // pixels, size // pixels)
        noise = torch.randn(shape, generator=noise_generator, device=flat.device)
        if pixels > 1:
            noise = F.interpolate(noise, size, mode="bicubic")
        flat = flat + noise * (strength * float(torch.rand(1, generator=g)))
    return flat.view(len(video), video.shape[2], *flat.shape[1:]).transpose(1, 2)


def reversed_labels(attribute: str) -> Tensor:
    """Return the index of each value when time is reversed; -1 where it has none."""
    swap = {"pan left": "pan right", "pan right": "pan left", "drone": "", "rise": "", "dive": ""}
    values = VALUES[attribute]
    other = [swap.get(value, value) for value in values]
    return torch.tensor([values.index(one) if one in values else -1 for one in other])


def vary_motion(
    video: Tensor, labels: Tensor, reverse: Tensor, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return clips that look different and move alike: some inverted, some reversed in time.

    Args:
        video: (clips, 1, frames, height, width).
        labels: The index of each clip's value, (clips,).
        reverse: As `reversed_labels` returns them.
        g: Draws.
    """
    count = len(video)
    sign = torch.where(torch.rand(count, generator=g) < _HALF, -1.0, 1.0)
    other = reverse[labels]
    chosen = (other >= 0) & (torch.rand(count, generator=g) < _HALF)
    there = chosen.to(video.device).view(-1, 1, 1, 1, 1)
    varied = torch.where(there, video.flip(2), video) * sign.to(video.device).view(-1, 1, 1, 1, 1)
    return varied, torch.where(chosen, other, labels)
