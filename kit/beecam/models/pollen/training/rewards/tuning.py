"""Tune the denoiser by reward: DRTune (Wu et al. 2024, arXiv 2405.00760).

Clips are sampled as usual, with guidance, in few steps. What the reward networks see in them is
compared with their captions, and the gradient leads back to the denoiser at two of the steps, whose
input is detached. So what the first steps decide can be learnt, and no activations of the other
steps are stored. Flow matching continues in parallel, or the denoiser would forget what no caption
asks for.

No caption names accidents, and guidance leads away from them. So the target for accidents is what
the reader already sees in a clip, with the odds of each accident multiplied by how much rarer it
is, on average, than in rendered clips. Nothing leads away from accidents that are as frequent as
they should be, and of those that are too rare, clips that nearly have one get closer to it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.networks.text_encoder import build_tokenizer, empty_prompt
from beecam.models.pollen.networks.transformer import attention, velocity
from beecam.models.pollen.training.distillation import GUIDANCE, digest
from beecam.models.pollen.training.losses.flow import transformer_loop
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.training.rewards.examples import possible_accidents
from beecam.models.pollen.training.rewards.networks import Rewards
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene
from beecam.models.pollen.world.splits import UNSEEN, scenes

NAME = "tune"  # of the checkpoint
WEIGHT = 0.02  # of the reward's gradient, which is some hundred times larger than flow matching's
_BATCH, _GPU_BATCH = 16, 128
_STEPS = (4, 8)
_SHIFTS = (1.8, 3.5)
_JITTER = 0.3  # of each noise level, in multiples of their distance
_TRAINED_STEPS = 2  # steps with a gradient
_EARLY = 2.0  # how much more often the first step has one than the last
_HALF = 0.5
_PLAIN = 0.4  # share of plain captions
_WEIGHTS = {"place": 1.5, "light": 0.3, "weather": 0.3, "insect": 0.3, "camera": 1.5, "style": 0.3}
_ACCIDENT_WEIGHT = 0.6
_MAX_ODDS = 8.0  # factor for an accident that hardly ever happens
_DECAY = 0.98  # of the average frequency of accidents, per step
# Seeds of the captions' scenes: none that the evaluation uses.
_FIRST, _LAST = UNSEEN // 100, UNSEEN // 10 * 9


def batch(device: str) -> int:
    """Return how many clips are sampled per step, and how many flow matching uses besides them."""
    return _BATCH if device == "cpu" else _GPU_BATCH


class RewardLoss:
    """A loss whose gradient leads sampled clips to what their captions ask for."""

    def __init__(self, text_encoder: Any, rewards: Rewards) -> None:
        """Store the networks.

        Args:
            text_encoder: A trained text encoder; it is not changed.
            rewards: The reward networks, on the same device.
        """
        self._encoder, self._rewards = text_encoder, rewards
        self._tokenizer = build_tokenizer()
        self._empty = empty_prompt().long()
        self._right: dict[str, float] = {}

    def __call__(self, loop: Loop) -> Tensor:
        """Sample a batch and return 0, with the gradient of the reward."""
        g, device = loop.generator, loop.device
        network = loop.modules["transformer"]
        count = batch(device)
        chosen, requested, ids = self._draw_captions(g, count)
        levels = _noise_levels(g)
        trained = torch.multinomial(
            torch.linspace(_EARLY, 1.0, len(levels) - 1), _TRAINED_STEPS, generator=g
        ).tolist()
        both = torch.cat([self._empty.expand(count, -1), ids]).to(device)
        x = torch.randn(count, shapes.TOKENS, shapes.CHANNELS, generator=g).to(device)
        with autocast(device), attention(device):
            with torch.no_grad():
                texts = [
                    part[:, : shapes.SHORT_TEXT] for part in (self._encoder(both)[0], both != 0)
                ]
                end, before = _sample(network, x, levels, texts, trained)
            end = end.requires_grad_()
            logits = self._rewards(end, g)
        frequency: Any = loop.modules["accident_frequency"]
        missed = self._missed(logits, chosen, requested.to(device), frequency)
        (gradient,) = torch.autograd.grad(missed, end)
        order = sorted(trained)
        at = torch.stack([levels[step] for step in order]).repeat_interleave(count)
        intervals = torch.stack([levels[step] - levels[step + 1] for step in order])
        with_text = [torch.cat([part[count:]] * _TRAINED_STEPS) for part in texts]
        found = _velocity(network, torch.cat(before), at.to(device), with_text)
        # The end is the noise less each velocity times its step, and guidance times its caption's.
        # Predictions without a caption are left to flow matching: they have the world's accidents.
        pull = -GUIDANCE * intervals.repeat_interleave(count).to(device)[:, None, None]
        pulled: Tensor = (found * (pull * gradient.repeat(_TRAINED_STEPS, 1, 1))).sum()
        scaled = pulled * ((len(levels) - 1) / _TRAINED_STEPS)
        return scaled - scaled.detach()

    def statistics(self, loop: Loop) -> dict[str, dict[str, float]]:
        """Return running means by the rewards.

        Returns:
            right: The share of clips that show what was requested.
            accidents: How often each accident happens, in multiples of how often it should.
        """
        frequency: Any = loop.modules["accident_frequency"]
        accidents = {name: round(share, 2) for name, share in frequency.relative().items()}
        right = {name: round(share, 3) for name, share in self._right.items()}
        return {"right": right, "accidents": accidents}

    def _draw_captions(self, g: torch.Generator, count: int) -> tuple[list[Scene], Tensor, Tensor]:
        """Draw captions: scenes, the values that they name (clips, attributes), and tokens."""
        rng = random.Random(int(torch.randint(0, 2**31, (1,), generator=g)))
        first = int(torch.randint(_FIRST, _LAST, (1,), generator=g))
        chosen = list(itertools.islice(scenes(first), count))
        texts = [
            captions.plain_caption(one.attributes)
            if rng.random() < _PLAIN
            else captions.caption(one.attributes, rng)
            for one in chosen
        ]
        named = [
            captions.named_values(one.attributes, text)
            for one, text in zip(chosen, texts, strict=True)
        ]
        ids = self._tokenizer(
            texts,
            padding="max_length",
            max_length=shapes.TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return chosen, torch.tensor(named), ids

    def _missed(
        self,
        logits: dict[str, Tensor],
        chosen: Sequence[Scene],
        requested: Tensor,
        frequency: AccidentFrequency,
    ) -> Tensor:
        """Return how far clips are from what was requested, and from the world's accidents."""
        accident = logits["accident"]
        target = frequency.targets(accident.detach().softmax(1), chosen)
        total = _ACCIDENT_WEIGHT * F.cross_entropy(accident, target)
        plain = target[:, 0]  # an accident may hide what a clip is asked to show
        for i, (name, values) in enumerate(ATTRIBUTES.items()):
            named = requested[:, i] < len(values)
            if name not in _WEIGHTS or not named.any():
                continue
            wrong = F.cross_entropy(logits[name][named], requested[named, i], reduction="none")
            total = total + _WEIGHTS[name] * (plain[named] * wrong).sum() / len(requested)
            same = (logits[name].argmax(1) == requested[:, i])[named & (plain > _HALF)]
            right = float(same.float().mean()) if len(same) else 0.0
            self._right[name] = 0.95 * self._right.get(name, right) + 0.05 * right
        return total


