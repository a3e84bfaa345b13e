"""Small classifiers, one for each attribute, that know only rendered clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen.scene import ACCIDENTS, ATTRIBUTES, Scene
from beecam.models.pollen.train import mirrored
from beecam.models.pollen.training import Loop

FILE = Path(__file__).parent / "judges.safetensors"
_BATCH = 32


@dataclass(frozen=True)
class _View:
    """What a judge is shown: as little as its attribute needs."""

    pixels: int
    frames: int
    width: int
    steps: int
    grey: bool = False  # brightness alone, the same contrast for all: what moves, not what it is


_VIEWS = {
    "place": _View(64, 3, 24, 3000), "light": _View(24, 3, 16, 1000),
    "weather": _View(48, 5, 20, 2000), "insect": _View(64, 5, 20, 1300),
    "camera": _View(32, 17, 24, 3000, grey=True), "style": _View(96, 2, 12, 500),
    "accident": _View(48, 6, 20, 2000),
}  # fmt: skip
JUDGED = tuple(name for name in _VIEWS if name != "accident")
VALUES: Mapping[str, tuple[str, ...]] = {
    **{name: ATTRIBUTES[name] for name in JUDGED}, "accident": ("none", *ACCIDENTS),
}  # fmt: skip
_ACCIDENTS_SHOWN = 0.6  # of a batch; there are few of each kind


class Judge(nn.Module):
    """Says which value of an attribute a clip shows."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self.view = _VIEWS[attribute]
        wide = self.view.width
        time = (1, 2, 2)
        colours, reach = (1, 3) if self.view.grey else (3, 1)
        self.body = nn.Sequential(
            nn.Conv3d(colours, wide, (reach, 3, 3), (1, 2, 2), (reach // 2, 1, 1)),
            nn.GroupNorm(4, wide), nn.SiLU(),
            nn.Conv3d(wide, 2 * wide, 3, time, 1), nn.GroupNorm(4, 2 * wide), nn.SiLU(),
            nn.Conv3d(2 * wide, 3 * wide, 3, time, 1), nn.GroupNorm(4, 3 * wide), nn.SiLU(),
            nn.Conv3d(3 * wide, 4 * wide, 3, (1, 1, 1), 1), nn.GroupNorm(4, 4 * wide), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Linear(8 * wide, len(VALUES[attribute]))

    def forward(self, seen: Tensor) -> Tensor:
        """Return a score for each value.

        Args:
            seen: What `shown` returns.
        """
        scores: Tensor = self.head(self.features(seen))
        return scores

    def features(self, seen: Tensor) -> Tensor:
        """Return what scores are made from: clips x numbers."""
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
    places = torch.linspace(0, clips.shape[1] - 1, view.frames).round().long()
    video = clips[:, places].permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    if view.pixels != clips.shape[2]:
        flat = F.adaptive_avg_pool2d(video.flatten(0, 1), view.pixels)
        video = flat.view(*video.shape[:3], view.pixels, view.pixels)
    video = video.permute(0, 2, 1, 3, 4)
    if view.grey:
        video = video.mean(1, keepdim=True)
        middle, spread = video.mean((2, 3, 4), keepdim=True), video.std((2, 3, 4), keepdim=True)
        video = (video - middle) / (spread + 0.02)
    return video


def truth(scenes: Sequence[Scene], attribute: str) -> Tensor:
    """Return the index of each scene's value."""
    values = VALUES[attribute]
    return torch.tensor([values.index(getattr(scene, attribute) or "none") for scene in scenes])


def train_judge(attribute: str, clips: Tensor, scenes: Sequence[Scene], folder: Path) -> Judge:
    """Train one judge on rendered clips, as they are and mirrored; it resumes where it was.

    Accidents are left out but where they are judged: an insect's own view does not show the
    insect, and a mirror turns a pan round.
    """
    torch.manual_seed(0)
    judge = Judge(attribute)
    usable = torch.tensor([i for i, scene in enumerate(scenes) if scene.accident is None])
    rare = torch.tensor([i for i, scene in enumerate(scenes) if scene.accident is not None])
    straight = truth(scenes, attribute)
    turned = straight
    if attribute == "camera":
        order = ATTRIBUTES[attribute]
        turned = torch.tensor([order.index(mirrored(scene)["camera"]) for scene in scenes])

    def loss(loop: Loop) -> Tensor:
        g = loop.generator
        which = usable[torch.randint(0, len(usable), (_BATCH,), generator=g)]
        if attribute == "accident":
            some = rare[torch.randint(0, len(rare), (_BATCH,), generator=g)]
            which = torch.where(torch.rand(_BATCH, generator=g) < _ACCIDENTS_SHOWN, some, which)
        flip = bool(torch.rand(1, generator=g) < 0.5)  # noqa: PLR2004
        seen = shown(clips[which].flip(3) if flip else clips[which], judge.view)
        # Generated clips are a little soft and noisy: a judge must not need the last sharpness.
        noise = torch.randn(seen.shape, generator=g) * 0.06 * torch.rand(1, generator=g)
        return F.cross_entropy(
            loop.modules["judge"](seen + noise), (turned if flip else straight)[which]
        )

    loop = Loop({"judge": judge}, folder / f"judge-{attribute}.pt", rate=3e-3, betas=(0.9, 0.99),
                decay=0.98)  # fmt: skip
    loop.resume()
    loop.run(loss, steps=max(0, judge.view.steps - loop.step), finish=True)
    loop.settle()
    return judge.eval()


def judge_all(judge: Judge, clips: Tensor) -> Tensor:
    """Return the index of the value that a judge sees in each clip."""
    with torch.no_grad():
        return torch.cat(
            [judge(shown(part, judge.view)).argmax(1) for part in torch.split(clips, 64)]
        )


def features(judges: Mapping[str, Judge], clips: Tensor) -> Tensor:
    """Return what all judges but that of accidents see in clips: clips x numbers."""
    with torch.no_grad():
        return torch.cat([
            torch.cat([judges[n].features(shown(part, judges[n].view)) for n in JUDGED], 1)
            for part in torch.split(clips, 64)
        ])  # fmt: skip


def save(judges: Mapping[str, Judge], path: Path = FILE) -> None:
    """Write all judges into one small file."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": value.half().contiguous()
        for name, judge in judges.items()
        for key, value in judge.state_dict().items()
    }
    save_file(tensors, path)


def load(path: Path = FILE) -> dict[str, Judge]:
    """Load the judges that ship with pollen."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    judges = {}
    for name in VALUES:
        judges[name] = Judge(name)
        own = {
            k.removeprefix(f"{name}."): v.float()
            for k, v in tensors.items()
            if k.startswith(f"{name}.")
        }
        judges[name].load_state_dict(own)
        judges[name].eval()
    return judges
