"""What the denoiser is tuned by: two networks that look at latents and say what is to be seen.

They are no judges of pollen. Those that score it look at clips, and share no weights with these;
these are trained on other clips where `skip` is given those that the judges learnt from.

One reads what a still picture tells, and accidents, off noisy latents; it begins as the first
layers of the denoiser (as in Clark et al. 2023, arXiv 2309.17400, gradients must lead back to it).
What moves it can't be asked: of the denoiser's own layers it has learnt to find what was asked for
in motion that is not coherent. So a judge of motion from scratch says that, on what the components
alone show of latents, through which gradients lead back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen import data, judges, latents, nets
from beecam.models.pollen.components import Components
from beecam.models.pollen.flow import attention, no_text
from beecam.models.pollen.scene import ACCIDENTS, ATTRIBUTES, Scene
from beecam.models.pollen.training import Loop

VALUES = {**ATTRIBUTES, "accident": ("none", *ACCIDENTS)}
_MOVES = "camera"
_LAYERS = 4
_WIDTH = 256
_BATCH, _MOTION_BATCH = 64, 32
_LATENT_FRAMES = (nets.FRAMES - 1) // nets.TIME + 1
SCALE = (nets.TIME / nets.FPS, nets.SPACE, nets.SPACE)
_NOISIEST = 0.7
_NOISY_MOTION, _NOISIEST_MOTION = 0.6, 0.3  # a share of the clips, and how noisy they are at most
_ODD = 0.25  # share of the clips that are drawn from those with an accident


class Reader(nn.Module):
    """Reads attributes and accidents off noisy latents."""

    states: Tensor
    mask: Tensor

    def __init__(self, denoiser: Any, text_encoder: Any) -> None:
        """Take over the first layers of a denoiser.

        Args:
            denoiser: Is changed: its other layers are taken away.
            text_encoder: Gives what it reads where no caption is known.
        """
        super().__init__()
        denoiser.transformer_blocks = denoiser.transformer_blocks[:_LAYERS]
        denoiser.proj_out = nn.Identity()
        wide = denoiser.config.num_attention_heads * denoiser.config.attention_head_dim
        self.network = denoiser
        seen = 2 * _LATENT_FRAMES * wide
        self.head = nn.Sequential(
            nn.LayerNorm(seen), nn.Linear(seen, _WIDTH), nn.SiLU(), nn.Dropout(0.2),
            nn.Linear(_WIDTH, sum(map(len, VALUES.values()))),
        )  # fmt: skip
        ids = no_text()[None, :48].long()
        with torch.no_grad():
            states = text_encoder(ids.to(next(text_encoder.parameters()).device))[0].cpu()
        self.register_buffer("states", states)
        self.register_buffer("mask", ids != 0)

    def forward(self, tokens: Tensor, level: Tensor) -> dict[str, Tensor]:
        """Return scores of each attribute's values, and of accidents.

        Args:
            tokens: clips x tokens x channels.
            level: clips; how noisy they are, 0 to 1.
        """
        many = len(tokens)
        found = self.network(
            hidden_states=tokens, encoder_hidden_states=self.states.expand(many, -1, -1),
            timestep=level[:, None] * 1000, encoder_attention_mask=self.mask.expand(many, -1),
            num_frames=_LATENT_FRAMES, height=nets.CELLS, width=nets.CELLS,
            rope_interpolation_scale=SCALE,
        ).sample  # fmt: skip
        cells = found.view(many, _LATENT_FRAMES, -1, found.shape[-1])
        scores = self.head(torch.cat([cells.mean(2), cells.amax(2)], -1).flatten(1)).float()
        return dict(zip(VALUES, torch.split(scores, list(map(len, VALUES.values())), -1),
                        strict=True))  # fmt: skip


class Shown(nn.Module):
    """What the components show of latents, as a judge of motion is shown clips."""

    basis: Tensor
    mean: Tensor

    def __init__(self, components: Components) -> None:
        super().__init__()
        # Grey, at half the size: `judges.shown` does no more, so that all of it is one product.
        self._less = nets.SIZE // judges.MOVING_PIXELS
        block = nets.TIME, nets.SPACE, nets.SPACE, 3
        basis = (components.basis * components.deviation).T.reshape(-1, *block).mean(-1)
        both = F.avg_pool2d(torch.cat([basis, components.mean.view(1, *block).mean(-1)]),
                            self._less)  # fmt: skip
        self.register_buffer("basis", both[:-1].flatten(1))
        self.register_buffer("mean", both[-1].flatten())

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what `judges.shown` would of the decoded clips: clips x 1 x frames x side x side.

        Args:
            tokens: clips x tokens x channels.
        """
        many, side = len(tokens), nets.SPACE // self._less
        video = (tokens @ self.basis + self.mean).view(
            many, _LATENT_FRAMES, nets.CELLS, nets.CELLS, nets.TIME, side, side
        )
        video = video.permute(0, 1, 4, 2, 5, 3, 6).flatten(1, 2).flatten(2, 3).flatten(3)
        places = torch.linspace(0, nets.FRAMES - 1, judges.MOVING_FRAMES).round().long()
        seen = video[:, places + nets.TIME - 1].unsqueeze(1)
        middle, spread = seen.mean((2, 3, 4), keepdim=True), seen.std((2, 3, 4), keepdim=True)
        return ((seen - middle) / (spread + 0.02)).contiguous(memory_format=torch.channels_last_3d)


