"""The denoiser and its scheduler: diffusers' own LTX classes at a small size."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.world.scene import FPS


def build_transformer(weights: Path | None = None) -> Any:
    """Return the denoiser: 320 wide, 6 layers, 10.9 M parameters.

    Args:
        weights: Exported weights to load; by default it is initialised at random.
    """
    from diffusers import LTXVideoTransformer3DModel

    if weights is not None:
        return LTXVideoTransformer3DModel.from_pretrained(
            weights / "transformer", torch_dtype=torch.float32
        )
    return LTXVideoTransformer3DModel(
        in_channels=shapes.CHANNELS,
        out_channels=shapes.CHANNELS,
        num_attention_heads=5,
        attention_head_dim=64,
        cross_attention_dim=320,
        num_layers=6,
        caption_channels=shapes.TEXT_WIDTH,
    )


def build_scheduler() -> Any:
    """Return the flow matching scheduler.

    The shift spends more steps at high noise levels, where the layout is decided.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=3.0)


def velocity(network: Any, inputs: Mapping[str, Any], device: str) -> Tensor:
    """Return the velocity that a denoiser predicts: (clips, tokens, channels), float32.

    Args:
        network: The denoiser.
        inputs: Its keyword arguments.
        device: Device of the network.
    """
    with autocast(device), attention(device):
        found: Tensor = network(**inputs).sample
    return found.float()


def attention(device: str) -> contextlib.AbstractContextManager[None]:
    """Return a context that selects the attention kernel.

    On a CPU the backward pass of the fused kernel takes four times as long as the plain one.
    """
    if device != "cpu":
        return contextlib.nullcontext()
    # Otherwise the plain kernel computes in float32.
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(enabled=True)
    return sdpa_kernel(SDPBackend.MATH)


def coordinates(frames: int, height: int, width: int, first: int = 0) -> Tensor:
    """Return the coordinates of tokens as LTXConditionPipeline computes them.

    Args:
        frames: Latent frames.
        height: Latent cells.
        width: Latent cells.
        first: Frame of the clip at which they begin.

    Returns:
        (3, tokens): seconds, and y and x in pixels.
    """
    t, y, x = torch.meshgrid(*map(torch.arange, (frames, height, width)), indexing="ij")
    seconds = ((t * shapes.TIME + 1 - shapes.TIME).clamp(min=0) + first) / FPS
    return torch.stack([seconds, y * shapes.SPACE, x * shapes.SPACE]).flatten(1).float()
