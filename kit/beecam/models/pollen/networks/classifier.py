"""Small video classifiers, one for each attribute, and the part of a clip that each one sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES


@dataclass(frozen=True)
class View:
    """Input of a classifier: as little of a clip as its attribute needs.

    Attributes:
        pixels: Width and height.
        frames: Number of frames.
        width: Channels of the first layer.
        steps: Training steps.
        motion: Grey, with the same contrast for all clips: what moves, not what it is.
        mirror: Also the difference from the mirror image.
    """

    pixels: int
    frames: int
    width: int
    steps: int
    motion: bool = False
    mirror: bool = False


VIEWS = {
    "place": View(96, 3, 24, 6000),
    "light": View(24, 3, 16, 1000),
    "weather": View(48, 5, 20, 2000),
    "insect": View(64, 5, 20, 2500),
    "camera": View(48, 9, 20, 4000, motion=True),
    "style": View(96, 2, 12, 1500),
    "accident": View(48, 6, 20, 5000, mirror=True),
}
STILL_FRAMES = 3
STILL = tuple(name for name, view in VIEWS.items() if view.frames <= STILL_FRAMES)
MOTION = "camera"
MOTION_FRAMES, MOTION_PIXELS = VIEWS[MOTION].frames, VIEWS[MOTION].pixels
ACCIDENT_FRAMES = VIEWS["accident"].frames
SCORED = tuple(name for name in VIEWS if name != "accident")
VALUES: Mapping[str, tuple[str, ...]] = {
    **{name: ATTRIBUTES[name] for name in SCORED},
    "accident": ("none", *ACCIDENTS),
}


class MotionFeatures(nn.Module):
    """Features of what moves where: correlations of each frame with the next one.

    A correlation layer as in optical flow networks (Dosovitskiy et al. 2015, arXiv 1504.06852)
    compares each cell with the cells round it in the next frame. A network that only sees
    brightness needs far more clips to learn that motion is what counts.
    """

    _REACH = (5, 4)  # cells across and down
    _CELL = 3  # pixels
    _FEATURES = 32

    def __init__(self, width: int) -> None:
        super().__init__()
        features = self._FEATURES
        self.look = nn.Sequential(
            nn.Conv3d(1, features, (1, 5, 5), (1, self._CELL, self._CELL), (0, 2, 2)),
            nn.GroupNorm(4, features),
            nn.SiLU(),
            nn.Conv3d(features, features, (1, 3, 3), 1, (0, 1, 1)),
        )
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        across, down = (2 * reach + 1 for reach in self._REACH)
        self.body = nn.Sequential(
            nn.Conv3d(across * down + 2, 2 * width, 1),
            nn.GroupNorm(4, 2 * width),
            nn.SiLU(),
            nn.Conv3d(2 * width, 3 * width, 3, (1, 2, 2), 1),
            nn.GroupNorm(4, 3 * width),
            nn.SiLU(),
            nn.Conv3d(3 * width, 4 * width, 3, (2, 2, 2), 1),
            nn.GroupNorm(4, 4 * width),
            nn.SiLU(),
        )

    def forward(self, video: Tensor) -> Tensor:
        """Return features: (clips, 4 * width, times, height, width)."""
        clips, _, frames = video.shape[:3]
        cells = F.normalize(self.look(video), dim=1).transpose(1, 2)
        similar = self._correlation(cells[:, :-1].flatten(0, 1), cells[:, 1:].flatten(0, 1))
        similar = (self.sharpness * similar).softmax(1)
        side = torch.linspace(-1, 1, similar.shape[-1], device=similar.device)
        grid = torch.stack(torch.meshgrid(side, side, indexing="ij"))
        grid = grid.expand(len(similar), -1, -1, -1)
        flow = torch.cat([similar, grid], 1).view(clips, frames - 1, -1, *similar.shape[2:])
        features: Tensor = self.body(flow.transpose(1, 2))
        return features

    def _correlation(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the similarity of cells with those round them: (pairs, offsets, height, width)."""
        x, y = self._REACH
        across, down = 2 * x + 1, 2 * y + 1
        high, wide = first.shape[2:]
        padded = F.pad(second, (x, x, y, y))
        columns = torch.arange(wide)[:, None, None] + torch.arange(across)
        near = torch.arange(down)[:, None] * padded.shape[3] + columns
        near = near.reshape(1, wide, -1).to(first.device).expand(len(first), -1, -1)
        rows = []
        for row in range(high):
            # One product of a row with all the rows round it, of which the near cells are used.
            every = first[:, :, row].transpose(1, 2) @ padded[:, :, row : row + down].flatten(2)
            rows.append(every.gather(2, near))
        return torch.stack(rows, 1).permute(0, 3, 1, 2)


