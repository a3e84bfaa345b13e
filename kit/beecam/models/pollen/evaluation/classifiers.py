"""Small classifiers, one for each attribute, that know only rendered clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.files import whole
from beecam.models.pollen.training.data.latents import mirrored
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world.rendering import styles
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, possible

FILE = Path(__file__).parent / "classifiers.safetensors"
_BATCH = 32
_GPU_BATCH = 128


@dataclass(frozen=True)
class _View:
    """What a judge is shown: as little as its attribute needs."""

    pixels: int
    frames: int
    width: int
    steps: int
    motion: bool = False  # what moves, not what it is: brightness alone, the same contrast for all
    sides: bool = False  # also how far each half is from the other's mirror image


_VIEWS = {
    "place": _View(96, 3, 24, 6000),
    "light": _View(24, 3, 16, 1000),
    "weather": _View(48, 5, 20, 2000),
    "insect": _View(64, 5, 20, 2500),
    "camera": _View(48, 9, 20, 4000, motion=True),
    "style": _View(96, 2, 12, 1500),
    "accident": _View(48, 6, 20, 5000, sides=True),
}
STILL_FRAMES = 3
MOVING = "camera"
MOVING_FRAMES, MOVING_PIXELS = _VIEWS[MOVING].frames, _VIEWS[MOVING].pixels
ODD_FRAMES = _VIEWS["accident"].frames
STILL = tuple(name for name, view in _VIEWS.items() if view.frames <= STILL_FRAMES)
JUDGED = tuple(name for name in _VIEWS if name != "accident")
VALUES: Mapping[str, tuple[str, ...]] = {
    **{name: ATTRIBUTES[name] for name in JUDGED},
    "accident": ("none", *ACCIDENTS),
}
# Of a batch. A place upside down is the same place, and one behind a petal can still be told: a
# judge that had seen none was right on 85 % of such clips, and on 18 of 40 that are upside down.
_ACCIDENTS_SHOWN: Mapping[str, float] = {"accident": 0.5, "place": 0.25}
# What shapes alone tell is also learnt from shapes alone, or black and white clips, one of six,
# teach it too little.
_TOLD_BY_SHAPE = ("place", "weather", "insect")
_GREYED = 0.25
# And accidents and places, which most often went unseen on black and white film, from clips on such
# film. Of those without accident some are turned into one that is but a clip turned round.
_ON_FILM, _FILMED = ("place", "accident"), 0.25
_TURNED = 0.12  # each way
# At most one of so many pixels is cut off: a judge that knows clips by heart mistakes others.
_SHIFT = 10
# How what they learn from is worn: a share is softened, to at least so small a part of its size
# and back; grain a pixel wide and blotches of some pixels have at most so much spread, of 2.
_SOFT, _SOFTEST = 0.6, 2.5
_GRAIN, _BLOTCH, _BLOTCHES = 0.06, 3, 0.1


class _Motion(nn.Module):
    """What moves where: frames matched with the next ones, as optical flow networks do it.

    A correlation layer (Dosovitskiy et al. 2015, arXiv 1504.06852): of each cell it is told how
    like its features are those of the cells round it in the next frame. A network that sees
    brightness alone must learn from far more clips that motion is what counts.
    """

    _REACH = (5, 4)  # cells across and down
    _CELL = 3  # pixels
    _FEATURES = 32

    def __init__(self, wide: int) -> None:
        super().__init__()
        many = self._FEATURES
        self.look = nn.Sequential(
            nn.Conv3d(1, many, (1, 5, 5), (1, self._CELL, self._CELL), (0, 2, 2)),
            nn.GroupNorm(4, many),
            nn.SiLU(),
            nn.Conv3d(many, many, (1, 3, 3), 1, (0, 1, 1)),
        )
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        across, down = (2 * reach + 1 for reach in self._REACH)
        self.body = nn.Sequential(
            nn.Conv3d(across * down + 2, 2 * wide, 1),
            nn.GroupNorm(4, 2 * wide),
            nn.SiLU(),
            nn.Conv3d(2 * wide, 3 * wide, 3, (1, 2, 2), 1),
            nn.GroupNorm(4, 3 * wide),
            nn.SiLU(),
            nn.Conv3d(3 * wide, 4 * wide, 3, (2, 2, 2), 1),
            nn.GroupNorm(4, 4 * wide),
            nn.SiLU(),
        )

    def forward(self, seen: Tensor) -> Tensor:
        """Return features: clips x 4 wide x times x height x width."""
        clips, _, frames = seen.shape[:3]
        found = F.normalize(self.look(seen), dim=1).transpose(1, 2)
        like = self._likeness(found[:, :-1].flatten(0, 1), found[:, 1:].flatten(0, 1))
        like = (self.sharpness * like).softmax(1)
        side = torch.linspace(-1, 1, like.shape[-1], device=like.device)
        where = torch.stack(torch.meshgrid(side, side, indexing="ij")).expand(len(like), -1, -1, -1)
        flow = torch.cat([like, where], 1).view(clips, frames - 1, -1, *like.shape[2:])
        moved: Tensor = self.body(flow.transpose(1, 2))
        return moved

    def _likeness(self, first: Tensor, then: Tensor) -> Tensor:
        """Return how like each cell is to those round it: pairs x offsets x height x width."""
        x, y = self._REACH
        across, down = 2 * x + 1, 2 * y + 1
        high, wide = first.shape[2:]
        padded = F.pad(then, (x, x, y, y))
        columns = torch.arange(wide)[:, None, None] + torch.arange(across)
        near = torch.arange(down)[:, None] * padded.shape[3] + columns
        near = near.reshape(1, wide, -1).to(first.device).expand(len(first), -1, -1)
        rows = []
        for row in range(high):
            # All of a row with all of the rows round it by one product, of which the near are kept.
            every = first[:, :, row].transpose(1, 2) @ padded[:, :, row : row + down].flatten(2)
            rows.append(every.gather(2, near))
        return torch.stack(rows, 1).permute(0, 3, 1, 2)


class Judge(nn.Module):
    """Says which value of an attribute a clip shows."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self.view = _VIEWS[attribute]
        wide = self.view.width
        time = (1, 2, 2)
        told = 6 if self.view.sides else 3
        self.body: nn.Module = (
            _Motion(wide)
            if self.view.motion
            else nn.Sequential(
                nn.Conv3d(told, wide, (1, 3, 3), (1, 2, 2), (0, 1, 1)),
                nn.GroupNorm(4, wide),
                nn.SiLU(),
                nn.Conv3d(wide, 2 * wide, 3, time, 1),
                nn.GroupNorm(4, 2 * wide),
                nn.SiLU(),
                nn.Conv3d(2 * wide, 3 * wide, 3, time, 1),
                nn.GroupNorm(4, 3 * wide),
                nn.SiLU(),
                nn.Conv3d(3 * wide, 4 * wide, 3, (1, 1, 1), 1),
                nn.GroupNorm(4, 4 * wide),
                nn.SiLU(),
            )
        )
        self.head = nn.Linear(8 * wide, len(VALUES[attribute]))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.head.weight.device

    def forward(self, seen: Tensor) -> Tensor:
        """Return a score for each value.

        Args:
            seen: What `shown` returns.
        """
        scores: Tensor = self.head(self.features(seen))
        return scores

    def features(self, seen: Tensor) -> Tensor:
        """Return what scores are made from: clips x numbers."""
        if self.view.sides:
            # A network that looks at a few pixels at a time can't see that far ones are alike.
            seen = torch.cat([seen, seen - seen.flip(-1)], 1)
        found = self.body(seen).flatten(2)
        return torch.cat([found.mean(2), found.amax(2)], 1)


