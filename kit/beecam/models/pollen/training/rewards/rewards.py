"""What the denoiser is tuned by: two networks that look at latents and say what is to be seen.

They are no judges of pollen. Those that score it look at clips, and share neither weights nor
scenes with these.

One reads what a still picture tells, and accidents, off noisy latents; it begins as the first
layers of the denoiser. What moves it can't be asked: of the denoiser's own layers it has learnt to
find what was asked for in motion that is not coherent (docs/training.md). So a judge of motion
from scratch says that, on what the components alone show of latents, through which gradients lead
back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen.evaluation import classifiers as judges
from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.components import FILE, Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.training.losses.flow import attention, no_text
from beecam.models.pollen.training.optimization.loop import Loop, lots_on
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, possible

MOVES = "camera"
# What the reader says, but for accidents. Speed is motion, too.
STILL = tuple(name for name in ATTRIBUTES if name not in (MOVES, "speed"))
VALUES = {**{name: ATTRIBUTES[name] for name in STILL}, "accident": ("none", *ACCIDENTS)}
FOLDER = "rewarded"
CLIPS = 12_000
FIRST = data.UNSEEN // 16  # the seed from which their scenes are drawn: no judge's are
_SEEN = "seen.json"
_HELD_BACK = 6  # one of so many shards tells how good they are
_RECOGNISED = 0.5  # of an accident's clips, where clips are to be tuned by it
_LAYERS = 4
_WIDTH = 256
_FOR_READING = 0.35  # share of the time in which the reader learns
_BATCH, _MOTION_BATCH = 64, 32
_GPU_BATCH = 128  # of both
_NOISIEST = 0.7
_NOISY_MOTION, _NOISIEST_MOTION = 0.6, 0.3  # a share of the clips, and how noisy they are at most
_ODD = 0.25  # share of the clips that are drawn from those with an accident
_ACCIDENT = list(VALUES).index("accident")
_BANDS = 4  # of a frame's height, in each of which its halves are compared


class Reader(nn.Module):
    """Reads attributes and accidents off noisy latents."""

    states: Tensor
    mask: Tensor

    def __init__(self, denoiser: Any, text_encoder: Any, components: Components) -> None:
        """Take over the first layers of a denoiser.

        Args:
            denoiser: Is changed: its other layers are taken away.
            text_encoder: Gives what it reads where no caption is known.
            components: Of the latents.
        """
        super().__init__()
        denoiser.transformer_blocks = denoiser.transformer_blocks[:_LAYERS]
        denoiser.proj_out = nn.Identity()
        wide = denoiser.config.num_attention_heads * denoiser.config.attention_head_dim
        self.network = denoiser
        seen = 2 * nets.LATENT_FRAMES * wide
        self.shown = Shown(components)
        self.even = nn.LayerNorm(seen)
        self.head = nn.Sequential(
            nn.Linear(seen + _BANDS * judges.MOVING_FRAMES, _WIDTH),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(_WIDTH, sum(map(len, VALUES.values()))),
        )
        ids = no_text()[None, : nets.SHORT_TEXT].long()
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
            hidden_states=tokens,
            encoder_hidden_states=self.states.expand(many, -1, -1),
            timestep=level[:, None] * 1000,
            encoder_attention_mask=self.mask.expand(many, -1),
            **nets.PLACES,
        ).sample
        cells = found.view(many, nets.LATENT_FRAMES, -1, found.shape[-1])
        told = self.even(torch.cat([cells.mean(2), cells.amax(2)], -1).flatten(1))
        scores = self.head(torch.cat([told, self._unlike_halves(tokens)], 1)).float()
        return dict(
            zip(VALUES, torch.split(scores, list(map(len, VALUES.values())), -1), strict=True)
        )

    def _unlike_halves(self, tokens: Tensor) -> Tensor:
        """Return how far what is left is from what is right in a mirror: clips x numbers.

        A cell's numbers don't tell what it looks like in a mirror.
        """
        video = self.shown(tokens)[:, 0]
        apart = (video - video.flip(-1)).abs().flatten(2).unflatten(2, (_BANDS, -1)).mean(-1)
        features: Tensor = (apart + 0.02).log().flatten(1)
        return features


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
        both = F.avg_pool2d(
            torch.cat([basis, components.mean.view(1, *block).mean(-1)]), self._less
        )
        self.register_buffer("basis", both[:-1].flatten(1))
        self.register_buffer("mean", both[-1].flatten())

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what `judges.shown` would of the decoded clips: clips x 1 x frames x side x side.

        Args:
            tokens: clips x tokens x channels.
        """
        many, side = len(tokens), nets.SPACE // self._less
        video = (tokens @ self.basis + self.mean).view(
            many, nets.LATENT_FRAMES, nets.CELLS, nets.CELLS, nets.TIME, side, side
        )
        video = video.permute(0, 1, 4, 2, 5, 3, 6).flatten(1, 2).flatten(2, 3).flatten(3)
        # The first frame stands four times in its block.
        frames = judges.which_frames(nets.FRAMES, judges.MOVING_FRAMES) + nets.TIME - 1
        seen = judges.even(video[:, frames].unsqueeze(1))
        return seen.contiguous(memory_format=torch.channels_last_3d)


