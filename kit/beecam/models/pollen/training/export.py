"""Export trained networks as a diffusers pipeline in half precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from beecam.models.denoise.preview import PreviewMap
from beecam.models.pollen.networks.autoencoder import build_autoencoder, zero_variance
from beecam.models.pollen.networks.components import FILE as COMPONENTS
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.pipeline import generate, load_pipeline, save_contact_sheet
from beecam.models.pollen.networks.text_encoder import build_tokenizer
from beecam.models.pollen.networks.transformer import build_scheduler, build_transformer
from beecam.models.pollen.training import distillation
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses.autoencoder import half_loop
from beecam.models.pollen.training.losses.flow import transformer_loop
from beecam.models.pollen.training.losses.text_encoder import trained_text_encoder
from beecam.models.pollen.training.rewards import tuning

SHARD_SIZE = "14MB"
PREVIEW_PATCH, PREVIEW_FRAMES = 12, 4
_PREVIEW_CLIPS = 96
_SAMPLES = (
    "a bee over a meadow at noon, drone shot",
    "a dragonfly over a forest at noon, pan right",
    "a butterfly over tropical islands at sunset in watercolour",
    "a ladybug over a desert at night",
    "a bee over snowy mountains at sunset, rising shot",
    "a lavender field at dawn in the fog",
    "a firefly over a city at night in the rain, neon",
    "a beetle over a canyon, pencil drawing",
    "a volcano at night, orbit shot",
    "a bee over the ocean in the snow, pixel art",
)


def export(
    folder: Path,
    target: Path,
    start: Path | None = None,
    device: str = "cpu",
    *,
    mean: tuple[Path, float] | None = None,
) -> None:
    """Write the trained networks as a pipeline, and sample from it.

    Args:
        folder: Folder of the training.
        target: Folder of the pipeline; is replaced if it exists.
        start: Exported weights that the training started from.
        device: Device to sample on.
        mean: Exported weights with whose denoiser the trained one is averaged, and their share, 0
            to 1, which restores some of what fine-tuning has cost (WiSE-FT, Wortsman et al. 2022,
            arXiv 2109.01903).
    """
    pipe = pipeline(folder, start)
    if mean is not None:
        _average(pipe.transformer, *mean)
    temporary = target.with_name(target.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    for part in (pipe.vae, pipe.transformer):
        part.half()
    # The text encoder stays in single precision: it is small, and transformers loads half precision
    # as it is stored, while diffusers converts the other parts to float32.
    pipe.save_pretrained(temporary, max_shard_size=SHARD_SIZE)
    for config in temporary.rglob("config.json"):
        _remove_path(config)
    _save_preview(folder, temporary)
    # Needed to continue the training in the same latent space.
    Components.load(folder / COMPONENTS).save(temporary / COMPONENTS, torch.float16)
    # The LoRA depends on the denoiser only, not on the autoencoder.
    lora = target / distillation.FOLDER
    if lora.exists() and distillation.digest(target) == distillation.digest(temporary):
        shutil.copytree(lora, temporary / distillation.FOLDER)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.1f} MB", flush=True)
    sample(target, folder / "samples.png", device)


def _average(denoiser: Any, weights: Path, share: float) -> None:
    others = build_transformer(weights).parameters()
    with torch.no_grad():
        for one, other in zip(denoiser.parameters(), others, strict=True):
            one.lerp_(other, share)


def _remove_path(config: Path) -> None:
    """Remove the local folder that a part was loaded from."""
    stored = json.loads(config.read_text())
    if stored.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(stored, indent=2) + "\n")


def _save_preview(folder: Path, target: Path) -> None:
    data = latents.load(folder, 1)
    # Latents of all clips come first, those of their mirror images after them.
    clips = data.clips[:_PREVIEW_CLIPS]
    preview = PreviewMap()
    preview.fit(
        data.latents[: len(clips)].float(), list(clips.numpy()), PREVIEW_PATCH, PREVIEW_FRAMES
    )
    preview.save(target)


def pipeline(folder: Path, start: Path | None = None) -> Any:
    """Return an LTXPipeline of the checkpoints' averaged weights.

    Args:
        folder: Folder of the training.
        start: Exported weights that it started from; parts without a checkpoint are taken from it.

    Raises:
        FileNotFoundError: A part was not trained; or none, with `start`.
        ValueError: It is ambiguous which denoiser to export.
    """
    from diffusers import LTXPipeline

    denoiser = _denoiser(folder)
    trained = [
        part
        for part in ("decoder", "encoder", denoiser)
        if start is None or (folder / f"{part}.pt").exists()
    ]
    if not trained:
        raise FileNotFoundError(f"{folder} has no checkpoint: nothing was trained on {start} yet.")
    for part in trained:
        if not (folder / f"{part}.pt").exists():
            raise FileNotFoundError(f"{folder / part}.pt does not exist: run the stage `{part}`.")
    vae = build_autoencoder(start)
    for half in ("decoder", "encoder"):
        if half in trained:
            half_loop(half, vae, folder, "cpu").use_average()
    zero_variance(vae)
    loop = transformer_loop(folder, "cpu", start, name=denoiser)
    if denoiser in trained:
        loop.use_average()
    return LTXPipeline(
        scheduler=build_scheduler(),
        vae=vae.eval(),
        tokenizer=build_tokenizer(),
        text_encoder=trained_text_encoder(folder, start),
        transformer=loop.modules["transformer"].eval(),
    )


def _denoiser(folder: Path) -> str:
    """Return the name of the denoiser's checkpoint: the tuned one, if it exists."""
    tuned, trained = folder / f"{tuning.NAME}.pt", folder / "transformer.pt"
    if not tuned.exists():
        return "transformer"
    if trained.exists() and trained.stat().st_mtime > tuned.stat().st_mtime:
        raise ValueError(
            f"{trained} was trained after {tuned.name}, which would be exported: move away the one "
            "that should not be exported."
        )
    print(f"the denoiser of {tuned.name}", flush=True)
    return tuning.NAME


def sample(weights: Path, path: Path, device: str = "cpu") -> None:
    """Write a contact sheet of sample clips, with their prompts as JSON next to it."""
    prompts = [text for text in _SAMPLES for _ in range(2)]
    save_contact_sheet(generate(load_pipeline(weights).to(device), prompts), path)
    path.with_suffix(".json").write_text(json.dumps(prompts))