def shown(clips: Tensor, view: _View) -> Tensor:
    """Return the frames and pixels that a judge looks at.

    Args:
        clips: clips x frames x height x width x 3, uint8.
        view: The judge's view.

    Returns:
        clips x 3 x frames x height x width, -1 to 1.
    """
    places = which_frames(clips.shape[1], view.frames)
    video = clips[:, places].permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    if view.pixels != clips.shape[2]:
        flat = F.adaptive_avg_pool2d(video.flatten(0, 1), view.pixels)
        video = flat.view(*video.shape[:3], view.pixels, view.pixels)
    video = video.permute(0, 2, 1, 3, 4)
    if view.motion:
        video = even(video.mean(1, keepdim=True))
    return video


def even(video: Tensor) -> Tensor:
    """Give all clips the same brightness and contrast: clips x 1 x frames x height x width."""
    middle, spread = video.mean((2, 3, 4), keepdim=True), video.std((2, 3, 4), keepdim=True)
    return (video - middle) / (spread + 0.02)


def moving(clips: Tensor) -> Tensor:
    """Return clips as if they had been rendered with MOVING_FRAMES and MOVING_PIXELS, uint8."""
    some = clips[:, which_frames(clips.shape[1], MOVING_FRAMES)]
    count, frames, size = some.shape[:3]
    side = size // MOVING_PIXELS
    cut = some.view(count, frames, MOVING_PIXELS, side, MOVING_PIXELS, side, 3)
    return torch.cat([part.float().mean((3, 5)).round().byte() for part in torch.split(cut, 100)])


