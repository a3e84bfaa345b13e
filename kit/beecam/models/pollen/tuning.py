"""Tune the denoiser by reward: DRTune (Wu et al. 2024, arXiv 2405.00760).

A clip is sampled as it will be, with guidance, in few steps; what networks see in it (rewards.py)
is compared with what its caption asked for, and the gradient of that leads back to the denoiser
at two of the steps, whose own input counts as given. So what the first steps decide can be learnt,
and nothing need be remembered of the others. Flow matching goes on beside it, or the denoiser
would forget what clips look like that nobody asked about.

Accidents are asked for in no caption, and guidance leads away from them. So those that come are
left alone while they come more seldom than in the world, and some further clips, by lot with the
chances that the reader sees, are to become what they are nearest to.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen import captions, data, nets, reading
from beecam.models.pollen.fewsteps import GUIDANCE, digest
from beecam.models.pollen.flow import attention, no_text, transformer_loop
from beecam.models.pollen.rewards import Rewards
from beecam.models.pollen.scene import ACCIDENTS, ATTRIBUTES, Scene, possible
from beecam.models.pollen.training import Loop

NAME = "tune"  # of the checkpoint
SHARE = 0.02  # of the tuning's gradient beside the flow's, which is some hundred times smaller
_BATCH, _GPU_BATCH = 16, 128
_STEPS = (4, 8)
_SHIFTS = (1.8, 3.5)
_UNEVEN = 0.3  # how far each step is moved, of the space between two
_LEARNING = 2  # steps that are learnt from
_EARLY = 2.0  # times as often the first as the last
_PLAIN = 0.4  # share of the captions that are plain
_WEIGHTS = {"place": 1.5, "light": 0.3, "weather": 0.3, "insect": 0.3, "camera": 1.5,
            "style": 0.3}  # fmt: skip
_ODD = 0.3
_SEEN = 0.5  # a clip that has an accident with this probability has it
_MEMORY = 0.98  # of how often accidents came, a step
# Scenes of captions: none that the evaluation asks for.
_FIRST, _LAST = data.UNSEEN // 100, data.UNSEEN // 10 * 9


def batch(device: str) -> int:
    """Return how many clips are sampled a step, and how many the usual loss sees beside them."""
    return _BATCH if device == "cpu" else _GPU_BATCH


class Tuning:
    """A loss whose gradient leads sampled clips to what their captions ask for."""

    def __init__(self, text_encoder: Any, rewards: Rewards) -> None:
        """Keep what says what captions ask for, and what is to be seen.

        Args:
            text_encoder: Has learnt to read, and stays as it is.
            rewards: On the same device.
        """
        self._encoder, self._rewards = text_encoder, rewards
        self._tokenizer = nets.tokenizer(captions.vocabulary())
        self._nothing = no_text().long()
        self._right: dict[str, float] = {}

    def __call__(self, loop: Loop) -> Tensor:
        """Sample a batch and return 0, with the gradient of what it missed."""
        g, device = loop.generator, loop.device
        network = loop.modules["transformer"]
        many = batch(device)
        scenes, asked, ids = self._asked(g, many)
        levels = _levels(g)
        learnt = torch.multinomial(torch.linspace(_EARLY, 1.0, len(levels) - 1), _LEARNING,
                                   generator=g).tolist()  # fmt: skip
        both = torch.cat([self._nothing.expand(many, -1), ids]).to(device)
        x = torch.randn(many, nets.TOKENS, nets.CHANNELS, generator=g).to(device)
        before: list[Tensor] = []
        with torch.autocast(device, torch.bfloat16), attention(device):
            with torch.no_grad():
                texts = [part[:, : nets.SHORT_TEXT] for part in (self._encoder(both)[0], both != 0)]
                for step, (level, then) in enumerate(itertools.pairwise(levels)):
                    if step in learnt:
                        before.append(x)
                    without, with_text = _velocity(network, torch.cat([x, x]), level, texts).chunk(
                        2
                    )
                    x = x - (level - then) * (without + GUIDANCE * (with_text - without))
            end = x.requires_grad_()
            scores = self._rewards(end, g)
        came: Any = loop.modules["came"]
        missed = self._missed(scores, scenes, asked.to(device), came, g)
        (wish,) = torch.autograd.grad(missed, end)
        order = sorted(learnt)
        given = torch.stack([levels[step] for step in order]).repeat_interleave(many)
        apart = torch.stack([levels[step] - levels[step + 1] for step in order])
        with torch.autocast(device, torch.bfloat16), attention(device):
            asking = [torch.cat([part[many:]] * _LEARNING) for part in texts]
            found = _velocity(network, torch.cat(before), given.to(device), asking)
        # The end is the noise less each velocity times its step, and guidance times its caption's.
        # What is said without a caption is left to flow matching: it has the world's accidents.
        pull = -GUIDANCE * apart.repeat_interleave(many).to(device)[:, None, None]
        pulled: Tensor = (found * (pull * wish.repeat(_LEARNING, 1, 1))).sum()
        scaled = pulled * ((len(levels) - 1) / _LEARNING)
        return scaled - scaled.detach()

    def told(self, loop: Loop) -> dict[str, dict[str, float]]:
        """Return which shares came as asked lately, and of which accidents, by the rewards."""
        came: Any = loop.modules["came"]
        shares = zip(ACCIDENTS, came.shares.tolist(), strict=True)
        return {"right": {name: round(share, 3) for name, share in self._right.items()},
                "came": {name: round(share, 4) for name, share in shares}}  # fmt: skip

    def _asked(self, g: torch.Generator, many: int) -> tuple[list[Scene], Tensor, Tensor]:
        """Draw captions: their scenes, what they say (clips x attributes), and their tokens."""
        lot = random.Random(int(torch.randint(0, 2**31, (1,), generator=g)))  # noqa: S311
        first = int(torch.randint(_FIRST, _LAST, (1,), generator=g))
        scenes = list(itertools.islice(data.scenes(first), many))
        texts = [
            captions.plain(one.attributes) if lot.random() < _PLAIN
            else captions.caption(one.attributes, lot)
            for one in scenes
        ]  # fmt: skip
        said = [reading.said(one.attributes, text) for one, text in zip(scenes, texts, strict=True)]
        ids = self._tokenizer(
            texts, padding="max_length", max_length=nets.TEXT_LENGTH, truncation=True,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        return scenes, torch.tensor(said), ids

    def _missed(
        self, scores: dict[str, Tensor], scenes: Sequence[Scene], asked: Tensor, came: Came,
        g: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Return how far clips are from what was asked for, and from the world's accidents."""
        known = self._rewards.recognised
        strange = torch.tensor([False, *(name not in known for name in ACCIDENTS)])
        odd = scores["accident"].masked_fill(strange.to(asked.device), -torch.inf)
        goal = came.assigned(odd.detach().softmax(1).cpu(), scenes, known, g).to(asked.device)
        total = _ODD * F.cross_entropy(odd, goal)
        for i, (name, values) in enumerate(ATTRIBUTES.items()):
            # What an accident may hide is asked of no clip that is to have one.
            judged = (asked[:, i] < len(values)) & (goal == 0)
            if name not in _WEIGHTS or not judged.any():
                continue
            wrong = F.cross_entropy(scores[name][judged], asked[judged, i], reduction="sum")
            total = total + _WEIGHTS[name] * wrong / len(asked)
            right = float((scores[name].argmax(1) == asked[:, i])[judged].float().mean())
            self._right[name] = 0.95 * self._right.get(name, right) + 0.05 * right
        return total


