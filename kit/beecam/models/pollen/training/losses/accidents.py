"""Fine-tune exported weights on accidents, and retain their predictions for everything else.

Flow matching on all rendered clips would undo what tuning by reward has taught, and does not teach
rare things. So clips with an accident are learnt from data, each kind with its own share, and for
all other clips the target is what the denoiser predicted before (learning without forgetting: Li
and Hoiem 2016, arXiv 1606.09282), with a little guidance, which compensates for what accidents cost
the rest. Clips with conditioning frames are learnt from data, too.
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
from beecam.models.pollen.networks.transformer import attention, velocity
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.data.clips import scenes_of
from beecam.models.pollen.training.data.latents import TrainingData
from beecam.models.pollen.training.losses.flow import FlowLoss
from beecam.models.pollen.world.scene import ACCIDENTS
from beecam.models.pollen.world.splits import UNSEEN

FOLDER = "accidents"
FIRST = UNSEEN // 200  # the seed from which scenes with accidents are drawn
BATCH, GPU_BATCH = 64, 512
ACCIDENT_SHARE = 0.4  # of a batch
# Weights of the kinds of accident. Some are far from their rates in the world, so that they are
# generated at the right rate with guidance.
WEIGHTS: Mapping[str, float] = {
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
# Guidance of the retained predictions, which compensates for what accidents cost places and camera
# moves.
GUIDANCE = 1.3
# Noise level from which on it is decided whether an accident happens. Below it the earlier weights
# know how one looks, and their predictions are retained.
DECISIVE_LEVEL = 0.5


@dataclass(frozen=True)
class AccidentData:
    """Training data of random clips, followed by clips with accidents.

    Attributes:
        data: All of them.
        random_clips: Number of random clips.
        accidents: The accident of each of `data.latents`, from 1 on, or 0.
    """

    data: TrainingData
    random_clips: int
    accidents: Tensor


class AccidentLoss(FlowLoss):
    """Flow matching on clips with accidents, and retained predictions for all others."""

    conditioned = 0.35

    def __init__(
        self,
        both: AccidentData,
        before: Any,
        components: Components,
        text_encoder: Any,
        *,
        batch: int = BATCH,
    ) -> None:
        """Store the training data on the text encoder's device.

        Args:
            both: The clips.
            before: The denoiser whose predictions are retained.
            components: Encode single frames.
            text_encoder: A trained text encoder; it is not changed.
            batch: Clips per step.
        """
        super().__init__(both.data, components, text_encoder, batch=batch)
        self._before = before.eval().requires_grad_(requires_grad=False)
        weights = torch.tensor([0.0, *(WEIGHTS[name] for name in ACCIDENTS)])
        each = weights / torch.bincount(both.accidents, minlength=len(weights)).clamp(min=1)
        self._weights = each[both.accidents]
        straight = torch.arange(both.random_clips)
        self._random = torch.cat([straight, len(both.data.clips) + straight])

    def _draw(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return indices of a random batch, and which of them were drawn for their accident."""
        indices = self._random[torch.randint(0, len(self._random), (self._batch,), generator=g)]
        other = torch.multinomial(self._weights, self._batch, replacement=True, generator=g)
        accident = torch.rand(self._batch, generator=g) < ACCIDENT_SHARE
        return torch.where(accident, other, indices), accident

    def _target(
        self, target: Tensor, accident: Tensor, inputs: Mapping[str, Any], device: str
    ) -> Tensor:
        """Return the earlier predictions with guidance; for accidents the target of the data."""
        with torch.no_grad():
            before = velocity(self._before, inputs, device)
            without = velocity(self._before, {**inputs, **self._without_text(inputs)}, device)
        before = without + GUIDANCE * (before - without)
        decisive = inputs["timestep"].flatten() >= 1000 * DECISIVE_LEVEL
        learnt = accident.to(target.device) & decisive
        return torch.where(learnt[:, None, None], target, before)

    def _without_text(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the inputs of an empty prompt of the same length."""
        count, length = inputs["encoder_attention_mask"].shape
        ids = self._empty[None].long()
        with autocast(ids.device.type), attention(ids.device.type):
            states = self._text_encoder(ids)[0][:, :length]
        return {
            "encoder_hidden_states": states.expand(count, -1, -1),
            "encoder_attention_mask": (ids[:, :length] != 0).expand(count, -1),
        }


def load(folder: Path, clips: int | None = None) -> AccidentData:
    """Load the latents that `render --accidents` and `components` have written.

    Args:
        folder: Folder of the training.
        clips: The maximum number of random clips, rounded up to full shards.

    Raises:
        FileNotFoundError: There are no random clips, or none with accidents.
        ValueError: Latents are outdated: of other components, captions or clips.
    """
    parts = [latents.load(folder, clips), latents.load(folder / FOLDER)]
    shards = [*latents.files(folder, clips), *latents.files(folder / FOLDER)]
    scenes = [s for path in shards for s in scenes_of(latents.clips_of(path))]
    names = (None, *ACCIDENTS)
    accidents = torch.tensor([names.index(scene.accident) for scene in scenes])
    # Latents of all clips come first, those of mirror images after them.
    halves = [
        (part, slice(mirrored * len(part.clips), (mirrored + 1) * len(part.clips)))
        for mirrored in (0, 1)
        for part in parts
    ]
    return AccidentData(
        TrainingData(
            torch.cat([part.clips for part in parts]),
            torch.cat([part.latents[half] for part, half in halves]),
            torch.cat([part.texts[half] for part, half in halves]),
            torch.empty(0, dtype=torch.long),
        ),
        len(parts[0].clips),
        accidents.repeat(2),
    )
