"""Load pollen's weights as a diffusers pipeline, and generate clips with it.

`bc.load()` imports this module: it must not import anything of the training.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.autoencoder import to_clips
from beecam.models.pollen.world.scene import FPS, FRAMES, SIZE
from beecam.models.revision.set_values import remember_as_built

WEIGHTS = Path(__file__).parents[1] / "weights"  # those that ship
_BATCH, _GPU_BATCH = 16, 128


def load_pipeline(weights: Path) -> Any:
    """Load exported weights as an LTXPipeline, without progress bars or network access.

    Raises:
        FileNotFoundError: The folder has no pipeline.
    """
    if not (weights / "model_index.json").exists():
        raise FileNotFoundError(
            f"{weights} has no model_index.json: it must be a folder of exported weights, as the "
            "stage `export` of the training writes it."
        )
    from diffusers import LTXPipeline

    with _no_progress_bars():
        pipe = LTXPipeline.from_pretrained(
            weights,
            text_encoder=_text_encoder(weights / "text_encoder"),
            local_files_only=True,
            low_cpu_mem_usage=False,
        )
    pipe.set_progress_bar_config(disable=True)
    remember_as_built(pipe)
    return pipe


def _text_encoder(folder: Path) -> Any:
    """Load the text encoder as its `from_pretrained` does.

    That compiles a thousand patterns first, for checkpoints of other architectures, which takes a
    tenth of the time to the first clip.
    """
    from safetensors.torch import load_file
    from transformers import T5Config, T5EncoderModel

    encoder = T5EncoderModel(T5Config.from_pretrained(folder, local_files_only=True))
    found = encoder.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    # Files have tied weights once.
    missing = set(found.missing_keys) - {*encoder.all_tied_weights_keys}
    if missing or found.unexpected_keys:
        raise ValueError(f"{folder}: not the weights of its configuration: {found}.")
    return encoder.eval()


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Disable progress bars while loading, which takes less time than reading one."""
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


def generate(
    pipe: Any, prompts: Sequence[str], steps: int = 20, first_seed: int = 0, guidance: float = 3.0
) -> Tensor:
    """Generate a clip of each prompt, with consecutive seeds.

    Args:
        pipe: An LTXPipeline.
        prompts: One per clip.
        steps: Denoising steps.
        first_seed: Seed of the first clip.
        guidance: Guidance scale.

    Returns:
        (clips, frames, height, width, 3), uint8.
    """
    out = []
    batch = _BATCH if pipe.device.type == "cpu" else _GPU_BATCH
    for i in range(0, len(prompts), batch):
        part = list(prompts[i : i + batch])
        generators = [torch.Generator().manual_seed(first_seed + i + j) for j in range(len(part))]
        video = pipe(
            prompt=part,
            width=SIZE,
            height=SIZE,
            num_frames=FRAMES,
            frame_rate=FPS,
            num_inference_steps=steps,
            guidance_scale=guidance,
            output_type="pt",
            generator=generators,
        ).frames
        out.append(to_clips(video.permute(0, 2, 1, 3, 4) * 2 - 1))
    return torch.cat(out)


def save_contact_sheet(clips: Tensor, path: Path, columns: int = 2) -> None:
    """Write an image with five frames of each clip side by side.

    Args:
        clips: (clips, frames, height, width, 3), uint8.
        path: Image file to write.
        columns: Columns of clips.
    """
    from PIL import Image

    indices = torch.linspace(0, clips.shape[1] - 1, 5).round().long()
    rows = clips[:, indices].permute(0, 2, 1, 3, 4).flatten(2, 3)
    blocks = rows.chunk(columns)
    high = max(len(block) for block in blocks)
    full = torch.zeros(columns, high, *rows.shape[1:], dtype=torch.uint8)
    for i, block in enumerate(blocks):
        full[i, : len(block)] = block
    sheet = full.flatten(1, 2).permute(1, 0, 2, 3).flatten(1, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.numpy()).save(path)
