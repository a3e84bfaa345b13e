"""Training, use and files of the classifiers, which have seen rendered clips only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from beecam._util.files import atomic_write
from beecam.models.pollen.networks.classifier import SCORED, VALUES, VIEWS, Classifier, prepare
from beecam.models.pollen.training.data import augmentation
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, possible

FILE = Path(__file__).parent / "classifiers.safetensors"
_BATCH = 32
_GPU_BATCH = 128
_HALF = 0.5
# Share of a batch with accidents. A place upside down is the same place, and one behind a petal is
# still recognisable: a classifier that had seen none was right on 85 % of such clips, and on 18 of
# 40 upside down.
_ACCIDENT_SHARES: Mapping[str, float] = {"accident": 0.5, "place": 0.25}
# Attributes that shapes show are also learnt from grey clips: only one clip in six is in black and
# white by itself.
_SHAPES = ("place", "weather", "insect")
# Places and accidents were most often missed in black and white.
_BLACK_AND_WHITE = ("place", "accident")


def labels(scenes: Sequence[Scene], attribute: str) -> Tensor:
    """Return the index of each scene's value: (clips,)."""
    values = VALUES[attribute]
    return torch.tensor([values.index(getattr(scene, attribute) or "none") for scene in scenes])


class ClassifierLoss:
    """Cross entropy of one classifier on rendered clips with augmentations.

    Clips with accidents are left out unless accidents or places are classified: an insect's own
    view does not show the insect, and a mirror reverses a pan.
    """

    def __init__(
        self, attribute: str, clips: Tensor, scenes: Sequence[Scene], device: str = "cpu"
    ) -> None:
        """Store the clips on a device.

        Args:
            attribute: The attribute to classify.
            clips: (clips, frames, height, width, 3), uint8.
            scenes: The ground truth of the clips.
            device: Device to train on.

        Raises:
            ValueError: Accidents are to be classified, and no clip has one.
        """
        self._attribute, self._view = attribute, VIEWS[attribute]
        self._clips = clips.to(device)
        accident = torch.tensor([scene.accident is not None for scene in scenes])
        if attribute == "accident" and not accident.any():
            raise ValueError(f"none of {len(scenes)} clips has an accident: some are needed.")
        self._plain, self._accidents = (~accident).nonzero().flatten(), accident.nonzero().flatten()
        self._weights = _world_rates(scenes, self._accidents.tolist())
        self._labels = self._mirrored_labels = labels(scenes, attribute)
        if attribute == "camera":
            values = ATTRIBUTES[attribute]
            self._mirrored_labels = torch.tensor(
                [values.index(scene.mirrored_attributes["camera"]) for scene in scenes]
            )
        self._reversed = augmentation.reversed_labels(attribute)
        self._batch = _BATCH if device == "cpu" else _GPU_BATCH

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        indices = self._draw(g)
        mirrored = bool(torch.rand(1, generator=g) < _HALF)
        clips = self._clips[indices.to(loop.device)]
        clips = clips.flip(3) if mirrored else clips
        targets = (self._mirrored_labels if mirrored else self._labels)[indices]
        if self._attribute == "accident":
            clips, targets = augmentation.random_flips(clips, targets, g)
        if self._attribute in _BLACK_AND_WHITE:
            clips = augmentation.random_black_and_white(clips, g)
        video = prepare(clips, self._view)
        video = augmentation.random_crop(video, g, horizontal=not self._view.mirror)
        if self._view.motion:
            video, targets = augmentation.vary_motion(video, targets, self._reversed, g)
        elif self._attribute in _SHAPES:
            video = augmentation.random_grey(video, g)
        video = augmentation.degrade(video, g, loop.device_generator())
        # Not in bfloat16: oneDNN's gradients of some of these layers are NaN then (seen with 12
        # channels and 2 frames).
        video = video.contiguous(memory_format=torch.channels_last_3d)
        return F.cross_entropy(loop.modules["classifier"](video), targets.to(loop.device))

    def _draw(self, g: torch.Generator) -> Tensor:
        """Return the indices of a random batch."""
        indices = self._plain[torch.randint(0, len(self._plain), (self._batch,), generator=g)]
        share = _ACCIDENT_SHARES.get(self._attribute, 0.0)
        if not share or not len(self._accidents):
            return indices
        accidents = self._accidents[
            torch.multinomial(self._weights, self._batch, replacement=True, generator=g)
        ]
        return torch.where(torch.rand(self._batch, generator=g) < share, accidents, indices)


