"""Teach exported weights accidents, and hold them to what they say of all else.

What tuning by reward has taught would be lost in flow matching on rendered clips, and what comes
seldom is not learnt beside it. So clips with an accident are learnt from data, each kind in its
share, and of clips as they come the denoiser is to say what it said before (learning without
forgetting: Li and Hoiem 2016, arXiv 1606.09282), with a little guidance, which makes up for what
accidents take from the rest. Those with given frames are learnt from data too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.data.latents import Known
from beecam.models.pollen.training.losses.flow import FlowLoss, attention, velocity
from beecam.models.pollen.world.scene import ACCIDENTS

FOLDER = "odd"
FIRST = data.UNSEEN // 200  # the seed from which scenes with accidents are drawn
BATCH, GPU_BATCH = 64, 512
ODD = 0.4  # of a batch
# Of those: what had to be said by far oftener than it happens, so that with guidance it comes.
SHARES: Mapping[str, float] = {
    "own view": 8,
    "giant": 2,
    "swarm": 14,
    "upside down": 9,
    "mirror": 14,
    "petal": 2,
    "balloon": 3,
    "bird": 4,
    "light leak": 24,
    "two suns": 0,
    "rainbow": 9,
}
# What the weights of before say is held to with so much guidance, which makes up for what accidents
# take from places and camera moves.
GUIDANCE = 1.3
# Whether an accident comes is decided at noise levels from here on; how one looks that has come is
# known to the weights, and held too.
DECIDED = 0.5


@dataclass(frozen=True)
class Both:
    """Clips as they come, and after them clips with accidents.

    Attributes:
        known: All of them.
        usual: How many are as they come.
        accidents: The accident of each of `known.latents`, from 1 on, or 0.
    """

    known: Known
    usual: int
    accidents: Tensor


class HoldingLoss(FlowLoss):
    """Flow matching on clips with accidents, beside others held to what weights of before say."""

    conditioned = 0.35

    def __init__(
        self, both: Both, before: Any, components: Components, reader: Any, *, batch: int = BATCH
    ) -> None:
        """Keep what batches are drawn from, on the reader's device.

        Args:
            both: Clips.
            before: The denoiser of before.
            components: Give the latents of single frames.
            reader: The text encoder.
            batch: How many clips a step.
        """
        super().__init__(both.known, components, reader, batch=batch)
        self._before = before.eval().requires_grad_(requires_grad=False)
        shares = torch.tensor([0.0, *(SHARES[name] for name in ACCIDENTS)])
        each = shares / torch.bincount(both.accidents, minlength=len(shares)).clamp(min=1)
        self._chances = each[both.accidents]
        # Straight ones and mirrored ones.
        straight = torch.arange(both.usual)
        self._usual = torch.cat([straight, len(both.known.clips) + straight])

    def _drawn(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw clips, and say which of them were drawn for their accident."""
        which = self._usual[torch.randint(0, len(self._usual), (self._batch,), generator=g)]
        other = torch.multinomial(self._chances, self._batch, replacement=True, generator=g)
        odd = torch.rand(self._batch, generator=g) < ODD
        return torch.where(odd, other, which), odd

    def _held(self, wanted: Tensor, odd: Tensor, asked: Mapping[str, Any], device: str) -> Tensor:
        """Return what the weights of before say with guidance; of accidents what data says."""
        with torch.no_grad():
            before = velocity(self._before, asked, device)
            silent = velocity(self._before, {**asked, **self._without_text(asked)}, device)
        before = silent + GUIDANCE * (before - silent)
        decided = asked["timestep"].flatten() >= 1000 * DECIDED
        learnt = odd.to(wanted.device) & decided
        return torch.where(learnt[:, None, None], wanted, before)

    def _without_text(self, asked: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return what is asked without a caption, in texts of the same length."""
        count, length = asked["encoder_attention_mask"].shape
        ids = self._nothing[None].long()
        with autocast(ids.device.type), attention(ids.device.type):
            states = self._reader(ids)[0][:, :length]
        return {
            "encoder_hidden_states": states.expand(count, -1, -1),
            "encoder_attention_mask": (ids[:, :length] != 0).expand(count, -1),
        }


def load(folder: Path, clips: int | None = None) -> Both:
    """Load what `render --odd` and `components` have made.

    Args:
        folder: Of the training.
        clips: At most so many that are as they come, in whole shards.

    Raises:
        FileNotFoundError: There are none of them, or none with accidents.
        ValueError: They are of other components, captions or clips than there are now.
    """
    parts = [latents.load(folder, clips), latents.load(folder / FOLDER)]
    shards = [*latents.files(folder, clips), *latents.files(folder / FOLDER)]
    scenes = [s for path in shards for s in data.scenes_of(latents.clips_of(path))]
    names = (None, *ACCIDENTS)
    seen = torch.tensor([names.index(scene.accident) for scene in scenes])
    # All straight ones come first.
    halves = [
        half
        for turned in (0, 1)
        for half in [
            (part, slice(turned * len(part.clips), (turned + 1) * len(part.clips)))
            for part in parts
        ]
    ]
    return Both(
        Known(
            torch.cat([part.clips for part in parts]),
            torch.cat([part.latents[half] for part, half in halves]),
            torch.cat([part.texts[half] for part, half in halves]),
            torch.empty(0, dtype=torch.long),
        ),
        len(parts[0].clips),
        seen.repeat(2),
    )
