"""Training data of the reward networks: latents of rendered clips, with their ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beecam.models.pollen.training.data import latents, saved
from beecam.models.pollen.training.data.clips import scenes_of
from beecam.models.pollen.training.optimization.loop import device_generator
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, possible

CAMERA = "camera"
# Attributes that the reader predicts, with accidents. Speed is motion, as the camera's move.
STILL = tuple(name for name in ATTRIBUTES if name not in (CAMERA, "speed"))
VALUES = {**{name: ATTRIBUTES[name] for name in STILL}, "accident": ("none", *ACCIDENTS)}
ACCIDENT = list(VALUES).index("accident")  # column of `Examples.truth`


@dataclass(frozen=True)
class Examples:
    """Latents of rendered clips and of their mirror images, and what they show.

    Attributes:
        latents: (clips, channels, frames, height, width), float16.
        truth: Indices of the values of VALUES, and last of the camera's: (clips, attributes).
    """

    latents: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def accidents(self) -> Tensor:
        """Indices of those with an accident."""
        return (self.truth[:, ACCIDENT] > 0).nonzero().flatten()

    @property
    def plain(self) -> Tensor:
        """Indices of those without an accident."""
        return (self.truth[:, ACCIDENT] == 0).nonzero().flatten()

    def possible(self) -> Tensor:
        """Return which accident is possible in which clip: (clips, accidents)."""
        values = {**{name: VALUES[name] for name in STILL}, CAMERA: ATTRIBUTES[CAMERA]}
        column = {name: i for i, name in enumerate((*VALUES, CAMERA))}
        attributes = [
            {name: values[name][row[column[name]]] for name in values}
            for row in self.truth.tolist()
        ]
        return possible_accidents(attributes)

    def tokens(self, indices: Tensor) -> Tensor:
        """Return some as the denoiser takes them: (clips, tokens, channels)."""
        return self.latents[indices].float().flatten(2).transpose(1, 2)


def possible_accidents(attributes: Sequence[Mapping[str, str]]) -> Tensor:
    """Return which accident is possible in which scene: (scenes, accidents), bool."""
    return torch.tensor([[possible(name, one) for name in ACCIDENTS] for one in attributes])


def load_examples(shards: Sequence[Path]) -> Examples:
    """Load shards of latents, as `latents.files` returns them."""
    cells, truth = [], []
    for path in shards:
        straight, mirrored = saved.tensors(path)["latents"]
        scenes = scenes_of(latents.clips_of(path))
        cells += [straight, mirrored]
        truth += [truth_of(scenes), truth_of(scenes, mirrored=True)]
    return Examples(torch.cat(cells), torch.cat(truth))


def truth_of(scenes: Sequence[Scene], *, mirrored: bool = False) -> Tensor:
    """Return the index of each value, of the clips or of their mirror images.

    Returns:
        (clips, attributes), as in `Examples.truth`.
    """
    rows = []
    for scene in scenes:
        attributes = scene.mirrored_attributes if mirrored else scene.attributes
        known = {**attributes, "accident": scene.accident or "none"}
        row = [values.index(known[name]) for name, values in VALUES.items()]
        rows.append([*row, ATTRIBUTES[CAMERA].index(known[CAMERA])])
    return torch.tensor(rows)


def add_noise(tokens: Tensor, level: Tensor, g: torch.Generator) -> Tensor:
    """Return tokens mixed with noise.

    Args:
        tokens: (clips, tokens, channels).
        level: Share of noise in each clip, 0 to 1, (clips,).
        g: Draws the seed of the noise, on the CPU.
    """
    generator = device_generator(tokens.device, g)
    noise = torch.randn(tokens.shape, generator=generator, device=tokens.device)
    share = level.to(tokens.device)[:, None, None]
    return (1 - share) * tokens + share * noise
