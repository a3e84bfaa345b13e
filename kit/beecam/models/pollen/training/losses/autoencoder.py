"""Losses of the autoencoder's two halves: each is trained by itself, on known latents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.autoencoder import to_video
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data.latents import TrainingData
from beecam.models.pollen.training.optimization.loop import Loop

HELD_BACK = 64  # clips at the end that are only used to measure
_RATE = 1.5e-3
_BATCH = 2
_GPU_BATCH = 64
_HALF = 0.5


def half_loop(half: str, model: Any, folder: Path, device: str) -> Loop:
    """Return the training of one half, resumed if it has a checkpoint.

    Args:
        half: "decoder" or "encoder".
        model: The autoencoder, whose half is trained in place.
        folder: Folder of the checkpoint.
        device: Device to train on.
    """
    loop = Loop(
        {half: getattr(model, half)},
        folder / f"{half}.pt",
        rate=_RATE,
        betas=(0.9, 0.95),
        decay=0.99,
        device=device,
    )
    loop.resume()
    return loop


class HalfLoss:
    """Squared error of one half, on clips and their mirror images."""

    def __init__(self, half: str, model: Any, data: TrainingData) -> None:
        """Store the training data on the model's device.

        Args:
            half: "decoder" or "encoder".
            model: The autoencoder.
            data: Clips and their latents.
        """
        self._half = half
        self._model = model
        self._clips = data.clips.to(model.device)
        self._latents = data.latents.to(model.device)

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        batch = _BATCH if loop.device == "cpu" else _GPU_BATCH
        indices = torch.randint(0, len(self._clips) - HELD_BACK, (batch,), generator=g)
        mirrored = torch.rand(batch, generator=g) < _HALF
        indices, mirrored = indices.to(loop.device), mirrored.to(loop.device)
        video = to_video(self._clips[indices])
        video = torch.where(mirrored.view(-1, 1, 1, 1, 1), video.flip(4), video)
        latents = self._latents[indices + mirrored * len(self._clips)].float()
        with autocast(loop.device):
            if self._half == "encoder":
                found: Tensor = self._model.encode(video).latent_dist.mean
            else:
                found = self._model.decode(latents).sample
        if self._half == "encoder":
            return ((found.float() - latents) ** 2).mean()
        # After the first minutes the error is at edges, and so at the insects: its gradients give
        # fine detail more weight.
        error = found.float() - video
        across, down = error.diff(dim=4), error.diff(dim=3)
        return (error**2).mean() + (across**2).mean() + (down**2).mean()