def looked_at(clips: Tensor, attribute: str) -> Tensor:
    """Return those frames of clips that a judge looks at; of these it looks at all again."""
    return clips[:, which_frames(clips.shape[1], _VIEWS[attribute].frames)]


def which_frames(many: int, frames: int) -> Tensor:
    """Return which of many frames are looked at, as indices."""
    return torch.linspace(0, many - 1, frames).round().long()


def truth(scenes: Sequence[Scene], attribute: str) -> Tensor:
    """Return the index of each scene's value."""
    values = VALUES[attribute]
    return torch.tensor([values.index(getattr(scene, attribute) or "none") for scene in scenes])


class JudgeLoss:
    """Cross entropy of one judge on rendered clips, as they are and mirrored, worn and shifted.

    Accidents are left out but where they, or places, are judged: an insect's own view does not show
    the insect, and a mirror turns a pan round.
    """

    def __init__(
        self, attribute: str, clips: Tensor, scenes: Sequence[Scene], device: str = "cpu"
    ) -> None:
        """Keep what batches are drawn from, on a device.

        Args:
            attribute: What is judged.
            clips: clips x frames x height x width x 3, uint8.
            scenes: The truth of them.
            device: Where to train.

        Raises:
            ValueError: Accidents are judged, and no clip has one.
        """
        self._attribute, self._view = attribute, _VIEWS[attribute]
        self._clips = clips.to(device)
        odd = torch.tensor([scene.accident is not None for scene in scenes])
        if attribute == "accident" and not odd.any():
            raise ValueError(f"none of {len(scenes)} clips has an accident: some are needed.")
        self._usable, self._rare = (~odd).nonzero().flatten(), odd.nonzero().flatten()
        self._chances = _as_in_the_world(scenes, self._rare.tolist())
        self._straight = self._turned = truth(scenes, attribute)
        if attribute == "camera":
            order = ATTRIBUTES[attribute]
            self._turned = torch.tensor([order.index(mirrored(s)["camera"]) for s in scenes])
        self._backwards = backwards(attribute)
        self._batch = _BATCH if device == "cpu" else _GPU_BATCH

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        which = self._drawn(g)
        flip = bool(torch.rand(1, generator=g) < 0.5)  # noqa: PLR2004
        some = self._clips[which.to(loop.device)]
        some = some.flip(3) if flip else some
        wanted = (self._turned if flip else self._straight)[which]
        if self._attribute == "accident":
            some, wanted = _turned_round(some, wanted, g)
        if self._attribute in _ON_FILM:
            some = _filmed(some, g)
        seen = shifted(shown(some, self._view), g, aside=not self._view.sides)
        if self._view.motion:
            seen, wanted = unlike(seen, wanted, self._backwards, g)
        elif self._attribute in _TOLD_BY_SHAPE:
            seen = _greyed(seen, g)
        seen = _worn(seen, g, loop.lots())
        # Not in bfloat16, in which oneDNN gives gradients of some of these layers that are no
        # numbers (seen with 12 channels and 2 frames).
        seen = seen.contiguous(memory_format=torch.channels_last_3d)
        return F.cross_entropy(loop.modules["judge"](seen), wanted.to(loop.device))

    def _drawn(self, g: torch.Generator) -> Tensor:
        """Draw which clips."""
        which = self._usable[torch.randint(0, len(self._usable), (self._batch,), generator=g)]
        share = _ACCIDENTS_SHOWN.get(self._attribute, 0.0)
        if not share or not len(self._rare):
            return which
        odd = self._rare[
            torch.multinomial(self._chances, self._batch, replacement=True, generator=g)
        ]
        return torch.where(torch.rand(self._batch, generator=g) < share, odd, which)


