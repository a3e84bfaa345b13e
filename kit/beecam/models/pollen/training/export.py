"""Write trained networks as a diffusers pipeline, half as large on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks import autoencoder as codec
from beecam.models.pollen.networks import text_encoder as reading
from beecam.models.pollen.networks.components import FILE as COMPONENTS
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.pipeline import load_pipeline, make, picture
from beecam.models.pollen.training import distillation as fewsteps
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses.flow import transformer_loop
from beecam.models.pollen.training.rewards import tuning
from beecam.models.pollen.world import captions
from beecam.models.preview import PreviewMap

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
    """Write what was trained so far in `folder` as a pipeline into `target`, and sample from it.

    Args:
        folder: Of the training.
        target: Is made, or replaced.
        start: Exported weights that it started from.
        device: Where to sample.
        mean: Exported weights with whose denoiser that of the training is averaged, and their
            share, 0 to 1: what a model was taught last costs less of what it knew so (WiSE-FT,
            Wortsman et al. 2022, arXiv 2109.01903).
    """
    pipe = pipeline(folder, start)
    if mean is not None:
        _average(pipe.transformer, *mean)
    temporary = target.with_name(target.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    for part in (pipe.vae, pipe.transformer):
        part.half()
    # The text encoder stays as it is: it is small, and transformers loads what is stored as half
    # in half, where diffusers makes the other parts whole.
    pipe.save_pretrained(temporary, max_shard_size=SHARD_SIZE)
    for config in temporary.rglob("config.json"):
        _leave_out_where_it_lay(config)
    known = latents.load(folder, 1)
    # All clips come first, their mirror images after them.
    clips = known.clips[:_PREVIEW_CLIPS]
    preview = PreviewMap()
    preview.fit(
        known.latents[: len(clips)].float(), list(clips.numpy()), PREVIEW_PATCH, PREVIEW_FRAMES
    )
    preview.save(temporary)
    # Without them no later training could go on in the same latent space.
    Components.load(folder / COMPONENTS).save(temporary / COMPONENTS, torch.float16)
    # The LoRA was learnt from the denoiser, and is as good beside another autoencoder.
    learnt = target / fewsteps.FOLDER
    if learnt.exists() and fewsteps.digest(target) == fewsteps.digest(temporary):
        shutil.copytree(learnt, temporary / fewsteps.FOLDER)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:.1f} MB", flush=True)
    sample(target, folder / "samples.png", device)


def _average(denoiser: Any, weights: Path, share: float) -> None:
    others = nets.transformer(weights).parameters()
    with torch.no_grad():
        for one, other in zip(denoiser.parameters(), others, strict=True):
            one.lerp_(other, share)


def _leave_out_where_it_lay(config: Path) -> None:
    """Take out the folder that a part was loaded from, which is of no use on other machines."""
    kept = json.loads(config.read_text())
    if kept.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(kept, indent=2) + "\n")


def pipeline(folder: Path, start: Path | None = None) -> Any:
    """Put the pipeline together from the checkpoints' averaged weights.

    Args:
        folder: Of the training.
        start: Exported weights that it started from; what was not trained on stays as it is there.

    Raises:
        FileNotFoundError: A part was never trained; or none of those that `start` has.
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
            raise FileNotFoundError(f"{folder / part}.pt is not there: run the stage `{part}`.")
    vae = codec.autoencoder(start)
    for half in ("decoder", "encoder"):
        if half in trained:
            codec.half_loop(half, vae, folder, "cpu").settle()
    codec.be_certain(vae)
    loop = transformer_loop(folder, "cpu", start, name=denoiser)
    if denoiser in trained:
        loop.settle()
    return LTXPipeline(
        scheduler=nets.scheduler(),
        vae=vae.eval(),
        tokenizer=nets.tokenizer(captions.vocabulary()),
        text_encoder=reading.encoder(folder, start),
        transformer=loop.modules["transformer"].eval(),
    )


def _denoiser(folder: Path) -> str:
    """Return which checkpoint has the denoiser: the tuned one, if there is one."""
    tuned, usual = folder / f"{tuning.NAME}.pt", folder / "transformer.pt"
    if not tuned.exists():
        return "transformer"
    if usual.exists() and usual.stat().st_mtime > tuned.stat().st_mtime:
        raise ValueError(
            f"{usual} was trained after {tuned.name}, which would be exported: move away the one "
            "that isn't meant."
        )
    print(f"the denoiser of {tuned.name}", flush=True)
    return tuning.NAME


def sample(weights: Path, path: Path, device: str = "cpu") -> None:
    """Make some clips with exported weights, to look at."""
    texts = [text for text in _SAMPLES for _ in range(2)]
    picture(make(load_pipeline(weights).to(device), texts), path)
    path.with_suffix(".json").write_text(json.dumps(texts))