@dataclass(frozen=True)
class Examples:
    """Latents of rendered clips and of their mirror images, and what is to be seen in them.

    Attributes:
        latents: clips x channels x frames x height x width, float16.
        truth: Indices of the values of VALUES, and last of the camera's: clips x attributes.
    """

    latents: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def odd(self) -> Tensor:
        """Which have an accident."""
        return (self.truth[:, _ACCIDENT] > 0).nonzero().flatten()

    @property
    def usual(self) -> Tensor:
        """Which have none."""
        return (self.truth[:, _ACCIDENT] == 0).nonzero().flatten()

    def possible(self) -> Tensor:
        """Return which accident can happen in which clip: clips x accidents."""
        values = {**{name: VALUES[name] for name in STILL}, MOVES: ATTRIBUTES[MOVES]}
        at = {name: i for i, name in enumerate((*VALUES, MOVES))}
        seen = [
            {name: values[name][row[at[name]]] for name in values} for row in self.truth.tolist()
        ]
        return can_happen(seen)

    def tokens(self, which: Tensor) -> Tensor:
        """Return some as the denoiser takes them: clips x tokens x channels."""
        return self.latents[which].float().flatten(2).transpose(1, 2)


def can_happen(attributes: Sequence[Mapping[str, str]]) -> Tensor:
    """Return which accident can happen in which scene: scenes x accidents."""
    return torch.tensor([[possible(name, one) for name in ACCIDENTS] for one in attributes])


def examples(shards: Sequence[Path]) -> Examples:
    """Load shards of latents, as `latents.files` names them."""
    cells, found = [], []
    for path in shards:
        kept = stored.tensors(path)["latents"]
        scenes = data.scenes_of(latents.clips_of(path))
        cells += [kept[0], kept[1]]
        found += [_truth(scenes, turned=turned) for turned in (False, True)]
    return Examples(torch.cat(cells), torch.cat(found))


def _truth(scenes: list[Scene], *, turned: bool) -> Tensor:
    """Return the index of each value: clips x attributes."""
    rows = []
    for scene in scenes:
        shown = latents.mirrored(scene) if turned else scene.attributes
        known = {**shown, "accident": scene.accident or "none"}
        row = [values.index(known[name]) for name, values in VALUES.items()]
        rows.append([*row, ATTRIBUTES[MOVES].index(known[MOVES])])
    return torch.tensor(rows)


class ReaderLoss:
    """Cross entropy of what the reader says, off latents of any noise up to 0.7."""

    def __init__(self, known: Examples) -> None:
        self._known, self._odd = known, known.odd

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, many = loop.generator, _BATCH if loop.device == "cpu" else _GPU_BATCH
        which = torch.randint(0, len(self._known), (many,), generator=g)
        if len(self._odd):
            odd = self._odd[torch.randint(0, len(self._odd), (many,), generator=g)]
            which = torch.where(torch.rand(many, generator=g) < _ODD, odd, which)
        level = _NOISIEST * torch.rand(many, generator=g) ** 1.5
        tokens = noisy(self._known.tokens(which).to(loop.device), level, g)
        wanted = self._known.truth[which].to(loop.device)
        # Dropout draws from here, which no checkpoint has.
        torch.manual_seed(int(torch.randint(0, 2**62, (1,), generator=g)))
        with autocast(loop.device), attention(loop.device):
            scores = loop.modules["reader"](tokens, level.to(loop.device))
        # An accident may hide what the clip has.
        plain = wanted[:, _ACCIDENT] == 0
        total = F.cross_entropy(scores["accident"], wanted[:, _ACCIDENT])
        for i, name in enumerate(STILL):
            total = total + F.cross_entropy(scores[name][plain], wanted[plain, i])
        return total


