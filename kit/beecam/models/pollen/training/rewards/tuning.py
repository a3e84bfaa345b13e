"""Tune the denoiser by reward: DRTune (Wu et al. 2024, arXiv 2405.00760).

A clip is sampled as it will be, with guidance, in few steps; what networks see in it (rewards.py)
is compared with what its caption asked for, and the gradient of that leads back to the denoiser
at two of the steps, whose own input counts as given. So what the first steps decide can be learnt,
and nothing need be remembered of the others. Flow matching goes on beside it, or the denoiser
would forget what clips look like that nobody asked about.

Accidents are asked for in no caption, and guidance leads away from them. What is to come of a clip
is what the reader sees in it already, with the odds of each accident times as much as it comes more
seldom, on average, than in rendered clips. So nothing leads away from those that come as often as
they should, and of those that come too seldom the clips that are nearly there become more so.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks import text_encoder as reading
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.distillation import GUIDANCE, digest
from beecam.models.pollen.training.losses.flow import attention, no_text, transformer_loop, velocity
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.training.rewards.rewards import Rewards, can_happen
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene

NAME = "tune"  # of the checkpoint
SHARE = 0.02  # of the tuning's gradient beside the flow's, which is some hundred times smaller
_BATCH, _GPU_BATCH = 16, 128
_STEPS = (4, 8)
_SHIFTS = (1.8, 3.5)
_UNEVEN = 0.3  # how far each step is moved, of the space between two
_LEARNING = 2  # steps that are learnt from
_EARLY = 2.0  # times as often the first as the last
_HALF = 0.5
_PLAIN = 0.4  # share of the captions that are plain
_WEIGHTS = {"place": 1.5, "light": 0.3, "weather": 0.3, "insect": 0.3, "camera": 1.5, "style": 0.3}
_ODD = 0.6
_MOST = 8.0  # times the odds of an accident that hardly ever comes
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
        learnt = torch.multinomial(
            torch.linspace(_EARLY, 1.0, len(levels) - 1), _LEARNING, generator=g
        ).tolist()
        both = torch.cat([self._nothing.expand(many, -1), ids]).to(device)
        x = torch.randn(many, nets.TOKENS, nets.CHANNELS, generator=g).to(device)
        before: list[Tensor] = []
        with autocast(device), attention(device):
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
        missed = self._missed(scores, scenes, asked.to(device), came)
        (wish,) = torch.autograd.grad(missed, end)
        order = sorted(learnt)
        given = torch.stack([levels[step] for step in order]).repeat_interleave(many)
        apart = torch.stack([levels[step] - levels[step + 1] for step in order])
        asking = [torch.cat([part[many:]] * _LEARNING) for part in texts]
        found = _velocity(network, torch.cat(before), given.to(device), asking)
        # The end is the noise less each velocity times its step, and guidance times its caption's.
        # What is said without a caption is left to flow matching: it has the world's accidents.
        pull = -GUIDANCE * apart.repeat_interleave(many).to(device)[:, None, None]
        pulled: Tensor = (found * (pull * wish.repeat(_LEARNING, 1, 1))).sum()
        scaled = pulled * ((len(levels) - 1) / _LEARNING)
        return scaled - scaled.detach()

    def told(self, loop: Loop) -> dict[str, dict[str, float]]:
        """Return, by the rewards, which shares came as asked lately, and accidents of those due."""
        came: Any = loop.modules["came"]
        accidents = {name: round(share, 2) for name, share in came.relative().items()}
        right = {name: round(share, 3) for name, share in self._right.items()}
        return {"right": right, "came": accidents}

    def _asked(self, g: torch.Generator, many: int) -> tuple[list[Scene], Tensor, Tensor]:
        """Draw captions: their scenes, what they say (clips x attributes), and their tokens."""
        lot = random.Random(int(torch.randint(0, 2**31, (1,), generator=g)))  # noqa: S311
        first = int(torch.randint(_FIRST, _LAST, (1,), generator=g))
        scenes = list(itertools.islice(data.scenes(first), many))
        texts = [
            captions.plain(one.attributes)
            if lot.random() < _PLAIN
            else captions.caption(one.attributes, lot)
            for one in scenes
        ]
        said = [reading.said(one.attributes, text) for one, text in zip(scenes, texts, strict=True)]
        ids = self._tokenizer(
            texts,
            padding="max_length",
            max_length=nets.TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return scenes, torch.tensor(said), ids

    def _missed(
        self, scores: dict[str, Tensor], scenes: Sequence[Scene], asked: Tensor, came: Came
    ) -> Tensor:
        """Return how far clips are from what was asked for, and from the world's accidents."""
        odd = scores["accident"]
        goal = came.goals(odd.detach().softmax(1), scenes)
        total = _ODD * F.cross_entropy(odd, goal)
        usual = goal[:, 0]  # what an accident may hide is not asked of a clip that is to have one
        for i, (name, values) in enumerate(ATTRIBUTES.items()):
            said = asked[:, i] < len(values)
            if name not in _WEIGHTS or not said.any():
                continue
            wrong = F.cross_entropy(scores[name][said], asked[said, i], reduction="none")
            total = total + _WEIGHTS[name] * (usual[said] * wrong).sum() / len(asked)
            fit = (scores[name].argmax(1) == asked[:, i])[said & (usual > _HALF)]
            right = float(fit.float().mean()) if len(fit) else 0.0
            self._right[name] = 0.95 * self._right.get(name, right) + 0.05 * right
        return total


