"""Reward networks: a reader of noisy latents, and a classifier of motion on decoded ones.

They share neither weights nor scenes with the classifiers of the evaluation.

The reader predicts what a still image shows, and accidents; it starts as the first layers of the
denoiser. It can't classify motion: the denoiser's layers find the requested camera move even in
motion that is not coherent (docs/training.md). So a motion classifier, trained from scratch, does
that, on what the components alone decode, which is differentiable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.classifier import (
    MOTION_FRAMES,
    MOTION_PIXELS,
    frame_indices,
    normalize_contrast,
)
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.text_encoder import empty_prompt
from beecam.models.pollen.training.rewards.examples import CAMERA, VALUES, add_noise
from beecam.models.pollen.world.scene import FRAMES, SIZE

_LAYERS = 4
_WIDTH = 256
_BANDS = 4  # of a frame's height, in each of which its halves are compared
_READER_NOISE, _MOTION_NOISE = 0.35, 0.2  # at most, in rewards


class Reader(nn.Module):
    """Predicts attributes and accidents from noisy latents."""

    states: Tensor
    mask: Tensor

    def __init__(self, denoiser: Any, text_encoder: Any, components: Components) -> None:
        """Take over the first layers of a denoiser.

        Args:
            denoiser: Is changed: its other layers are removed.
            text_encoder: Encodes the empty prompt.
            components: The components of the latents.
        """
        super().__init__()
        denoiser.transformer_blocks = denoiser.transformer_blocks[:_LAYERS]
        denoiser.proj_out = nn.Identity()
        wide = denoiser.config.num_attention_heads * denoiser.config.attention_head_dim
        self.network = denoiser
        features = 2 * shapes.LATENT_FRAMES * wide
        self.decoded = DecodedMotion(components)
        self.norm = nn.LayerNorm(features)
        self.head = nn.Sequential(
            nn.Linear(features + _BANDS * MOTION_FRAMES, _WIDTH),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(_WIDTH, sum(map(len, VALUES.values()))),
        )
        ids = empty_prompt()[None, : shapes.SHORT_TEXT].long()
        with torch.no_grad():
            states = text_encoder(ids.to(next(text_encoder.parameters()).device))[0].cpu()
        self.register_buffer("states", states)
        self.register_buffer("mask", ids != 0)

    def forward(self, tokens: Tensor, level: Tensor) -> dict[str, Tensor]:
        """Return logits of each attribute's values, and of accidents.

        Args:
            tokens: (clips, tokens, channels).
            level: Noise level of each clip, 0 to 1, (clips,).
        """
        count = len(tokens)
        found = self.network(
            hidden_states=tokens,
            encoder_hidden_states=self.states.expand(count, -1, -1),
            timestep=level[:, None] * 1000,
            encoder_attention_mask=self.mask.expand(count, -1),
            **shapes.POSITIONS,
        ).sample
        cells = found.view(count, shapes.LATENT_FRAMES, -1, found.shape[-1])
        features = self.norm(torch.cat([cells.mean(2), cells.amax(2)], -1).flatten(1))
        logits = self.head(torch.cat([features, self._asymmetry(tokens)], 1)).float()
        return dict(
            zip(VALUES, torch.split(logits, list(map(len, VALUES.values())), -1), strict=True)
        )

    def _asymmetry(self, tokens: Tensor) -> Tensor:
        """Return how different frames are from their mirror images: (clips, features).

        The channels of a cell don't show what it looks like in a mirror.
        """
        video = self.decoded(tokens)[:, 0]
        difference = (video - video.flip(-1)).abs().flatten(2).unflatten(2, (_BANDS, -1)).mean(-1)
        features: Tensor = (difference + 0.02).log().flatten(1)
        return features


class DecodedMotion(nn.Module):
    """What the components decode from latents, prepared as the motion classifier sees clips."""

    basis: Tensor
    mean: Tensor

    def __init__(self, components: Components) -> None:
        super().__init__()
        # Grey, at half the size: `prepare` does no more, so that all of it is one product.
        self._factor = SIZE // MOTION_PIXELS
        block = shapes.TIME, shapes.SPACE, shapes.SPACE, 3
        basis = (components.basis * components.deviation).T.reshape(-1, *block).mean(-1)
        both = F.avg_pool2d(
            torch.cat([basis, components.mean.view(1, *block).mean(-1)]), self._factor
        )
        self.register_buffer("basis", both[:-1].flatten(1))
        self.register_buffer("mean", both[-1].flatten())

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what `prepare` would of the decoded clips: (clips, 1, frames, height, width).

        Args:
            tokens: (clips, tokens, channels).
        """
        count, side = len(tokens), shapes.SPACE // self._factor
        video = (tokens @ self.basis + self.mean).view(
            count, shapes.LATENT_FRAMES, shapes.CELLS, shapes.CELLS, shapes.TIME, side, side
        )
        video = video.permute(0, 1, 4, 2, 5, 3, 6).flatten(1, 2).flatten(2, 3).flatten(3)
        # The first frame is repeated in its block.
        frames = frame_indices(FRAMES, MOTION_FRAMES) + shapes.TIME - 1
        prepared = normalize_contrast(video[:, frames].unsqueeze(1))
        return prepared.contiguous(memory_format=torch.channels_last_3d)


class Rewards(nn.Module):
    """Both networks, frozen.

    Attributes:
        expected: Mean probability that the reader gives each accident in unseen rendered clips
            where it is possible; without those that it rarely recognises.
    """

    reader: Any  # a Reader

    def __init__(self, reader: nn.Module, motion: nn.Module, expected: Mapping[str, float]) -> None:
        super().__init__()
        self.reader, self.motion = reader, motion
        self.expected = dict(expected)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, tokens: Tensor, g: torch.Generator) -> dict[str, Tensor]:
        """Return logits of the values of rewarded attributes, and of accidents.

        Both networks see the latents through some random noise, so that they can't be exploited by
        details that only clean latents have.

        Args:
            tokens: (clips, tokens, channels).
            g: Draws, on the CPU.
        """
        count = len(tokens)
        level = _READER_NOISE * torch.rand(count, generator=g)
        logits: dict[str, Tensor] = self.reader(
            add_noise(tokens, level, g), level.to(tokens.device)
        )
        noisy = add_noise(tokens, _MOTION_NOISE * torch.rand(count, generator=g), g)
        return {**logits, CAMERA: self.motion(self.reader.decoded(noisy)).float()}