class Examples:
    """Latents of rendered clips and of their mirror images, and what is to be seen in them."""

    def __init__(self, folder: Path, *, skip: int = 0, clips: int | None = None) -> None:
        """Load them.

        Args:
            folder: Of the training.
            skip: Leave out the first clips, which judges learnt from.
            clips: At most so many after these, in whole shards.

        Raises:
            FileNotFoundError: There are no more than are left out.
        """
        paths = latents.files(folder)[-(-skip // data.SHARD) :]
        paths = paths[: None if clips is None else -(-clips // data.SHARD)]
        if not paths:
            raise FileNotFoundError(
                f"{folder / 'latents'} has no more than {skip:,} clips, which are left out: run "
                "the stages `render` and `components` with more --clips first."
            )
        cells, found = [], []
        for path in paths:
            kept = torch.load(path, weights_only=True)["latents"]
            truth = folder / "clips" / path.name.replace("latents", "clips")
            scenes = [Scene(**one) for one in json.loads(truth.with_suffix(".json").read_text())]
            cells += [kept[0], kept[1]]
            found += [_truth(scenes, turned=turned) for turned in (False, True)]
        self.latents, self.truth = torch.cat(cells), torch.cat(found)
        odd = self.truth[:, list(VALUES).index("accident")] > 0
        self.odd, self.usual = odd.nonzero().flatten(), (~odd).nonzero().flatten()

    def tokens(self, which: Tensor) -> Tensor:
        """Return some as the denoiser takes them: clips x tokens x channels."""
        return self.latents[which].float().flatten(2).transpose(1, 2)


def _truth(scenes: list[Scene], *, turned: bool) -> Tensor:
    """Return the index of each attribute's value and of the accident: clips x attributes."""
    rows = []
    for scene in scenes:
        shown = latents.mirrored(scene) if turned else scene.attributes
        known = {**shown, "accident": scene.accident or "none"}
        rows.append([values.index(known[name]) for name, values in VALUES.items()])
    return torch.tensor(rows)


class ReaderLoss:
    """Cross entropy of all attributes and of accidents, off latents of any noise up to 0.7."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, examples = loop.generator, self._examples
        which = torch.randint(0, len(examples.latents), (_BATCH,), generator=g)
        if len(examples.odd):
            odd = examples.odd[torch.randint(0, len(examples.odd), (_BATCH,), generator=g)]
            which = torch.where(torch.rand(_BATCH, generator=g) < _ODD, odd, which)
        level = _NOISIEST * torch.rand(_BATCH, generator=g) ** 1.5
        tokens = noisy(examples.tokens(which), level, g).to(loop.device)
        wanted = examples.truth[which].to(loop.device)
        with torch.autocast(loop.device, torch.bfloat16), attention(loop.device):
            scores = loop.modules["reader"](tokens, level.to(loop.device))
        # An accident may hide what the clip has.
        plain = wanted[:, -1] == 0
        total = F.cross_entropy(scores["accident"], wanted[:, -1])
        for i, name in enumerate(ATTRIBUTES):
            total = total + F.cross_entropy(scores[name][plain], wanted[plain, i])
        return total


class MotionLoss:
    """Cross entropy of the camera's move, on what the components show of latents."""

    def __init__(self, examples: Examples, components: Components, device: str = "cpu") -> None:
        self._examples = examples
        self._shown = Shown(components).to(device)
        self._backwards = judges.backwards(_MOVES)
        self._at = list(VALUES).index(_MOVES)

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, examples = loop.generator, self._examples
        usual = examples.usual[torch.randint(0, len(examples.usual), (_MOTION_BATCH,), generator=g)]
        some = torch.rand(_MOTION_BATCH, generator=g) < _NOISY_MOTION
        level = _NOISIEST_MOTION * torch.rand(_MOTION_BATCH, generator=g) * some
        tokens = noisy(examples.tokens(usual), level, g).to(loop.device)
        wanted = examples.truth[usual, self._at]
        seen = judges.shifted(self._shown(tokens), g)
        seen, wanted = judges.unlike(seen, wanted, self._backwards, g)
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
        return F.cross_entropy(loop.modules["judge"](seen), wanted.to(loop.device))


def noisy(tokens: Tensor, level: Tensor, g: torch.Generator) -> Tensor:
    """Mix noise into clips.

    Args:
        tokens: clips x tokens x channels.
        level: clips; shares of noise, 0 to 1.
        g: Draws the noise, on the CPU.
    """
    noise = torch.randn(tokens.shape, generator=g).to(tokens.device)
    share = level.to(tokens.device)[:, None, None]
    return (1 - share) * tokens + share * noise


class Rewards(nn.Module):
    """Both networks, as one that says what is to be seen in latents."""

    def __init__(self, reader: Reader, motion: judges.Judge, components: Components) -> None:
        super().__init__()
        self.reader, self.motion, self.shown = reader, motion, Shown(components)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, tokens: Tensor, g: torch.Generator) -> dict[str, Tensor]:
        """Return scores of each attribute's values, and of accidents.

        Both look through some noise, by lot: what only clean latents show can be feigned.

        Args:
            tokens: clips x tokens x channels.
            g: Draws, on the CPU.
        """
        many = len(tokens)
        level = 0.35 * torch.rand(many, generator=g)
        scores: dict[str, Tensor] = self.reader(noisy(tokens, level, g), level.to(tokens.device))
        moved = noisy(tokens, 0.2 * torch.rand(many, generator=g), g)
        return {**scores, _MOVES: self.motion(self.shown(moved)).float()}


def reader_loop(folder: Path, start: Path, text_encoder: Any, device: str = "cpu") -> Loop:
    """Make or resume the training of the reader, from a denoiser's first layers."""
    torch.manual_seed(0)
    network = nets.transformer()
    network = type(network).from_pretrained(start / "transformer", torch_dtype=torch.float32)
    made = Loop({"reader": Reader(network, text_encoder)}, folder / "reward-reader.pt", rate=4e-4,
                betas=(0.9, 0.99), decay=0.99, matrices=8e-4, device=device)  # fmt: skip
    made.resume()
    return made


def motion_loop(folder: Path, device: str = "cpu") -> Loop:
    """Make or resume the training of the judge of motion."""
    torch.manual_seed(11)
    judge = judges.Judge(_MOVES)
    judge.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # a third quicker
    made = Loop({"judge": judge}, folder / "reward-motion.pt", rate=3e-3, betas=(0.9, 0.99),
                decay=0.98, device=device, seed=11)  # fmt: skip
    made.resume()
    return made


def load(folder: Path, start: Path, text_encoder: Any, device: str = "cpu") -> Rewards:
    """Load what the stage `rewards` has trained.

    Raises:
        FileNotFoundError: There is none.
    """
    read, moved = reader_loop(folder, start, text_encoder), motion_loop(folder)
    for loop in (read, moved):
        if not loop.step:
            raise FileNotFoundError(f"{loop.path} is not there: run the stage `rewards` first.")
        loop.settle()
    reader, motion = read.modules["reader"], moved.modules["judge"]
    components = Components.load(start)
    return Rewards(reader, motion, components).to(device)  # type: ignore[arg-type]
