"""Latents and captions of rendered clips, one file per shard: training data of the denoiser."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beecam._util.files import atomic_write
from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.components import FILE, Components
from beecam.models.pollen.networks.text_encoder import build_tokenizer
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import saved
from beecam.models.pollen.world import caption_words, captions

CAPTIONS = 8  # per clip, of which one is drawn
# How often each accident is drawn with a caption, in multiples of its rate in the world and
# relative to the others. Guidance raises the odds of clips with captions over those without to its
# power (3). So an accident that earlier weights generated too rarely is drawn more often by the
# cube root of what it lacked: with the share of accidents in flow.py, 0.65 and 0.088 times this as
# often as in the world.
OVERSAMPLING: Mapping[str, int] = {
    "own view": 14,
    "giant": 15,
    "swarm": 45,
    "upside down": 12,
    "mirror": 24,
    "petal": 25,
    "balloon": 21,
    "bird": 8,
    "light leak": 6,
    "two suns": 2,
    "rainbow": 12,
}


@dataclass(frozen=True)
class TrainingData:
    """Clips with their latents and captions.

    Attributes:
        clips: (clips, frames, height, width, 3), uint8.
        latents: Those of the clips, then those of their mirror images:
            (2 * clips, channels, frames, height, width), float16.
        texts: Captions as tokens, padded with 0: (2 * clips, CAPTIONS, TEXT_LENGTH), int16.
        accidents: Indices of latents with an accident, repeated as OVERSAMPLING says.
    """

    clips: Tensor
    latents: Tensor
    texts: Tensor
    accidents: Tensor


def write(folder: Path, components: Components) -> int:
    """Write the latents and captions of shards that have none, or outdated ones.

    Args:
        folder: Folder of the training, with the components' file.
        components: Encode the clips, on their device.

    Returns:
        The number of shards.
    """
    target = folder / "latents"
    target.mkdir(parents=True, exist_ok=True)
    device = components.mean.device
    shards = sorted((folder / "clips").glob("clips-*.pt"))
    common = _common_source(folder)
    for shard in shards:
        path = target / shard.name.replace("clips", "latents")
        source = _source_digest(common, shard)
        if path.exists() and saved.tensors(path, mmap=True)["source"] == source:
            continue
        clips, scenes = clip_files.load_shards([shard])
        straight, mirrored = (
            torch.cat([components.encode(part.to(device)) for part in torch.split(oriented, 50)])
            for oriented in (clips, clips.flip(3))
        )
        both = torch.stack([straight, mirrored]).half().cpu()
        texts = torch.stack(
            [
                caption_tokens([scene.attributes for scene in scenes], f"{shard.name} straight"),
                caption_tokens(
                    [scene.mirrored_attributes for scene in scenes], f"{shard.name} mirrored"
                ),
            ]
        )
        with atomic_write(path) as file:
            torch.save({"latents": both, "texts": texts, "source": source}, file)
    return len(shards)


def load(folder: Path, clips: int | None = None) -> TrainingData:
    """Load all shards that have latents.

    Args:
        folder: Folder of the training.
        clips: The maximum number of clips, rounded up to full shards.

    Raises:
        FileNotFoundError: There are no latents.
        ValueError: They are outdated: of other components, captions or clips.
    """
    paths = files(folder, clips)
    stored = [saved.tensors(path, mmap=True) for path in paths]
    loaded, scenes = clip_files.load_shards([clips_of(path) for path in paths])
    repeats = torch.tensor([OVERSAMPLING.get(scene.accident or "", 0) for scene in scenes])
    repeats = repeats.repeat(2)
    both, texts = (
        torch.cat([one[name] for one in stored], 1).flatten(0, 1) for name in ("latents", "texts")
    )
    accidents = torch.arange(len(repeats)).repeat_interleave(repeats)
    return TrainingData(loaded, both, texts, accidents)


def files(folder: Path, clips: int | None = None) -> list[Path]:
    """Return the shards of latents, in the order of those of clips.

    Args:
        folder: Folder of the training.
        clips: The maximum number of clips, rounded up to full shards.

    Raises:
        FileNotFoundError: There are no latents.
        ValueError: They are outdated: of other components, captions or clips.
    """
    limit = None if clips is None else -(-clips // clip_files.SHARD)
    paths = sorted((folder / "latents").glob("latents-*.pt"))[:limit]
    if not paths:
        raise FileNotFoundError(
            f"{folder / 'latents'} has no latents-*.pt: run the stage `components` first."
        )
    common = _common_source(folder)
    for path in paths:
        source = saved.tensors(path, mmap=True)["source"]
        if source != _source_digest(common, clips_of(path)):
            raise ValueError(
                f"{path} is outdated, of other components, captions or clips: run the stage "
                "`components` again."
            )
    return paths


def clips_of(path: Path) -> Path:
    """Return the shard of clips of a shard of latents."""
    return path.parents[1] / "clips" / path.name.replace("latents", "clips")


def count(folder: Path) -> int:
    """Return the number of clips that have latents."""
    return clip_files.SHARD * len(list((folder / "latents").glob("latents-*.pt")))


def _common_source(folder: Path) -> bytes:
    """Return the bytes that determine all latents and captions, apart from the clips."""
    sources = (captions, caption_words)
    return (folder / FILE).read_bytes() + b"".join(
        Path(str(one.__file__)).read_bytes() for one in sources
    )


def _source_digest(common: bytes, shard: Path) -> str:
    """Return a digest of what determines a shard's latents and captions."""
    return hashlib.sha256(common + shard.with_suffix(".json").read_bytes()).hexdigest()


def caption_tokens(attributes: Sequence[Mapping[str, str]], seed: str = "") -> Tensor:
    """Return random captions as tokens: (clips, CAPTIONS, TEXT_LENGTH), int16.

    Args:
        attributes: The attributes of each clip.
        seed: Seed of the captions.
    """
    rng = random.Random(seed)
    texts = [captions.caption(one, rng) for one in attributes for _ in range(CAPTIONS)]
    found = build_tokenizer()(
        texts,
        padding="max_length",
        max_length=shapes.TEXT_LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    tokens: Tensor = found.short().view(len(attributes), CAPTIONS, -1)
    return tokens