class Came(nn.Module):
    """How likely each accident was found lately, where it can happen; in the checkpoint."""

    shares: Tensor
    expected: Tensor

    def __init__(self, expected: Mapping[str, float]) -> None:
        """Begin as if all came as often as they should.

        Args:
            expected: How likely each is found in rendered clips; those left out can't be told.
        """
        super().__init__()
        due = torch.tensor([expected.get(name, 0.0) for name in ACCIDENTS])
        self.register_buffer("expected", due)
        self.register_buffer("shares", due.clone())

    def goals(self, chances: Tensor, scenes: Sequence[Scene]) -> Tensor:
        """Say how likely each clip is to have none and each accident, and remember what came.

        To draw which clips shall have one would lead all others away from theirs, which few have:
        of sixteen clips there is to be none in most batches.

        Args:
            chances: Of none and of each accident, as they are found: clips x (none and accidents).
            scenes: Of the captions; not all accidents can happen in each.
        """
        can = can_happen([scene.attributes for scene in scenes]).to(chances)
        odds = (self.expected / self.shares).clamp(1 / _MOST, _MOST)
        odds = torch.where(self.expected > 0, odds, 1.0)
        goal = chances * torch.cat([torch.ones_like(can[:, :1]), can * odds], 1)
        many = can.sum(0)
        now = (chances[:, 1:] * can).sum(0) / many.clamp(min=1)
        self.shares.lerp_(torch.where(many > 0, now, self.shares), 1 - _MEMORY)
        return goal / goal.sum(1, keepdim=True)

    def relative(self) -> dict[str, float]:
        """Return how often those that can be told came, of how often they should."""
        each = zip(ACCIDENTS, self.shares.tolist(), self.expected.tolist(), strict=True)
        return {name: share / due for name, share, due in each if due > 0}


def tuning_loop(
    folder: Path, start: Path, rates: float, expected: Mapping[str, float], device: str = "cpu"
) -> Loop:
    """Make or resume the tuning of exported weights.

    Args:
        folder: Keeps the checkpoint.
        start: The weights.
        rates: Times the learning rates of the transformer's training.
        expected: Accidents, see Came.
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
    return transformer_loop(
        folder, device, start, rates, name=NAME, beside={"came": Came(expected)}
    )


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
    asked = {
        "hidden_states": x,
        "encoder_hidden_states": texts[0],
        "encoder_attention_mask": texts[1],
        "timestep": level.to(x.device).expand(len(x))[:, None] * 1000,
        **nets.PLACES,
    }
    return velocity(network, asked, x.device.type)