class Came(nn.Module):
    """How often each accident came lately, of the clips where it can happen; in the checkpoint."""

    shares: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shares", torch.zeros(len(ACCIDENTS)))

    def assigned(
        self, chances: Tensor, scenes: Sequence[Scene], known: Sequence[str], g: torch.Generator
    ) -> Tensor:
        """Choose which clips are to have which accident, and remember what came.

        To ask the world's share of each batch anew would teach most accidents that come to go: of
        sixteen clips there is to be none in most batches.

        Args:
            chances: Of each accident: clips x (none and accidents), on the CPU.
            scenes: Of the captions; not all accidents can happen in each.
            known: The accidents that can be told.
            g: Draws.

        Returns:
            clips; 0 for none, or the number of the accident.
        """
        goal = torch.zeros(len(scenes), dtype=torch.long)
        before = self.shares.tolist()
        for turn in torch.randperm(len(ACCIDENTS), generator=g).tolist():
            name, number = list(ACCIDENTS)[turn], turn + 1
            can = torch.tensor([possible(name, scene.attributes) for scene in scenes])
            if name not in known or not can.any():
                continue
            world, share = ACCIDENTS[name], before[turn]
            there = chances[:, number] > _SEEN
            lots = torch.rand(len(scenes), generator=g)
            kept = can & (goal == 0) & there & (lots * share < world)
            goal[kept] = number
            free = can & (goal == 0) & ~there
            lots = torch.rand(int(free.sum()), generator=g)
            many = int((lots < world - share).sum())
            if many:
                # One that has next to no chance may still be needed.
                weights = torch.where(free, chances[:, number].double() + 1e-9, 0.0)
                goal[torch.multinomial(weights, many, generator=g)] = number
            now = float(chances[can, number].mean())
            self.shares[turn] = _MEMORY * share + (1 - _MEMORY) * now
        return goal


def tuning_loop(folder: Path, start: Path, rates: float, device: str = "cpu") -> Loop:
    """Make or resume the tuning of exported weights.

    Args:
        folder: Keeps the checkpoint.
        start: The weights.
        rates: Times the learning rates of the transformer's training.
        device: Where to tune.

    Raises:
        ValueError: The checkpoint there began from other weights.
    """
    began = folder / f"{NAME}.txt"
    now = digest(start)
    if not (folder / f"{NAME}.pt").exists():
        began.write_text(now)
    elif began.read_text() != now:
        raise ValueError(
            f"--from-weights {start}: {folder / NAME}.pt began from other weights; move it away, "
            "or take another --folder."
        )
    return transformer_loop(folder, device, start, rates, name=NAME, beside={"came": Came()})


def _levels(g: torch.Generator) -> Tensor:
    """Draw the noise levels of some steps, from 1 to 0, so that no schedule is learnt by heart."""
    steps = int(torch.randint(_STEPS[0], _STEPS[1] + 1, (1,), generator=g))
    low, high = _SHIFTS
    shift = low + (high - low) * float(torch.rand(1, generator=g))
    levels = torch.linspace(1, 0, steps + 1)
    levels[1:-1] += 2 * _UNEVEN * (torch.rand(steps - 1, generator=g) - 0.5) / steps
    return shift * levels / (1 + (shift - 1) * levels)


def _velocity(network: Any, x: Tensor, level: Tensor, texts: Sequence[Tensor]) -> Tensor:
    """Let the denoiser say where tokens go: clips x tokens x channels, in float32."""
    velocity: Tensor = network(
        hidden_states=x, encoder_hidden_states=texts[0], encoder_attention_mask=texts[1],
        timestep=level.to(x.device).expand(len(x))[:, None] * 1000,
        **nets.PLACES,
    ).sample  # fmt: skip
    return velocity.float()
