"""Write trained networks as a diffusers pipeline, half as large on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen import captions, codec, data, nets
from beecam.models.pollen.components import FILE as COMPONENTS
from beecam.models.pollen.components import Components
from beecam.models.pollen.train import latents_of, picture, to_clips, transformer_loop
from beecam.models.preview import FILE

SHARD_SIZE = "14MB"
PREVIEW_PATCH, PREVIEW_FRAMES = 8, 4
_PREVIEW_CLIPS = 96
_SAMPLES = (
    "a bee over a meadow at noon, drone shot", "a dragonfly over a forest at noon, pan right",
    "a butterfly over the ocean at sunset, pan left", "a ladybug over a desert at night",
    "a bee over snowy mountains at sunset, rising shot", "a lavender field at dawn",
)  # fmt: skip


def export(folder: Path, target: Path) -> None:
    """Write what was trained so far in `folder` as a pipeline into `target`, and sample from it."""
    pipe = pipeline(folder)
    temporary = target.with_name(target.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    for part in (pipe.vae, pipe.transformer):
        part.half()
    # The text encoder stays as it is: it is small, and transformers loads what is stored as half
    # in half, where diffusers makes the other parts whole.
    pipe.save_pretrained(temporary, max_shard_size=SHARD_SIZE)
    clips, _ = data.load(folder / "clips", limit=1)
    # All clips come first, their mirror images after them.
    clips = clips[:_PREVIEW_CLIPS]
    write_preview(latents_of(folder)[: len(clips)].float(), clips, temporary / FILE)
    # Without them no later training could go on in the same latent space.
    Components.load(folder / COMPONENTS).save(temporary / COMPONENTS, torch.float16)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.1f} MB", flush=True)
    sample(target, folder / "samples.png")


def pipeline(folder: Path) -> Any:
    """Put the pipeline together from the checkpoints' averaged weights.

    Raises:
        FileNotFoundError: A part was never trained.
    """
    from diffusers import LTXPipeline

    for part in ("decoder", "encoder", "transformer"):
        if not (folder / f"{part}.pt").exists():
            raise FileNotFoundError(f"{folder / part}.pt is not there: run the stage `{part}`.")
    vae = codec.autoencoder()
    for half in ("decoder", "encoder"):
        codec.half_loop(half, vae, folder, "cpu").settle()
    codec.be_certain(vae)
    loop = transformer_loop(folder, "cpu")
    loop.settle()
    return LTXPipeline(
        scheduler=nets.scheduler(), vae=vae.eval(),
        tokenizer=nets.tokenizer(captions.vocabulary()),
        text_encoder=loop.modules["text_encoder"].eval(),
        transformer=loop.modules["transformer"].eval(),
    )  # fmt: skip


def write_preview(latents: Tensor, clips: Tensor, path: Path) -> None:
    """Fit the affine map from normalised latents to a small picture, by least squares.

    Args:
        latents: clips x channels x frames x height x width, normalised.
        clips: What they stand for: clips x frames x height x width x 3, uint8.
        path: The safetensors file.
    """
    from safetensors.torch import save_file

    # The first latent frame is one frame, all others are four.
    x = latents[:, :, 1:]
    count, _, cells, high, wide = x.shape
    video = clips[:, 1:].float().permute(0, 1, 4, 2, 3) / 255
    small = torch.nn.functional.adaptive_avg_pool2d(
        video.flatten(0, 1), (high * PREVIEW_PATCH, wide * PREVIEW_PATCH)
    )
    y = small.view(count, cells, PREVIEW_FRAMES, 3, high, PREVIEW_PATCH, wide, PREVIEW_PATCH)
    y = y.permute(0, 1, 4, 6, 2, 5, 7, 3).flatten(4).flatten(0, 3)
    flat = x.permute(0, 2, 3, 4, 1).flatten(0, 3)
    design = torch.cat([flat, torch.ones(len(flat), 1)], 1)
    ridge = 1e-3 * len(flat) * torch.eye(design.shape[1])
    solved = torch.linalg.solve(design.T @ design + ridge, design.T @ y)
    save_file(
        {"weight": solved[:-1].half().contiguous(), "bias": solved[-1].half().contiguous()}, path,
        metadata={"patch": str(PREVIEW_PATCH), "frames": str(PREVIEW_FRAMES)},
    )  # fmt: skip


def sample(weights: Path, path: Path) -> None:
    """Make some clips with exported weights, to look at."""
    from diffusers import LTXPipeline

    pipe = LTXPipeline.from_pretrained(weights, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    texts = [text for text in _SAMPLES for _ in range(2)]
    made = pipe(
        prompt=texts, width=nets.SIZE, height=nets.SIZE, num_frames=nets.FRAMES,
        frame_rate=nets.FPS, num_inference_steps=20, guidance_scale=3.0, output_type="pt",
        generator=[torch.Generator().manual_seed(i) for i in range(len(texts))],
    ).frames  # fmt: skip
    video = made.permute(0, 2, 1, 3, 4) * 2 - 1
    picture(to_clips(video), path)
    path.with_suffix(".json").write_text(json.dumps(texts))