class MotionLoss:
    """Cross entropy of the camera's move, on what the components show of latents."""

    def __init__(self, known: Examples, components: Components, device: str = "cpu") -> None:
        self._known, self._usual = known, known.usual
        self._shown = Shown(components).to(device)
        self._backwards = judges.backwards(MOVES)

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g, many = loop.generator, _MOTION_BATCH if loop.device == "cpu" else _GPU_BATCH
        usual = self._usual[torch.randint(0, len(self._usual), (many,), generator=g)]
        some = torch.rand(many, generator=g) < _NOISY_MOTION
        level = _NOISIEST_MOTION * torch.rand(many, generator=g) * some
        tokens = noisy(self._known.tokens(usual).to(loop.device), level, g)
        wanted = self._known.truth[usual, -1]
        seen = judges.shifted(self._shown(tokens), g)
        seen, wanted = judges.unlike(seen, wanted, self._backwards, g)
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
        return F.cross_entropy(loop.modules["judge"](seen), wanted.to(loop.device))


def noisy(tokens: Tensor, level: Tensor, g: torch.Generator) -> Tensor:
    """Mix noise into clips.

    Args:
        tokens: clips x tokens x channels.
        level: clips; shares of noise, 0 to 1.
        g: Draws the seed of the noise, on the CPU.
    """
    noise = torch.randn(tokens.shape, generator=lots_on(tokens.device, g), device=tokens.device)
    share = level.to(tokens.device)[:, None, None]
    return (1 - share) * tokens + share * noise


class Rewards(nn.Module):
    """Both networks, as one that says what is to be seen in latents.

    Attributes:
        expected: How likely the reader finds each accident in the mean of unseen rendered clips
            where it can happen; but for those that it does not find in most clips that have them.
    """

    reader: Any  # a Reader

    def __init__(self, reader: nn.Module, motion: nn.Module, expected: Mapping[str, float]) -> None:
        super().__init__()
        self.reader, self.motion = reader, motion
        self.expected = dict(expected)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, tokens: Tensor, g: torch.Generator) -> dict[str, Tensor]:
        """Return scores of the values of what is rewarded, and of accidents.

        Both look through some noise, by lot: what only clean latents show can be feigned.

        Args:
            tokens: clips x tokens x channels.
            g: Draws, on the CPU.
        """
        many = len(tokens)
        level = 0.35 * torch.rand(many, generator=g)
        scores: dict[str, Tensor] = self.reader(noisy(tokens, level, g), level.to(tokens.device))
        moved = noisy(tokens, 0.2 * torch.rand(many, generator=g), g)
        return {**scores, MOVES: self.motion(self.reader.shown(moved)).float()}


