"""The autoencoder, diffusers' own LTX class at a small size, and clips as it takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks import shapes


def build_autoencoder(weights: Path | None = None) -> Any:
    """Return the autoencoder: 24x24 pixels and 4 frames to 144 numbers, 5.8 M parameters.

    Args:
        weights: Exported weights to load; by default it is initialised at random.
    """
    from diffusers import AutoencoderKLLTXVideo

    if weights is not None:
        return AutoencoderKLLTXVideo.from_pretrained(weights / "vae", torch_dtype=torch.float32)
    return AutoencoderKLLTXVideo(
        latent_channels=shapes.CHANNELS,
        block_out_channels=(32, 64, 128),
        down_block_types=("LTXVideo095DownBlock3D",) * 2,
        decoder_block_out_channels=(64, 128),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False,) * 3,
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(True, True),
        upsample_factor=(2, 2),
        patch_size=6,
    )


def zero_variance(model: Any) -> None:
    """Make the encoder deterministic: it was trained without a prior, its variance is arbitrary."""
    last = model.encoder.conv_out.conv
    with torch.no_grad():
        last.weight[-1].zero_()
        last.bias[-1].fill_(-30.0)


def to_video(clips: Tensor) -> Tensor:
    """Return uint8 clips (clips, frames, height, width, 3) as video.

    Returns:
        (clips, 3, frames, height, width), float32, -1 to 1.
    """
    return clips.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_clips(video: Tensor) -> Tensor:
    """Return video as uint8 clips on the CPU: the inverse of `to_video`."""
    return ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu()


def psnr(video: Tensor, clips: Tensor) -> float:
    """Return the peak signal-to-noise ratio of video (-1 to 1) against uint8 clips, mean in dB."""
    error = ((video.float().cpu().clamp(-1, 1) - to_video(clips)) ** 2).mean((1, 2, 3, 4))
    return float((-10 * torch.log10(error / 4)).mean())