class Classifier(nn.Module):
    """Predicts which value of an attribute a clip shows."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self.view = VIEWS[attribute]
        width = self.view.width
        stride = (1, 2, 2)
        channels = 6 if self.view.mirror else 3
        self.body: nn.Module = (
            MotionFeatures(width)
            if self.view.motion
            else nn.Sequential(
                nn.Conv3d(channels, width, (1, 3, 3), (1, 2, 2), (0, 1, 1)),
                nn.GroupNorm(4, width),
                nn.SiLU(),
                nn.Conv3d(width, 2 * width, 3, stride, 1),
                nn.GroupNorm(4, 2 * width),
                nn.SiLU(),
                nn.Conv3d(2 * width, 3 * width, 3, stride, 1),
                nn.GroupNorm(4, 3 * width),
                nn.SiLU(),
                nn.Conv3d(3 * width, 4 * width, 3, (1, 1, 1), 1),
                nn.GroupNorm(4, 4 * width),
                nn.SiLU(),
            )
        )
        self.head = nn.Linear(8 * width, len(VALUES[attribute]))

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.head.weight.device

    def forward(self, video: Tensor) -> Tensor:
        """Return a logit for each value: (clips, values).

        Args:
            video: As `prepare` returns it.
        """
        logits: Tensor = self.head(self.features(video))
        return logits

    def features(self, video: Tensor) -> Tensor:
        """Return the features before the last layer: (clips, features)."""
        if self.view.mirror:
            # Convolutions of a few pixels can't compare distant ones.
            video = torch.cat([video, video - video.flip(-1)], 1)
        found = self.body(video).flatten(2)
        return torch.cat([found.mean(2), found.amax(2)], 1)


def prepare(clips: Tensor, view: View) -> Tensor:
    """Return clips as a classifier sees them.

    Args:
        clips: (clips, frames, height, width, 3), uint8.
        view: The view of the classifier.

    Returns:
        (clips, 3, frames, height, width), -1 to 1; one channel for motion.
    """
    indices = frame_indices(clips.shape[1], view.frames)
    video = clips[:, indices].permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    if view.pixels != clips.shape[2]:
        flat = F.adaptive_avg_pool2d(video.flatten(0, 1), view.pixels)
        video = flat.view(*video.shape[:3], view.pixels, view.pixels)
    video = video.permute(0, 2, 1, 3, 4)
    if view.motion:
        video = normalize_contrast(video.mean(1, keepdim=True))
    return video


def normalize_contrast(video: Tensor) -> Tensor:
    """Return video with the same brightness and contrast in all clips.

    Args:
        video: (clips, 1, frames, height, width).
    """
    mean, deviation = video.mean((2, 3, 4), keepdim=True), video.std((2, 3, 4), keepdim=True)
    return (video - mean) / (deviation + 0.02)


def reduce_for_motion(clips: Tensor) -> Tensor:
    """Return clips as if rendered with MOTION_FRAMES and MOTION_PIXELS, uint8."""
    selected = clips[:, frame_indices(clips.shape[1], MOTION_FRAMES)]
    count, frames, size = selected.shape[:3]
    side = size // MOTION_PIXELS
    cut = selected.view(count, frames, MOTION_PIXELS, side, MOTION_PIXELS, side, 3)
    return torch.cat([part.float().mean((3, 5)).round().byte() for part in torch.split(cut, 100)])


def select_frames(clips: Tensor, attribute: str) -> Tensor:
    """Return the frames that a classifier sees; selecting from these again changes nothing."""
    return clips[:, frame_indices(clips.shape[1], VIEWS[attribute].frames)]


def frame_indices(available: int, frames: int) -> Tensor:
    """Return the indices of `frames` evenly spaced frames, with the first and the last."""
    return torch.linspace(0, available - 1, frames).round().long()
