"""What can't be introspected of a pipeline, a row for each family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """One family of pipelines.

    Attributes:
        name: What people call it.
        classes: Its diffusers pipeline classes.
        size_step: Width and height are multiples of this.
        frame_step: Frame counts are a multiple of this, plus one.
        fps: Frames a second at which it was trained to play.
        fps_argument: The pipeline's argument that takes the fps, if it has one.
        encoded: Names of the pipeline's arguments for what `encode_prompt` returns, in its order.
        encoded_negative: Which of them belong to the negative prompt.
        masks_padding: Whether padded tokens of a text have no part in the result.
        unpack: Turns the denoiser's latents into batch x channels x frames x height x width.
        defaults: Arguments that differ from the pipeline's own defaults.
    """

    name: str
    classes: tuple[str, ...]
    size_step: int
    frame_step: int
    fps: float
    fps_argument: str | None
    encoded: tuple[str, ...]
    encoded_negative: tuple[str, ...]
    unpack: Callable[[Any, Any, int, int, int], Any]
    masks_padding: bool
    defaults: Mapping[str, Any]


def _unpack_ltx(pipe: Any, latents: Any, num_frames: int, height: int, width: int) -> Any:
    return pipe._unpack_latents(  # noqa: SLF001  (the pipeline has no public way)
        latents,
        (num_frames - 1) // pipe.vae_temporal_compression_ratio + 1,
        height // pipe.vae_spatial_compression_ratio,
        width // pipe.vae_spatial_compression_ratio,
        pipe.transformer_spatial_patch_size,
        pipe.transformer_temporal_patch_size,
    )


def _as_they_are(pipe: Any, latents: Any, num_frames: int, height: int, width: int) -> Any:  # noqa: ARG001
    return latents


FAMILIES = (
    Family(
        name="LTX",
        classes=("LTXPipeline",),
        size_step=32,
        frame_step=8,
        fps=25.0,
        fps_argument="frame_rate",
        encoded=(
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        ),
        encoded_negative=("negative_prompt_embeds", "negative_prompt_attention_mask"),
        unpack=_unpack_ltx,
        masks_padding=True,
        defaults={},
    ),
    Family(
        name="Wan",
        classes=("WanPipeline",),
        size_step=16,
        frame_step=4,
        fps=16.0,
        fps_argument=None,
        encoded=("prompt_embeds", "negative_prompt_embeds"),
        encoded_negative=("negative_prompt_embeds",),
        unpack=_as_they_are,
        masks_padding=False,
        defaults={},
    ),
)


def family_of(class_name: str) -> Family | None:
    """Return the family of a pipeline class, or None when it is in no row."""
    return next((family for family in FAMILIES if class_name in family.classes), None)
