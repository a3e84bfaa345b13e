"""What beecam needs of a model: the `Model` protocol, and the values that it returns.

What a model may support beyond its six members is in `beecam.models.capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from beecam._util.attributes import NearestAttributes
from beecam.errors import ModelError, Problem
from beecam.media.types import Frames, Sound
from beecam.shots.shot import Shot

_FRAMES_AXES = 4
_COLORS = 3


@dataclass(frozen=True)
class Checkpoint(NearestAttributes):
    """The state of one clip's denoising: enough to resume it to the same bits.

    >>> library.checkpoints.load(shot.key).step
    6

    Attributes:
        step: Steps done.
        batch: Clips in the batch that it comes from; it resumes in a batch of the same size.
        position: Its position in that batch.
        arrays: Latents, and the state of the scheduler and the random generator, by name.
        notes: Everything else; JSON data.
    """

    step: int
    batch: int
    position: int
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    notes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Generated(NearestAttributes):
    """What a model generated for one shot.

    >>> Generated(np.zeros((9, 64, 96, 3), np.uint8))

    Attributes:
        frames: The clip: uint8 array of shape `(frames, height, width, 3)`.
        position: Its position in the batch.
        checkpoint: For a draft, where its denoising resumes; None if it can't.
        broken: What is wrong with the pixels, such as NaN values, or None.
        sound: The audio track, of models that generate one.
    """

    frames: Frames
    position: int = 0
    checkpoint: Checkpoint | None = None
    broken: str | None = None
    sound: Sound | None = None


@dataclass(frozen=True)
class Step(NearestAttributes):
    """One finished denoising step of one batch.

    >>> model.generate([shot], lambda step: print(step.step, "of", step.steps))
    1 of 4

    Attributes:
        step: Steps done, from 1.
        steps: The total number of steps.
        preview: Returns the predicted clip of every shot in the batch, arrays of shape
            `(frames, height, width, 3)` that are smaller than the clip; None if the model can't
            predict cheaply. Call it only where a preview is shown: it costs time.
        checkpoints: Returns the checkpoint of every shot in the batch; None if the model can't
            resume from within a clip.
    """

    step: int
    steps: int
    preview: Callable[[], list[Frames]] | None = None
    checkpoints: Callable[[], list[Checkpoint]] | None = None


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Note(NearestAttributes):
    """Something worth knowing about a shot that does not prevent it.

    >>> [note.words for note in bc.sweep("a zebra").check(model)]
    [('zebra',)]

    Attributes:
        argument: The argument's name, such as "prompt".
        message: One sentence.
        words: The words of the argument that it is about.
    """

    argument: str
    message: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.message


def check_frames_shape(owner: str, shape: Sequence[int]) -> None:
    """Raise unless a shape is that of the frames of a clip.

    Args:
        owner: What returned the frames, for the message.
        shape: The shape.

    Raises:
        ModelError: It isn't `(frames, height, width, 3)`.
    """
    if len(shape) != _FRAMES_AXES or shape[-1] != _COLORS:
        raise ModelError(
            f"{owner} returned frames of shape {tuple(shape)}; (frames, height, width, 3) is "
            "needed."
        )


@runtime_checkable
class Model(Protocol):
    """A model that generates clips from shots; see `docs/own_model.md` for one in thirty lines.

    The models that `bc.load` and `bc.wrap` return have these six members, and so does every class
    of your own that beecam can use. What a model may support beyond them is listed in
    `beecam.models.capabilities`.

    >>> isinstance(bc.load(), bc.Model)
    True
    """

    @property
    def name(self) -> str:
        """How clips name the model."""

    @property
    def revision(self) -> str:
        """A digest of weights and configuration: another revision generates other clips."""

    def check(self, shot: Shot) -> Iterable[Problem]:
        """Yield a problem for each argument of the shot that this model can't follow.

        >>> list(model.check(bc.shot("a bee", width=97)))
        """

    def resolve(self, shot: Shot) -> Shot:
        """Return the shot with the model's defaults in every field that is None.

        >>> model.resolve(bc.shot("a bee")).num_frames
        17
        """

    def batch_key(self, shot: Shot) -> Hashable:
        """Return the same value for all resolved shots that can share a batch.

        >>> model.batch_key(one) == model.batch_key(other)
        True
        """

    def generate(self, shots: Sequence[Shot], on_step: OnStep | None = None) -> Sequence[Generated]:
        """Generate the clips of resolved shots with one batch key, in one batch.

        >>> model.generate([model.resolve(bc.shot("a bee"))])[0].frames.shape
        (17, 96, 96, 3)

        Args:
            shots: Resolved shots.
            on_step: Called after each step; it may raise `Stopped`, which must reach the caller.

        Returns:
            One result per shot, in their order.

        Raises:
            OutOfMemoryError: The batch doesn't fit into memory.
            Stopped: Raised by `on_step`; the model must stay usable.
        """
