"""Latents and captions of rendered clips, a file for each shard: what the denoiser learns from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beecam.files import whole
from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.components import FILE, Components
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import Scene

CAPTIONS = 8  # written for each clip, one of which is drawn
# How much more often each accident is drawn with a caption than it happens, relative to the others.
# Guidance lifts the odds of what has captions, over those of what has none, to its power (3). So
# what came too seldom in clips of the weights of before is drawn as many times more often as the
# cube root of what it lacked: 0.65 and 0.088 times this as often as in the world, with _ODD.
MORE: Mapping[str, int] = {
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
class Known:
    """Clips, and what is learnt from them.

    Attributes:
        clips: clips x frames x height x width x 3, uint8.
        latents: Those of the clips, then those of their mirror images, float16:
            2 clips x channels x frames x height x width.
        texts: Captions of each as tokens, padded with 0: 2 clips x CAPTIONS x TEXT_LENGTH, int16.
        odd: Which of `latents` have an accident, as indices, each as often as MORE says.
    """

    clips: Tensor
    latents: Tensor
    texts: Tensor
    odd: Tensor


def write(folder: Path, components: Components) -> int:
    """Write the latents and captions of those shards of clips that have none, or others' yet.

    Args:
        folder: Of the training, with the components' file.
        components: Give the latents, on their device.

    Returns:
        How many shards have them.
    """
    target = folder / "latents"
    target.mkdir(parents=True, exist_ok=True)
    device = components.mean.device
    shards = sorted((folder / "clips").glob("clips-*.pt"))
    common = _common(folder)
    for shard in shards:
        path = target / shard.name.replace("clips", "latents")
        source = _source(common, shard)
        if path.exists() and stored.tensors(path, mmap=True)["source"] == source:
            continue
        clips, scenes = data.load_shards([shard])
        # A mirrored clip is as good a clip, with its pan the other way round.
        straight, turned = (
            torch.cat([components.encode(part.to(device)) for part in torch.split(some, 50)])
            for some in (clips, clips.flip(3))
        )
        both = torch.stack([straight, turned]).half().cpu()
        texts = torch.stack(
            [
                written([scene.attributes for scene in scenes], f"{shard.name} straight"),
                written([mirrored(scene) for scene in scenes], f"{shard.name} mirrored"),
            ]
        )
        with whole(path) as file:
            torch.save({"latents": both, "texts": texts, "source": source}, file)
    return len(shards)


def load(folder: Path, clips: int | None = None) -> Known:
    """Load all shards that have latents.

    Args:
        folder: Of the training.
        clips: At most so many, in whole shards.

    Raises:
        FileNotFoundError: There are none.
        ValueError: They are of other components, captions or clips than there are now.
    """
    paths = files(folder, clips)
    kept = [stored.tensors(path, mmap=True) for path in paths]
    shards = [clips_of(path) for path in paths]
    clips_there, scenes = data.load_shards(shards)
    more = torch.tensor([MORE.get(scene.accident or "", 0) for scene in scenes]).repeat(2)
    both, texts = (
        torch.cat([one[what] for one in kept], 1).flatten(0, 1) for what in ("latents", "texts")
    )
    return Known(clips_there, both, texts, torch.arange(len(more)).repeat_interleave(more))


def files(folder: Path, clips: int | None = None) -> list[Path]:
    """Return the shards of latents, in the order of the clips'.

    Args:
        folder: Of the training.
        clips: Of at most so many, in whole shards.

    Raises:
        FileNotFoundError: There are none.
        ValueError: They are of other components, captions or clips than there are now.
    """
    limit = None if clips is None else -(-clips // data.SHARD)
    paths = sorted((folder / "latents").glob("latents-*.pt"))[:limit]
    if not paths:
        raise FileNotFoundError(
            f"{folder / 'latents'} has no latents-*.pt: run the stage `components` first."
        )
    common = _common(folder)
    for path in paths:
        shard = clips_of(path)
        kept = stored.tensors(path, mmap=True)["source"]
        if kept != _source(common, shard):
            raise ValueError(
                f"{path} is of other components, captions or clips than there are now: run the "
                "stage `components` again."
            )
    return paths


def clips_of(path: Path) -> Path:
    """Return the shard of clips of a shard of latents."""
    return path.parents[1] / "clips" / path.name.replace("latents", "clips")


def count(folder: Path) -> int:
    """Return how many clips have latents."""
    return data.SHARD * len(list((folder / "latents").glob("latents-*.pt")))


def _common(folder: Path) -> bytes:
    """Return what all latents and captions follow from, but for the clips."""
    return (folder / FILE).read_bytes() + Path(captions.__file__).read_bytes()


def _source(common: bytes, shard: Path) -> str:
    """Return a digest of what a shard's latents and captions follow from."""
    return hashlib.sha256(common + shard.with_suffix(".json").read_bytes()).hexdigest()


def mirrored(scene: Scene) -> dict[str, str]:
    """Return the attributes of a scene seen in a mirror."""
    swap = {"pan left": "pan right", "pan right": "pan left"}
    return {**scene.attributes, "camera": swap.get(scene.camera, scene.camera)}


def written(truth: Sequence[Mapping[str, str]], lots: str = "") -> Tensor:
    """Write captions, as tokens.

    Args:
        truth: What is to be said of each clip.
        lots: What the lots are drawn from.

    Returns:
        clips x CAPTIONS x TEXT_LENGTH, int16.
    """
    lot = random.Random(lots)  # noqa: S311
    texts = [captions.caption(one, lot) for one in truth for _ in range(CAPTIONS)]
    found = nets.tokenizer(captions.vocabulary())(
        texts,
        padding="max_length",
        max_length=nets.TEXT_LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    tokens: Tensor = found.short().view(len(truth), CAPTIONS, -1)
    return tokens