def _as_in_the_world(scenes: Sequence[Scene], rare: Sequence[int]) -> Tensor:
    """Return chances with which each kind of accident is drawn as often as it happens.

    Were all kinds as frequent, a judge would see a second sun in every other clear night.

    Args:
        scenes: Of all clips.
        rare: Which of them have an accident.
    """
    usual = [scene.attributes for scene in scenes if scene.accident is None]
    kinds = Counter(scenes[i].accident for i in rare)
    often = {
        kind: ACCIDENTS[kind] * (1 + sum(possible(kind, one) for one in usual))
        for kind in kinds
        if kind
    }
    return torch.tensor([often[kind] / kinds[kind] for i in rare if (kind := scenes[i].accident)])


def train_judge(
    attribute: str,
    clips: Tensor,
    scenes: Sequence[Scene],
    folder: Path,
    device: str = "cpu",
    *,
    start: Judge | None = None,
) -> Judge:
    """Train one judge; it resumes where it was.

    Args:
        attribute: What it judges.
        clips: clips x frames x height x width x 3, uint8.
        scenes: The truth of them.
        folder: Keeps its checkpoint.
        device: Where to train.
        start: A judge that learns on, at a third of the rate and in a checkpoint of its own.
    """
    torch.manual_seed(0)
    judge = start or Judge(attribute)
    judge.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # a third quicker
    rate, name = (1e-3, f"judge-{attribute}-on") if start else (3e-3, f"judge-{attribute}")
    loop = Loop(
        {"judge": judge},
        folder / f"{name}.pt",
        rate=rate,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
    )
    if loop.resume() and start:
        print(
            f"{attribute}: goes on from step {loop.step:,} of {loop.path}, wherever that began",
            flush=True,
        )
    loss = JudgeLoss(attribute, clips, scenes, device)
    loop.run(loss, steps=max(0, judge.view.steps - loop.step), finish=True)
    loop.settle()
    return judge.eval()


