"""Train the reward networks, measure what they recognise, and load them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.components import FILE, Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.networks.transformer import attention
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.rewards.examples import (
    ACCIDENT,
    CAMERA,
    STILL,
    VALUES,
    Examples,
    load_examples,
)
from beecam.models.pollen.training.rewards.losses import (
    BATCH,
    MotionLoss,
    ReaderLoss,
    motion_loop,
    reader_loop,
)
from beecam.models.pollen.training.rewards.networks import Rewards
from beecam.models.pollen.world.scene import ACCIDENTS
from beecam.models.pollen.world.splits import UNSEEN

FOLDER = "rewards"
CLIPS = 12_000
FIRST = UNSEEN // 16  # seed from which their scenes are drawn: no classifier's
_MEASURED = "measured.json"
_HELD_BACK = 6  # one in six shards measures how good they are
_RECOGNISED = 0.5  # share of an accident's clips, for clips to be tuned by it
_READER_SHARE = 0.35  # of the training time


def train(
    folder: Path, weights: Path, text_encoder: Any, *, clips: int, minutes: float, device: str
) -> None:
    """Train both networks on clips of their own, and write what they recognise.

    Args:
        folder: Folder of their clips, latents and checkpoints, and of nothing else.
        weights: Exported weights in whose latent space they work.
        text_encoder: The text encoder of these weights.
        clips: Number of clips to render.
        minutes: Training time of both together.
        device: Device to train on.

    Raises:
        ValueError: With so few clips none are left to measure how good they are.
    """
    if clips <= clip_files.SHARD:
        raise ValueError(
            f"--clips {clips}: rewards need more than {clip_files.SHARD}, the last of which "
            f"measure how good they are; the default is {CLIPS:,}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    components = _checked_components(folder, weights)
    clip_files.render_parallel(folder / "clips", clips, device, first=FIRST)
    latents.write(folder, components.to(device))
    shards = latents.files(folder)
    held = -(-len(shards) // _HELD_BACK)
    known, unseen = load_examples(shards[:-held]), load_examples(shards[-held:])
    print(f"rewards: {len(known):,} clips and mirror images to train on", flush=True)
    read, moved = reader_loop(folder, weights, text_encoder, device), motion_loop(folder, device)
    if not read.finished or moved.finished:
        read.run(ReaderLoss(known), minutes=_READER_SHARE * minutes, finish=True)
    moved.run(
        MotionLoss(known, components, device), minutes=(1 - _READER_SHARE) * minutes, finish=True
    )
    if not (read.finished and moved.finished):
        print("rewards: not done yet; the same command continues", flush=True)
        return
    for loop in (read, moved):
        loop.use_average()
    reader, motion = read.modules["reader"], moved.modules["classifier"]
    found = measure(Rewards(reader, motion, {}).to(device), unseen, device)
    (folder / _MEASURED).write_text(json.dumps(found, indent=1) + "\n")
    print(f"rewards: right on {found['right']} of unseen clips", flush=True)


def measure(rewards: Rewards, unseen: Examples, device: str = "cpu") -> dict[str, dict[str, float]]:
    """Return how well the networks recognise unseen clips.

    Args:
        rewards: Both networks.
        unseen: Clips that they were not trained on.
        device: Device of the networks.

    Returns:
        right: The share of clips in which each attribute is right, and each accident where it is.
        probability: The mean probability of each accident in clips where it is possible.
    """
    g = torch.Generator().manual_seed(0)
    parts: list[dict[str, Tensor]] = []
    with torch.no_grad(), autocast(device), attention(device):
        for indices in torch.split(torch.arange(len(unseen)), BATCH):
            logits = rewards(unseen.tokens(indices).to(device), g)
            parts.append({name: one.float().cpu() for name, one in logits.items()})
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    column = {name: i for i, name in enumerate((*VALUES, CAMERA))}
    right, probability = {}, {}
    for name in (*STILL, CAMERA):
        same = found[name].argmax(1) == unseen.truth[:, column[name]]
        right[name] = same[unseen.plain].float().mean()
    likely, can = found["accident"].softmax(1), unseen.possible()
    for number, name in enumerate(ACCIDENTS, 1):
        affected = unseen.truth[:, ACCIDENT] == number
        if affected.any():
            right[name] = (likely.argmax(1)[affected] == number).float().mean()
            probability[name] = likely[can[:, number - 1], number].mean()
    return {
        "right": {name: round(float(share), 3) for name, share in right.items()},
        "probability": {name: round(float(share), 5) for name, share in probability.items()},
    }


def _checked_components(folder: Path, weights: Path) -> Components:
    """Return the components of weights; raise if the folder has others."""
    components, file = Components.load(weights), folder / FILE
    if not file.exists():
        components.save(file)
    elif not components.same(Components.load(file)):
        raise ValueError(
            f"--from-weights {weights}: {folder} has rewards of other components; move it away."
        )
    return components


def load(folder: Path, weights: Path, text_encoder: Any, device: str = "cpu") -> Rewards:
    """Load the networks that `train` has trained.

    Args:
        folder: Their folder.
        weights: The exported weights to tune.
        text_encoder: The text encoder of these weights.
        device: Device to load them on.

    Raises:
        FileNotFoundError: They were not trained, or not to the end.
        ValueError: They work in another latent space than that of the weights.
    """
    measured = folder / _MEASURED
    if not measured.exists():
        raise FileNotFoundError(f"{measured} does not exist: run the stage `rewards` first.")
    found = json.loads(measured.read_text())
    _checked_components(folder, weights)
    read, moved = reader_loop(folder, weights, text_encoder), motion_loop(folder)
    for loop in (read, moved):
        if not loop.finished:
            raise FileNotFoundError(f"{loop.path} is not done: run the stage `rewards` again.")
        loop.use_average()
    expected = {
        name: share
        for name, share in found["probability"].items()
        if found["right"][name] >= _RECOGNISED
    }
    return Rewards(read.modules["reader"], moved.modules["classifier"], expected).to(device)
