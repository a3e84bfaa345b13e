"""Flow matching: the loss of the denoiser, on latents with captions and conditioning frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.networks.text_encoder import empty_prompt
from beecam.models.pollen.networks.transformer import (
    attention,
    build_transformer,
    coordinates,
    velocity,
)
from beecam.models.pollen.training.data.latents import TrainingData
from beecam.models.pollen.training.optimization.loop import Loop

BATCH, GPU_BATCH = 32, 512
_GPU_RATES = 2.0  # factor of the learning rates, with 16 times as many clips a step
_NO_CAPTION = 0.1
# Higher with conditioning frames: otherwise guidance takes what a caption tells about the frames
# for what it adds to them, and makes their colours too strong.
_NO_CAPTION_CONDITIONED = 0.3
_ACCIDENTS = 0.35  # share of the clips that are drawn for their accident
_HALF = 0.5
# Noise that LTXConditionPipeline adds to conditioning frames, times the square of the level.
_CONDITION_NOISE = 0.15
_UNIFORM = 0.2  # share of the noise levels
_LONG_TEXTS = 0.2  # share of the batches with texts that are padded as far as the pipelines do
_SCALED_POSITIONS = 0.85  # share of the batches without conditions


class FlowLoss:
    """Flow matching on latents with captions, with the denoiser called as the pipelines call it.

    Attributes:
        conditioned: Share of the batches with conditioning frames.
    """

    conditioned = 0.2

    def __init__(
        self, data: TrainingData, components: Components, text_encoder: Any, *, batch: int = BATCH
    ) -> None:
        """Store the training data on the text encoder's device.

        Args:
            data: Clips, of which single frames are used, their latents and captions.
            components: Encode single frames.
            text_encoder: A trained text encoder; it is not changed.
            batch: Clips per step.
        """
        device = next(text_encoder.parameters()).device
        self._latents = data.latents.to(device)
        self._clips = data.clips.to(device)
        self._texts = data.texts.to(device)
        self._accidents = data.accidents
        self._empty = empty_prompt().to(device)
        self._components = components.to(device)
        self._text_encoder = text_encoder
        self._batch = batch

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        indices, accident = (one.to(loop.device) for one in self._draw(g))
        clean = self._latents[indices].float()
        frames, height, width = clean.shape[2:]
        tokens = clean.flatten(2).transpose(1, 2)
        noise_generator = loop.device_generator()
        noise = torch.randn(tokens.shape, generator=noise_generator, device=loop.device)
        level = noise_levels(self._batch, g).to(loop.device)
        mixed = (1 - level)[:, None, None] * tokens + level[:, None, None] * noise
        first, stills = conditions(g, frames, self.conditioned)
        times = level[:, None].expand(-1, tokens.shape[1]).clone()
        known = first * height * width
        mixed[:, :known], times[:, :known] = tokens[:, :known], 0.0
        # LTXImageToVideoPipeline takes a single first frame, LTXConditionPipeline everything else.
        condition_pipeline = (
            bool(stills) or first > 1 or (first == 1 and float(torch.rand(1, generator=g)) < _HALF)
        )
        positions = self._positions(frames, height, width, g, conditioned=condition_pipeline)
        if condition_pipeline:
            strength = _CONDITION_NOISE * level[:, None, None] ** 2
            mixed[:, :known] += strength * _noise_like(mixed[:, :known], noise_generator)
            for frame in stills:
                still = self._encode_frame(indices, frame)
                still = still + strength * _noise_like(still, noise_generator)
                mixed = torch.cat([still, mixed], 1)
                times = torch.cat([torch.zeros_like(times[:, : still.shape[1]]), times], 1)
                there = coordinates(1, height, width, frame)
                positions["video_coords"] = torch.cat([there, positions["video_coords"]], 1)
        if "video_coords" in positions:
            shared = positions["video_coords"][None].expand(self._batch, -1, -1)
            positions["video_coords"] = shared.to(loop.device)
        conditioned = bool(first or stills)
        inputs = {
            "hidden_states": mixed,
            **self._encode_captions(indices, accident, g, conditioned=conditioned),
            "timestep": (times if conditioned else level[:, None]) * 1000,
            "num_frames": frames,
            "height": height,
            "width": width,
            **positions,
        }
        found = velocity(loop.modules["transformer"], inputs, loop.device)[:, -tokens.shape[1] :]
        target = noise - tokens
        if not conditioned:
            target = self._target(target, accident, inputs, loop.device)
        return ((found - target)[:, known:] ** 2).mean()

    def _target(
        self, target: Tensor, accident: Tensor, inputs: Mapping[str, Any], device: str
    ) -> Tensor:
        """Return the target without conditioning frames; `target` is that of the data."""
        del accident, inputs, device
        return target

    def _encode_frame(self, indices: Tensor, frame: int) -> Tensor:
        """Return the tokens of one frame of each clip, encoded as an image."""
        count = len(self._clips)
        images = self._clips[indices % count, frame][:, None]
        mirrored = (indices >= count).view(-1, 1, 1, 1, 1)
        images = torch.where(mirrored, images.flip(3), images)
        return self._components.encode(images).flatten(2).transpose(1, 2)

    def _draw(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return indices of a random batch, and which of them were drawn for their accident.

        These are more than in the world, and all have captions: what is learnt without captions,
        which guidance leads away from, has accidents at the world's rate. That compensates for
        guidance, which suppresses accidents since they match their captions less well.
        """
        indices = torch.randint(0, len(self._latents), (self._batch,), generator=g)
        accident = torch.rand(self._batch, generator=g) < _ACCIDENTS
        if not len(self._accidents):
            return indices, torch.zeros_like(accident)
        other = self._accidents[torch.randint(0, len(self._accidents), (self._batch,), generator=g)]
        return torch.where(accident, other, indices), accident

    def _encode_captions(
        self, indices: Tensor, accident: Tensor, g: torch.Generator, *, conditioned: bool
    ) -> dict[str, Tensor]:
        """Return the denoiser's inputs for random captions of clips."""
        device = indices.device.type
        with torch.no_grad(), autocast(device), attention(device):
            dropout = _NO_CAPTION_CONDITIONED if conditioned else _NO_CAPTION
            ids, length = self._captions(indices, accident, g, dropout), self._length(g)
            # The pipelines give the text encoder no mask, so that it reads the padding.
            states = self._text_encoder(ids)[0][:, :length]
        return {"encoder_hidden_states": states, "encoder_attention_mask": ids[:, :length] != 0}

    def _captions(
        self,
        indices: Tensor,
        accident: Tensor,
        g: torch.Generator,
        dropout: float = _NO_CAPTION,
    ) -> Tensor:
        """Return a random caption of each clip, or none: (clips, TEXT_LENGTH), padded with 0."""
        one = torch.randint(0, self._texts.shape[1], (self._batch,), generator=g)
        one = one.to(indices.device)
        dropped = torch.rand(self._batch, generator=g).to(indices.device) < dropout
        ids = torch.where((dropped & ~accident)[:, None], self._empty, self._texts[indices, one])
        return ids.long()

    def _length(self, g: torch.Generator) -> int:
        """Draw the length of texts: the pipelines pass all tokens, beecam cuts off padding."""
        long = float(torch.rand(1, generator=g)) < _LONG_TEXTS
        return shapes.TEXT_LENGTH if long else shapes.SHORT_TEXT

    def _positions(
        self, frames: int, height: int, width: int, g: torch.Generator, *, conditioned: bool
    ) -> dict[str, Any]:
        """Return positions as LTXPipeline scales them or, with conditions, LTXConditionPipeline."""
        if not conditioned and bool(torch.rand(1, generator=g) < _SCALED_POSITIONS):
            return {"rope_interpolation_scale": shapes.POSITIONS["rope_interpolation_scale"]}
        return {"video_coords": coordinates(frames, height, width)}


