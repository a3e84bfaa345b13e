"""The autoencoder's two halves, each trained for itself towards latents that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data.latents import Known
from beecam.models.pollen.training.optimization.loop import Loop

HELD_BACK = 64  # clips at the end that are only measured on
_RATE = 1.5e-3
_BATCH = 2
_GPU_BATCH = 64


def autoencoder(start: Path | None = None) -> Any:
    """Make the autoencoder, or take that of exported weights."""
    model = nets.autoencoder()
    if start is not None:
        model = type(model).from_pretrained(start / "vae", torch_dtype=torch.float32)
    return model


def half_loop(half: str, model: Any, folder: Path, device: str) -> Loop:
    """Make or resume the training of one half.

    Args:
        half: "decoder" or "encoder".
        model: The autoencoder, whose half is trained in place.
        folder: Keeps the checkpoint.
        device: Where to train.
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
    """The squared error of one half, on clips as they are and mirrored."""

    def __init__(self, half: str, model: Any, known: Known) -> None:
        """Keep what batches are drawn from, on the model's device.

        Args:
            half: "decoder" or "encoder".
            model: The autoencoder.
            known: Clips and their latents.
        """
        self._half = half
        self._model = model
        self._clips = known.clips.to(model.device)
        self._latents = known.latents.to(model.device)

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        batch = _BATCH if loop.device == "cpu" else _GPU_BATCH
        which = torch.randint(0, len(self._clips) - HELD_BACK, (batch,), generator=g)
        turned = torch.rand(batch, generator=g) < 0.5  # noqa: PLR2004
        which, turned = which.to(loop.device), turned.to(loop.device)
        video = to_video(self._clips[which])
        video = torch.where(turned.view(-1, 1, 1, 1, 1), video.flip(4), video)
        latents = self._latents[which + turned * len(self._clips)].float()
        with autocast(loop.device):
            if self._half == "encoder":
                found: Tensor = self._model.encode(video).latent_dist.mean
            else:
                found = self._model.decode(latents).sample
        if self._half == "encoder":
            return ((found.float() - latents) ** 2).mean()
        # What is left after the first minutes is at edges, and with it the insects: the error's
        # own slopes weigh fine detail more.
        error = found.float() - video
        across, down = error.diff(dim=4), error.diff(dim=3)
        return (error**2).mean() + (across**2).mean() + (down**2).mean()


def be_certain(model: Any) -> None:
    """Let encoding give the mean: trained without a prior, the variance's channel means nothing."""
    last = model.encoder.conv_out.conv
    with torch.no_grad():
        last.weight[-1].zero_()
        last.bias[-1].fill_(-30.0)


def to_video(clips: Tensor) -> Tensor:
    """uint8 clips x frames x height x width x 3 to clips x 3 x frames x height x width, -1 to 1."""
    return clips.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_clips(video: Tensor) -> Tensor:
    """Undo `to_video`."""
    return ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu()


def nearness(found: Tensor, clips: Tensor) -> float:
    """Return the peak signal-to-noise ratio of video (-1 to 1) against clips, mean over clips."""
    error = ((found.float().cpu().clamp(-1, 1) - to_video(clips)) ** 2).mean((1, 2, 3, 4))
    return float((-10 * torch.log10(error / 4)).mean())