def _world_rates(scenes: Sequence[Scene], accidents: Sequence[int]) -> Tensor:
    """Return weights with which each kind of accident is drawn at its rate in the world.

    With equal rates, a classifier would see a second sun in every other clear night.

    Args:
        scenes: Scenes of all clips.
        accidents: Indices of those with an accident.
    """
    plain = [scene.attributes for scene in scenes if scene.accident is None]
    counts = Counter(scenes[i].accident for i in accidents)
    rates = {
        kind: ACCIDENTS[kind] * (1 + sum(possible(kind, one) for one in plain))
        for kind in counts
        if kind
    }
    return torch.tensor(
        [rates[kind] / counts[kind] for i in accidents if (kind := scenes[i].accident)]
    )


def train_classifier(
    attribute: str,
    clips: Tensor,
    scenes: Sequence[Scene],
    folder: Path,
    device: str = "cpu",
    *,
    start: Classifier | None = None,
) -> Classifier:
    """Train one classifier, or resume its training.

    Args:
        attribute: The attribute that it classifies.
        clips: (clips, frames, height, width, 3), uint8.
        scenes: The ground truth of the clips.
        folder: Folder of its checkpoint.
        device: Device to train on.
        start: A classifier to fine-tune, at a third of the rate, with a checkpoint of its own.
    """
    torch.manual_seed(0)
    network = start or Classifier(attribute)
    # A third faster.
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    name = f"classifier-{attribute}-fine-tuned" if start else f"classifier-{attribute}"
    loop = Loop(
        {"classifier": network},
        folder / f"{name}.pt",
        rate=1e-3 if start else 3e-3,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
    )
    if loop.resume() and start:
        print(
            f"{attribute}: resumes from step {loop.step:,} of {loop.path}, whatever that started "
            "from",
            flush=True,
        )
    loss = ClassifierLoss(attribute, clips, scenes, device)
    loop.run(loss, steps=max(0, network.view.steps - loop.step), finish=True)
    loop.use_average()
    return network.eval()


def classify(classifier: Classifier, clips: Tensor) -> Tensor:
    """Return the index of the value that a classifier predicts for each clip: (clips,)."""
    with torch.no_grad():
        return torch.cat(
            [
                classifier(prepare(part.to(classifier.device), classifier.view)).argmax(1).cpu()
                for part in torch.split(clips, 64)
            ]
        )


def features(classifiers: Mapping[str, Classifier], clips: Tensor) -> Tensor:
    """Return the features of all classifiers except that of accidents: (clips, features)."""
    with torch.no_grad():
        return torch.cat(
            [
                torch.cat(
                    [
                        one.features(prepare(part.to(one.device), one.view)).cpu()
                        for one in (classifiers[name] for name in SCORED)
                    ],
                    1,
                )
                for part in torch.split(clips, 64)
            ]
        )


def save(classifiers: Mapping[str, Classifier], path: Path) -> None:
    """Write classifiers to one safetensors file, in half precision."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{key}": value.half().contiguous()
        for name, classifier in classifiers.items()
        for key, value in classifier.state_dict().items()
    }
    with atomic_write(path) as file:
        save_file(tensors, file)


def load(path: Path = FILE, device: str = "cpu") -> dict[str, Classifier]:
    """Load classifiers: those that ship with pollen, or others.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is damaged, lacks a classifier, or has another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: no classifiers can be read from it ({error}).") from error
    classifiers = {name: Classifier(name) for name in VALUES}
    for name, classifier in classifiers.items():
        own = {
            key.removeprefix(f"{name}."): value.float()
            for key, value in tensors.items()
            if key.startswith(f"{name}.")
        }
        if not own:
            raise ValueError(f"{path}: it has no classifier of {name}.")
        try:
            classifier.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(f"{path}: its classifier of {name} is another network.") from error
        classifier.eval().to(device)
    return classifiers
