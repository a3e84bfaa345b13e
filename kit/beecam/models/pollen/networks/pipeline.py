"""Clips from a folder of pollen's weights, through the pipeline alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.autoencoder import to_clips

_TOGETHER, _GPU_TOGETHER = 16, 128


def load_pipeline(weights: Path) -> Any:
    """Load exported weights as an LTXPipeline, with no progress bars and no network.

    Raises:
        FileNotFoundError: There are none in the folder.
    """
    if not (weights / "model_index.json").exists():
        raise FileNotFoundError(
            f"{weights} has no model_index.json: it must be a folder of exported weights, as the "
            "stage `export` of the training writes it."
        )
    from diffusers import LTXPipeline

    with _quietly():
        pipe = LTXPipeline.from_pretrained(weights, local_files_only=True, low_cpu_mem_usage=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Load without progress bars: pollen is there before one could be read."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    both = [log for log in (of_diffusers, of_transformers) if log.is_progress_bar_enabled()]
    for log in both:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in both:
            log.enable_progress_bar()


def make(
    pipe: Any, texts: Sequence[str], steps: int = 20, first_seed: int = 0, guidance: float = 3.0
) -> Tensor:
    """Make a clip of each text, with seeds that count up.

    Returns:
        clips x frames x height x width x 3, uint8.
    """
    out = []
    together = _TOGETHER if pipe.device.type == "cpu" else _GPU_TOGETHER
    for i in range(0, len(texts), together):
        part = list(texts[i : i + together])
        lots = [torch.Generator().manual_seed(first_seed + i + j) for j in range(len(part))]
        video = pipe(
            prompt=part,
            width=nets.SIZE,
            height=nets.SIZE,
            num_frames=nets.FRAMES,
            frame_rate=nets.FPS,
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="pt",
            generator=lots,
        ).frames
        out.append(to_clips(video.permute(0, 2, 1, 3, 4) * 2 - 1))
    return torch.cat(out)


def picture(clips: Tensor, path: Path, columns: int = 2) -> None:
    """Write five frames of each clip side by side, to look at."""
    from PIL import Image

    places = torch.linspace(0, clips.shape[1] - 1, 5).round().long()
    rows = clips[:, places].permute(0, 2, 1, 3, 4).flatten(2, 3)
    blocks = rows.chunk(columns)
    high = max(len(block) for block in blocks)
    full = torch.zeros(columns, high, *rows.shape[1:], dtype=torch.uint8)
    for i, block in enumerate(blocks):
        full[i, : len(block)] = block
    sheet = full.flatten(1, 2).permute(1, 0, 2, 3).flatten(1, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.numpy()).save(path)