def shifted(video: Tensor, g: torch.Generator, *, aside: bool = True) -> Tensor:
    """Cut a part out of what a judge is shown, the same of all clips, and show it as large.

    Args:
        video: What it is shown.
        g: Draws.
        aside: Also more from one side than from the other.
    """
    size = video.shape[-1]
    less = int(torch.randint(0, size // _SHIFT + 1, (1,), generator=g))
    y, x = (int(torch.randint(0, less + 1, (1,), generator=g)) for _ in range(2))
    if not aside:
        x = less // 2
    cut = video[..., y : y + size - less, x : x + size - less]
    if less == 0:
        return cut
    flat = F.interpolate(cut.transpose(1, 2).flatten(0, 1), size, mode="bilinear")
    return flat.view(len(video), video.shape[2], *flat.shape[1:]).transpose(1, 2)


def _greyed(video: Tensor, g: torch.Generator) -> Tensor:
    """Take the colours from some clips."""
    chosen = torch.rand(len(video), 1, 1, 1, 1, generator=g).to(video.device) < _GREYED
    return torch.where(chosen, video.mean(1, keepdim=True), video)


def _filmed(clips: Tensor, g: torch.Generator) -> Tensor:
    """Put some clips on black and white film: clips x frames x height x width x 3, uint8."""
    chosen = (torch.rand(len(clips), generator=g) < _FILMED).nonzero().flatten().to(clips.device)
    image = clips[chosen].permute(0, 1, 4, 2, 3).float() / 255
    film = styles.STYLES["black and white"](image).clamp(0, 1).mul(255).round().byte()
    return clips.index_copy(0, chosen, film.permute(0, 1, 3, 4, 2).contiguous())


def _turned_round(clips: Tensor, wanted: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn some that have no accident upside down, and mirror the left half of others.

    Args:
        clips: clips x frames x height x width x 3, uint8.
        wanted: Their accidents, as `truth` has them, on the CPU.
        g: Draws, on the CPU.
    """
    roll, none = torch.rand(len(clips), generator=g), wanted == 0
    left = clips[:, :, :, : clips.shape[3] // 2]
    ways = {"upside down": clips.flip(2), "mirror": torch.cat([left, left.flip(3)], 3)}
    for i, (name, turned) in enumerate(ways.items()):
        chosen = none & (roll >= i * _TURNED) & (roll < (i + 1) * _TURNED)
        clips = torch.where(chosen.to(clips.device).view(-1, 1, 1, 1, 1), turned, clips)
        wanted = torch.where(chosen, VALUES["accident"].index(name), wanted)
    return clips, wanted


def _worn(video: Tensor, g: torch.Generator, lots: torch.Generator) -> Tensor:
    """Make what a judge is shown softer, grainy and blotchy, as a copy of a copy is.

    What a clip shows is there as long as a person sees it. A judge that knows nothing but rendered
    clips takes the last sharpness, or the even colour of a sky, for what makes a place or a style
    (Hendrycks and Dietterich 2019, arXiv 1903.12261).

    Args:
        video: clips x colours x frames x height x width.
        g: Draws how much.
        lots: Draws the grain, on the device.
    """
    size = video.shape[-1]
    flat = video.transpose(1, 2).flatten(0, 1)
    if float(torch.rand(1, generator=g)) < _SOFT:
        less = int(torch.randint(round(size / _SOFTEST), size + 1, (1,), generator=g))
        flat = F.interpolate(flat, less, mode="bilinear", antialias=True)
        flat = F.interpolate(flat, size, mode="bicubic")
    for coarse, most in ((1, _GRAIN), (_BLOTCH, _BLOTCHES)):
        shape = (*flat.shape[:2], size // coarse, size // coarse)
        noise = torch.randn(shape, generator=lots, device=flat.device)
        if coarse > 1:
            noise = F.interpolate(noise, size, mode="bicubic")
        flat = flat + noise * (most * float(torch.rand(1, generator=g)))
    return flat.view(len(video), video.shape[2], *flat.shape[1:]).transpose(1, 2)


def backwards(attribute: str) -> Tensor:
    """Return what each value is when time runs backwards; -1 where it is none of them."""
    swap = {"pan left": "pan right", "pan right": "pan left", "drone": "", "rise": "", "dive": ""}
    values = VALUES[attribute]
    other = [swap.get(value, value) for value in values]
    return torch.tensor([values.index(one) if one in values else -1 for one in other])


def unlike(
    video: Tensor, wanted: Tensor, backwards: Tensor, g: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make clips look otherwise that move alike: dark for bright, and some backwards in time.

    Args:
        video: What a judge of motion is shown.
        wanted: The index of each clip's value.
        backwards: What each value is when time runs backwards, or -1.
        g: Draws.
    """
    many = len(video)
    sign = torch.where(torch.rand(many, generator=g) < 0.5, -1.0, 1.0)  # noqa: PLR2004
    turned = backwards[wanted]
    back = (turned >= 0) & (torch.rand(many, generator=g) < 0.5)  # noqa: PLR2004
    chosen = back.to(video.device).view(-1, 1, 1, 1, 1)
    seen = torch.where(chosen, video.flip(2), video) * sign.to(video.device).view(-1, 1, 1, 1, 1)
    return seen, torch.where(back, turned, wanted)


def judge_all(judge: Judge, clips: Tensor) -> Tensor:
    """Return the index of the value that a judge sees in each clip."""
    with torch.no_grad():
        return torch.cat(
            [
                judge(shown(part.to(judge.device), judge.view)).argmax(1).cpu()
                for part in torch.split(clips, 64)
            ]
        )


def features(judges: Mapping[str, Judge], clips: Tensor) -> Tensor:
    """Return what all judges but that of accidents see in clips: clips x numbers."""
    with torch.no_grad():
        return torch.cat(
            [
                torch.cat(
                    [
                        judges[n].features(shown(part.to(judges[n].device), judges[n].view)).cpu()
                        for n in JUDGED
                    ],
                    1,
                )
                for part in torch.split(clips, 64)
            ]
        )


def save(judges: Mapping[str, Judge], path: Path) -> None:
    """Write all judges into one small file."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": value.half().contiguous()
        for name, judge in judges.items()
        for key, value in judge.state_dict().items()
    }
    with whole(path) as file:
        save_file(tensors, file)


def load(path: Path = FILE, device: str = "cpu") -> dict[str, Judge]:
    """Load the judges that ship with pollen, or others.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, lacks a judge, or has other networks.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: no judges can be read from it ({error}).") from error
    judges = {name: Judge(name) for name in VALUES}
    for name, judge in judges.items():
        own = {
            k.removeprefix(f"{name}."): v.float()
            for k, v in tensors.items()
            if k.startswith(f"{name}.")
        }
        if not own:
            raise ValueError(f"{path}: it has no judge of {name}.")
        try:
            judge.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(f"{path}: its judge of {name} is another network.") from error
        judge.eval().to(device)
    return judges