class AccidentFrequency(nn.Module):
    """Running mean of each accident's probability where it is possible; part of the checkpoint."""

    shares: Tensor
    expected: Tensor

    def __init__(self, expected: Mapping[str, float]) -> None:
        """Start as if all accidents were as frequent as they should be.

        Args:
            expected: The probability of each in rendered clips; without those that are not
                recognised.
        """
        super().__init__()
        due = torch.tensor([expected.get(name, 0.0) for name in ACCIDENTS])
        self.register_buffer("expected", due)
        self.register_buffer("shares", due.clone())

    def targets(self, probabilities: Tensor, chosen: Sequence[Scene]) -> Tensor:
        """Return target probabilities of no accident and of each one, and update the means.

        Drawing which clips should have one would lead all others away from theirs, which few have:
        of sixteen clips, most batches should have none.

        Args:
            probabilities: Of no accident and of each one, as they are recognised:
                (clips, 1 + accidents).
            chosen: Scenes of the captions; not every accident is possible in each.
        """
        can = possible_accidents([scene.attributes for scene in chosen]).to(probabilities)
        odds = (self.expected / self.shares).clamp(1 / _MAX_ODDS, _MAX_ODDS)
        odds = torch.where(self.expected > 0, odds, 1.0)
        target = probabilities * torch.cat([torch.ones_like(can[:, :1]), can * odds], 1)
        count = can.sum(0)
        now = (probabilities[:, 1:] * can).sum(0) / count.clamp(min=1)
        self.shares.lerp_(torch.where(count > 0, now, self.shares), 1 - _DECAY)
        return target / target.sum(1, keepdim=True)

    def relative(self) -> dict[str, float]:
        """Return how often recognised accidents happen, in multiples of how often they should."""
        each = zip(ACCIDENTS, self.shares.tolist(), self.expected.tolist(), strict=True)
        return {name: share / due for name, share, due in each if due > 0}