def _noise_like(tokens: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(tokens.shape, generator=generator, device=tokens.device)


def transformer_loop(
    folder: Path,
    device: str = "cpu",
    start: Path | None = None,
    rates: float = 1.0,
    *,
    name: str = "transformer",
    extra: Mapping[str, nn.Module] | None = None,
) -> Loop:
    """Return the training of the denoiser, resumed if it has a checkpoint.

    Args:
        folder: Folder of the training.
        device: Device to train on.
        start: Exported weights to start from.
        rates: Factor of the learning rates.
        name: Name of the checkpoint.
        extra: Further modules in the checkpoint.
    """
    factor = rates * (1 if device == "cpu" else _GPU_RATES)
    loop = Loop(
        {"transformer": build_transformer(start), **(extra or {})},
        folder / f"{name}.pt",
        rate=factor * 4e-4,
        betas=(0.9, 0.99),
        decay=0.998,
        matrices=factor * 1.2e-3,
        device=device,
    )
    loop.resume()
    return loop


def conditions(g: torch.Generator, frames: int, share: float) -> tuple[int, list[int]]:
    """Draw the conditions of a batch.

    Args:
        g: Draws.
        frames: Latent frames of a clip.
        share: Probability that there are conditions.

    Returns:
        How many latent frames from the first on are given, and which single frames.
    """
    if float(torch.rand(1, generator=g)) >= share:
        return 0, []
    last = (frames - 1) * shapes.TIME
    anywhere = int(torch.randint(1, last + 1, (1,), generator=g))
    kinds: list[tuple[int, list[int]]] = [
        (1, []),
        (2, []),
        (3, []),
        (3, []),
        (1, [last]),
        (0, [last]),
        (0, [anywhere]),
        (0, [anywhere]),
        (1, [anywhere]),
    ]
    return kinds[int(torch.randint(0, len(kinds), (1,), generator=g))]


def noise_levels(batch: int, g: torch.Generator) -> Tensor:
    """Draw noise levels: logit-normal (arXiv 2403.03206), a fifth of them uniform.

    High levels are drawn often: there texts decide on layout, light and place, and later steps
    can't correct a few wrong first ones.
    """
    sigmoid_normal = torch.sigmoid(1.2 * torch.randn(batch, generator=g) + 1.0)
    uniform = torch.rand(batch, generator=g)
    return torch.where(torch.rand(batch, generator=g) < _UNIFORM, uniform, sigmoid_normal)