def train(
    folder: Path, start: Path, text_encoder: Any, *, clips: int, minutes: float, device: str
) -> None:
    """Train both networks, on clips of their own, and keep what they recognise.

    Args:
        folder: Keeps clips, latents and checkpoints; of nothing else.
        start: Exported weights in whose latent space they look.
        text_encoder: Of these weights.
        clips: How many are rendered.
        minutes: How long to train both.
        device: Where to.

    Raises:
        ValueError: So few clips that none are left to tell how good they are.
    """
    if clips <= data.SHARD:
        raise ValueError(
            f"--clips {clips}: rewards need more than {data.SHARD}, the last of which tell how "
            f"good they are; {CLIPS:,} if it isn't said."
        )
    folder.mkdir(parents=True, exist_ok=True)
    components = _components(folder, start)
    data.render_there(folder / "clips", clips, device, first=FIRST)
    latents.write(folder, components.to(device))
    shards = latents.files(folder)
    held = -(-len(shards) // _HELD_BACK)
    known, unseen = examples(shards[:-held]), examples(shards[-held:])
    print(f"rewards: {len(known):,} clips and mirror images to learn from", flush=True)
    read, moved = reader_loop(folder, start, text_encoder, device), motion_loop(folder, device)
    if not read.finished or moved.finished:
        read.run(ReaderLoss(known), minutes=_FOR_READING * minutes, finish=True)
    moved.run(
        MotionLoss(known, components, device), minutes=(1 - _FOR_READING) * minutes, finish=True
    )
    if not (read.finished and moved.finished):
        print("rewards: not done yet; the same command goes on", flush=True)
        return
    for loop in (read, moved):
        loop.settle()
    reader, motion = read.modules["reader"], moved.modules["judge"]
    seen = measured(Rewards(reader, motion, {}).to(device), unseen, device)
    (folder / _SEEN).write_text(json.dumps(seen, indent=1) + "\n")
    print(f"rewards: right on {seen['right']} of clips they have not seen", flush=True)


def measured(
    rewards: Rewards, unseen: Examples, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Return how well clips are told.

    Returns:
        right: The share of clips in which each attribute is seen, and each accident where it is.
        chances: How likely each accident is found, in the mean of clips where it can happen.
    """
    g = torch.Generator().manual_seed(0)
    parts: list[dict[str, Tensor]] = []
    with torch.no_grad(), autocast(device), attention(device):
        for which in torch.split(torch.arange(len(unseen)), _BATCH):
            scores = rewards(unseen.tokens(which).to(device), g)
            parts.append({name: one.float().cpu() for name, one in scores.items()})
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    at = {name: i for i, name in enumerate((*VALUES, MOVES))}
    right, chances = {}, {}
    for name in (*STILL, MOVES):
        same = found[name].argmax(1) == unseen.truth[:, at[name]]
        right[name] = same[unseen.usual].float().mean()
    likely, can = found["accident"].softmax(1), unseen.possible()
    for number, name in enumerate(ACCIDENTS, 1):
        some = unseen.truth[:, _ACCIDENT] == number
        if some.any():
            right[name] = (likely.argmax(1)[some] == number).float().mean()
            chances[name] = likely[can[:, number - 1], number].mean()
    return {
        "right": {name: round(float(share), 3) for name, share in right.items()},
        "chances": {name: round(float(share), 5) for name, share in chances.items()},
    }


def _components(folder: Path, start: Path) -> Components:
    """Return the components of weights, which all in a folder must be of."""
    given, file = Components.load(start), folder / FILE
    if not file.exists():
        given.save(file)
    elif not given.same(Components.load(file)):
        raise ValueError(
            f"--from-weights {start}: {folder} has rewards of other components; move it away."
        )
    return given


def reader_loop(folder: Path, start: Path, text_encoder: Any, device: str = "cpu") -> Loop:
    """Make or resume the training of the reader, from a denoiser's first layers."""
    torch.manual_seed(0)
    reader = Reader(nets.transformer(start), text_encoder, Components.load(start))
    made = Loop(
        {"reader": reader},
        folder / "reader.pt",
        rate=4e-4,
        betas=(0.9, 0.99),
        decay=0.99,
        matrices=8e-4,
        device=device,
    )
    made.resume()
    return made


def motion_loop(folder: Path, device: str = "cpu") -> Loop:
    """Make or resume the training of the judge of motion."""
    torch.manual_seed(11)
    judge = judges.Judge(MOVES)
    judge.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # a third quicker
    made = Loop(
        {"judge": judge},
        folder / "motion.pt",
        rate=3e-3,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
        seed=11,
    )
    made.resume()
    return made


def load(folder: Path, start: Path, text_encoder: Any, device: str = "cpu") -> Rewards:
    """Load what `train` has trained.

    Raises:
        FileNotFoundError: There is none, or it isn't done.
        ValueError: It looks into another latent space than that of the weights.
    """
    if not (folder / _SEEN).exists():
        raise FileNotFoundError(f"{folder / _SEEN} is not there: run the stage `rewards` first.")
    seen = json.loads((folder / _SEEN).read_text())
    _components(folder, start)
    read, moved = reader_loop(folder, start, text_encoder), motion_loop(folder)
    for loop in (read, moved):
        if not loop.finished:
            raise FileNotFoundError(f"{loop.path} is not done: run the stage `rewards` again.")
        loop.settle()
    expected = {
        name: share for name, share in seen["chances"].items() if seen["right"][name] >= _RECOGNISED
    }
    return Rewards(read.modules["reader"], moved.modules["judge"], expected).to(device)