def tuning_loop(
    folder: Path, weights: Path, rates: float, expected: Mapping[str, float], device: str = "cpu"
) -> Loop:
    """Return the tuning of exported weights, resumed if it has a checkpoint.

    Args:
        folder: Folder of the checkpoint.
        weights: The weights.
        rates: Factor of the transformer's learning rates.
        expected: Probabilities of accidents, see `AccidentFrequency`.
        device: Device to train on.

    Raises:
        ValueError: The checkpoint started from other weights.
    """
    record = folder / f"{NAME}.txt"
    now = digest(weights)
    if not (folder / f"{NAME}.pt").exists():
        record.write_text(now)
    elif record.read_text() != now:
        raise ValueError(
            f"--from-weights {weights}: {folder / NAME}.pt started from other weights; move it "
            "away, or use another --folder."
        )
    extra = {"accident_frequency": AccidentFrequency(expected)}
    return transformer_loop(folder, device, weights, rates, name=NAME, extra=extra)


def _noise_levels(g: torch.Generator) -> Tensor:
    """Draw the noise levels of some steps, from 1 to 0, so that no schedule is memorised."""
    steps = int(torch.randint(_STEPS[0], _STEPS[1] + 1, (1,), generator=g))
    low, high = _SHIFTS
    shift = low + (high - low) * float(torch.rand(1, generator=g))
    levels = torch.linspace(1, 0, steps + 1)
    levels[1:-1] += 2 * _JITTER * (torch.rand(steps - 1, generator=g) - 0.5) / steps
    return shift * levels / (1 + (shift - 1) * levels)


def _sample(
    network: Any, x: Tensor, levels: Tensor, texts: Sequence[Tensor], trained: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """Sample clips with guidance; return them, and the inputs of the steps that are trained."""
    before: list[Tensor] = []
    for step, (level, then) in enumerate(itertools.pairwise(levels)):
        if step in trained:
            before.append(x)
        without, with_text = _velocity(network, torch.cat([x, x]), level, texts).chunk(2)
        x = x - (level - then) * (without + GUIDANCE * (with_text - without))
    return x, before


def _velocity(network: Any, x: Tensor, level: Tensor, texts: Sequence[Tensor]) -> Tensor:
    """Return the denoiser's prediction without conditioning frames: (clips, tokens, channels)."""
    inputs = {
        "hidden_states": x,
        "encoder_hidden_states": texts[0],
        "encoder_attention_mask": texts[1],
        "timestep": level.to(x.device).expand(len(x))[:, None] * 1000,
        **shapes.POSITIONS,
    }
    return velocity(network, inputs, x.device.type)
