"""Losses and training loops of the reward networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam.models.pollen.networks.classifier import Classifier
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.networks.transformer import attention, build_transformer
from beecam.models.pollen.training.data import augmentation
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.training.rewards.examples import (
    ACCIDENT,
    CAMERA,
    STILL,
    Examples,
    add_noise,
)
from beecam.models.pollen.training.rewards.networks import DecodedMotion, Reader

BATCH, MOTION_BATCH = 64, 32
_GPU_BATCH = 128  # of both
_MAX_NOISE = 0.7
_NOISY_MOTION, _MAX_MOTION_NOISE = 0.6, 0.3  # share of the clips, and their noise level at most
_ACCIDENTS = 0.25  # share of the clips that are drawn from those with an accident


class ReaderLoss:
    """Cross entropy of the reader's predictions, from latents of any noise up to 0.7."""

    def __init__(self, examples: Examples) -> None:
        self._examples, self._accidents = examples, examples.accidents

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, count = loop.generator, BATCH if loop.device == "cpu" else _GPU_BATCH
        indices = torch.randint(0, len(self._examples), (count,), generator=g)
        if len(self._accidents):
            other = self._accidents[torch.randint(0, len(self._accidents), (count,), generator=g)]
            indices = torch.where(torch.rand(count, generator=g) < _ACCIDENTS, other, indices)
        level = _MAX_NOISE * torch.rand(count, generator=g) ** 1.5
        tokens = add_noise(self._examples.tokens(indices).to(loop.device), level, g)
        targets = self._examples.truth[indices].to(loop.device)
        # Dropout uses the global generator, which no checkpoint has.
        torch.manual_seed(int(torch.randint(0, 2**62, (1,), generator=g)))
        with autocast(loop.device), attention(loop.device):
            logits = loop.modules["reader"](tokens, level.to(loop.device))
        # An accident may hide the attributes of its clip.
        plain = targets[:, ACCIDENT] == 0
        total = F.cross_entropy(logits["accident"], targets[:, ACCIDENT])
        for i, name in enumerate(STILL):
            total = total + F.cross_entropy(logits[name][plain], targets[plain, i])
        return total


class MotionLoss:
    """Cross entropy of the camera move, on what the components decode from latents."""

    def __init__(self, examples: Examples, components: Components, device: str = "cpu") -> None:
        self._examples, self._plain = examples, examples.plain
        self._decoded = DecodedMotion(components).to(device)
        self._reversed = augmentation.reversed_labels(CAMERA)

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, count = loop.generator, MOTION_BATCH if loop.device == "cpu" else _GPU_BATCH
        indices = self._plain[torch.randint(0, len(self._plain), (count,), generator=g)]
        noisy = torch.rand(count, generator=g) < _NOISY_MOTION
        level = _MAX_MOTION_NOISE * torch.rand(count, generator=g) * noisy
        tokens = add_noise(self._examples.tokens(indices).to(loop.device), level, g)
        targets = self._examples.truth[indices, -1]
        video = augmentation.random_crop(self._decoded(tokens), g)
        video, targets = augmentation.vary_motion(video, targets, self._reversed, g)
        video = video.contiguous(memory_format=torch.channels_last_3d)
        return F.cross_entropy(loop.modules["classifier"](video), targets.to(loop.device))


def reader_loop(folder: Path, weights: Path, text_encoder: Any, device: str = "cpu") -> Loop:
    """Return the training of the reader, resumed if it has a checkpoint.

    Args:
        folder: Folder of the checkpoint.
        weights: Exported weights, whose denoiser's first layers it starts from.
        text_encoder: The text encoder of these weights.
        device: Device to train on.
    """
    torch.manual_seed(0)
    reader = Reader(build_transformer(weights), text_encoder, Components.load(weights))
    loop = Loop(
        {"reader": reader},
        folder / "reader.pt",
        rate=4e-4,
        betas=(0.9, 0.99),
        decay=0.99,
        matrices=8e-4,
        device=device,
    )
    loop.resume()
    return loop


def motion_loop(folder: Path, device: str = "cpu") -> Loop:
    """Return the training of the motion classifier, resumed if it has a checkpoint."""
    torch.manual_seed(11)
    classifier = Classifier(CAMERA)
    # A third faster.
    classifier.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    loop = Loop(
        {"classifier": classifier},
        folder / "motion.pt",
        rate=3e-3,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
        seed=11,
    )
    loop.resume()
    return loop
