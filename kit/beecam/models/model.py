"""What a model is to the rest of the kit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from beecam.errors import Problem, shorten
from beecam.media.types import Frames, Sound
from beecam.shots.shot import Shot


@dataclass(frozen=True)
class Checkpoint:
    """Where one clip's denoising stands: enough to go on from there to the very same bits.

    Attributes:
        step: Steps done.
        batch: Clips in the call that it comes from; it goes on in a call as large.
        place: Its place in that call.
        arrays: Latents, and what the scheduler and the random numbers keep, by name.
        notes: The rest of it; JSON data.
    """

    step: int
    batch: int
    place: int
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    notes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Generated:
    """What a model made of a shot.

    Attributes:
        frames: The clip.
        place: Its place in the call.
        state: Where a draft's denoising stands, or None.
        broken: What is wrong with the pixels, such as values that are no numbers, or None.
        sound: What is heard, of models that make sound.
    """

    frames: Frames
    place: int = 0
    state: Checkpoint | None = None
    broken: str | None = None
    sound: Sound | None = None


@dataclass(frozen=True)
class Step:
    """One finished denoising step of one call.

    Attributes:
        step: Steps done, from 1.
        steps: Steps in all.
        preview: Makes the predicted result of every shot in the call, each frames x height x
            width x 3 and smaller than the clip; None when the model can't predict cheaply. It is
            only worth its time when somebody looks.
        states: Makes the state of every shot in the call; None when the model can't go on from
            within a clip.
    """

    step: int
    steps: int
    preview: Callable[[], list[Frames]] | None
    states: Callable[[], list[Checkpoint]] | None = None


OnStep = Callable[[Step], None]


class Model(Protocol):
    """A loaded video pipeline that turns shots into frames."""

    name: str
    license: str | None
    source: str | None
    """Where the weights came from, a repository with its commit say, or None."""

    @property
    def revision(self) -> str:
        """A digest of weights and configuration."""

    def refresh(self) -> None:
        """Look at the weights again, if they can change, so that `revision` names them."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments that a shot may carry beyond its own fields, with the pipeline's defaults."""

    def check(self, shot: Shot) -> Iterable[Problem]:
        """Yield what this model can't do with the shot."""

    def resolve(self, shot: Shot) -> Shot:
        """Fill what the shot leaves to the model's defaults."""

    def of(self, shot: Shot) -> Model:
        """Return the model that makes a shot: this one, unless it stands for several."""

    def beside(self) -> Model:
        """Return this model for single calls that shall not wait for those of a run."""

    def in_few_steps(self) -> Model | None:
        """Return this model as it needs few steps and no guidance, or None if it has no such way.

        From the same noise it makes about the same clips.
        """

    def makes(self, shot: Shot) -> bool:
        """Return whether a resolved shot is this model's, with the same weights and settings."""

    def steps(self, shot: Shot) -> int:
        """Return how many denoising steps a resolved shot takes."""

    @property
    def calls_at_once(self) -> int:
        """How many calls of `generate` are worth running at the same time."""

    def batch_key(self, shot: Shot) -> Hashable:
        """Shots with equal keys can go into one call."""

    def batch_size(self, shot: Shot) -> int:
        """How many shots like this one call takes at best, as far as is known."""

    def trial_size(self, shot: Shot, waiting: int) -> int | None:
        """How many shots like this the next call should take to learn from it, or None for any.

        Args:
            shot: A resolved one.
            waiting: How many shots like it are still to be made.
        """

    def exact_size(self, shot: Shot) -> int:
        """How many shots like this each call takes in exact mode: always the same power of two."""

    def limit_batch(self, shot: Shot, size: int) -> None:
        """Remember that no more than `size` shots like this fit into memory."""

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Get ready for a run; `release` follows, whatever happens.

        Args:
            shots: All that it will make, resolved.
            hold: To be called now and then; it waits while the run makes a pause.

        Raises:
            Stopped: By `hold`.
        """

    def release(self) -> None:
        """Come back from a run that `prepare` was called for."""

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> list[Generated]:
        """Make the clips of shots with one batch key, in one call of the pipeline.

        Args:
            shots: Resolved shots.
            on_step: Called after each step; it may raise `Stopped` to leave at once.
            pad_to: Fill the call up to this many shots, which fixes every clip's last bits.
            starts: For each shot the state to go on from, all after the same step; or none.

        Raises:
            OutOfMemoryError: The call did not fit.
            Stopped: `on_step` asked for it; the model stays usable.
        """


def loaded_model(model: Any) -> Iterator[Problem]:
    """A loaded model is needed."""
    if not hasattr(model, "generate"):
        yield Problem(
            "model",
            f"model={shorten(model)}: a loaded model is needed, from bc.load() or bc.wrap(pipe).",
        )


def arguments_of(model: Model) -> Mapping[str, Any]:
    """Return the arguments that a model's shots may carry beyond a shot's own, with defaults."""
    found: Mapping[str, Any] = getattr(model, "arguments", {})
    return found


def refresh(model: Model) -> None:
    """Let a model look at its weights again, if they can change, so that `revision` is current."""
    look_again = getattr(model, "refresh", None)
    if look_again is not None:
        look_again()


def steps_of(model: Model, shot: Shot) -> int:
    """Return how many denoising steps a resolved shot takes."""
    count = getattr(model, "steps", None)
    return int(count(shot)) if count is not None else shot.num_inference_steps or 1
