"""What a model may support beyond the six members of `Model`.

Each capability has one function here that reads it, or its default, so that no caller looks for
attributes:

| capability | member of the model | read by |
|---|---|---|
| batches of several clips | `batching` | `beecam.models.batching.batch_size.batching_of` |
| drafts, and resuming from a checkpoint | `SupportsDrafts` | `steps_of`, `generate` |
| other speeds of the same weights | `SupportsSpeed` | `in_few_steps`, `makes` |
| work before and after a run | `SupportsPreparation` | `prepare`, `release` |
| words that it knows | `SupportsVocabulary` | `notes_of`, `known_words` |
| arguments beyond those of a shot | `arguments` | `arguments_of` |
| weights that can change | `refresh()` | `refresh` |
| batches beside those of a run | `beside()` | `beside` |
| where the weights come from | `license`, `source` | `license_of`, `source_of` |
| a report on this machine | `describe()` | `description_of` |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from beecam.errors import CheckError, ModelError, Problem
from beecam.models.model import Checkpoint, Generated, Model, Note, OnStep
from beecam.shots.shot import Shot

_FRAMES_AXES = 4
_COLORS = 3


# --- drafts ---------------------------------------------------------------------------------------


@runtime_checkable
class SupportsDrafts(Protocol):
    """A model that can end a clip early and resume it later."""

    def steps(self, shot: Shot) -> int:
        """Return how many denoising steps a resolved shot takes, apart from its `draft_steps`."""

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> Sequence[Generated]:
        """Generate the clips of shots; see `Model.generate`.

        A shot with `draft_steps` ends after so many steps, with the predicted clip and a
        checkpoint.

        Args:
            shots: Resolved shots.
            on_step: Called after each step.
            pad_to: The number of clips that the batch is filled up to, where the number of clips
                decides each clip's last bits.
            starts: For each shot the checkpoint to resume from, all of the same step; or none.
        """


def steps_of(model: Model, shot: Shot) -> int:
    """Return how many denoising steps a resolved shot takes.

    Raises:
        CheckError: The model supports no drafts, which is what the number is needed for.
    """
    if isinstance(model, SupportsDrafts):
        return model.steps(shot)
    raise CheckError(
        [
            Problem(
                "draft",
                f"draft: {model.name} supports no drafts. Its class needs a method `steps(shot)` "
                "and a `generate` that takes `starts=` and `pad_to=`, as in docs/own_model.md; "
                "leave draft= out to generate whole clips.",
            )
        ]
    )


def generate(
    model: Model,
    shots: Sequence[Shot],
    on_step: OnStep | None = None,
    *,
    pad_to: int = 0,
    starts: Sequence[Checkpoint] = (),
) -> list[Generated]:
    """Generate one batch with any model; see `SupportsDrafts.generate` for the arguments.

    For a model that knows no `pad_to` the batch is filled up with its last shot.

    Raises:
        ModelError: The model returned something else than one clip per shot.
        OutOfMemoryError: The batch doesn't fit into memory.
        Stopped: Raised by `on_step`.
    """
    if isinstance(model, SupportsDrafts):
        found = model.generate(shots, on_step, pad_to=pad_to, starts=starts)
    elif starts:
        raise ModelError(f"{model.name} can't resume a clip from a checkpoint.")
    else:
        filling = [shots[-1]] * (pad_to - len(shots))
        found = model.generate([*shots, *filling], on_step)[: len(shots)]
    if len(found) != len(shots):
        raise ModelError(f"{model.name} returned {len(found)} clips for {len(shots)} shots.")
    for one in found:
        _check_frames(model, one)
    return list(found)


def _check_frames(model: Model, one: Any) -> None:
    frames = one.frames if isinstance(one, Generated) else one
    right = isinstance(frames, np.ndarray) and frames.dtype == np.uint8
    if not isinstance(one, Generated) or not right:
        kind = getattr(frames, "dtype", type(frames).__name__)
        raise ModelError(
            f"{model.name} returned {type(one).__name__} of {kind}; bc.Generated of a uint8 array "
            "is needed."
        )
    if frames.ndim != _FRAMES_AXES or frames.shape[-1] != _COLORS:
        raise ModelError(
            f"{model.name} returned frames of shape {frames.shape}; "
            "(frames, height, width, 3) is needed."
        )


# --- speed ----------------------------------------------------------------------------------------


@runtime_checkable
class SupportsSpeed(Protocol):
    """A model that can trade exactness for speed, with the same weights."""

    @property
    def speed(self) -> object:
        """What is switched on; its `str` describes it."""

    def at_speed(self, name: str | None) -> Model:
        """Return this model at another speed; "exact" is the plain one."""

    def in_few_steps(self) -> Model | None:
        """Return this model as it needs few steps and no guidance, or None if it can't.

        From the same noise it generates about the same clips.
        """

    def makes(self, shot: Shot) -> bool:
        """Return whether a resolved shot has this model's name, revision and speed."""


def in_few_steps(model: Model) -> Model | None:
    """Return a model as it needs few steps and no guidance, or None if it has no such speed."""
    return model.in_few_steps() if isinstance(model, SupportsSpeed) else None


def makes(model: Model, shot: Shot) -> bool:
    """Return whether a resolved shot is one of this model, at its speed."""
    if isinstance(model, SupportsSpeed):
        return model.makes(shot)
    return (shot.model, shot.revision) == (model.name, model.revision)


# --- before and after a run -----------------------------------------------------------------------


@runtime_checkable
class SupportsPreparation(Protocol):
    """A model that has work to do before and after a run, such as moving its encoders."""

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Prepare a run; `release` follows in any case.

        Args:
            shots: All shots of the run that will be generated, resolved.
            hold: To be called regularly; it waits while the run is paused.

        Raises:
            Stopped: Raised by `hold`.
        """

    def release(self) -> None:
        """Undo what `prepare` did, after the run."""


def prepare(model: Model, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
    """Prepare a model for a run, if it has work to do; see `SupportsPreparation.prepare`."""
    if isinstance(model, SupportsPreparation):
        model.prepare(shots, hold)


def release(model: Model) -> None:
    """Undo what `prepare` did, after the run."""
    if isinstance(model, SupportsPreparation):
        model.release()


# --- words ----------------------------------------------------------------------------------------


@runtime_checkable
class SupportsVocabulary(Protocol):
    """A model that can say which words of a prompt reach it."""

    def notes(self, shots: Sequence[Shot]) -> Iterable[Note]:
        """Yield notes on the words of resolved shots that don't reach the model."""

    def known_words(self) -> Sequence[str]:
        """Return the words that the model knows, sorted; empty if it can read any word."""


def notes_of(model: Model, shots: Sequence[Shot]) -> list[Note]:
    """Return a model's notes on resolved shots; none if it has no vocabulary."""
    return list(model.notes(shots)) if isinstance(model, SupportsVocabulary) else []


def known_words(model: Model) -> tuple[str, ...]:
    """Return the words that a model knows, sorted; empty if it can read any word.

    >>> known_words(bc.load())[:2]
    ('a', 'above')
    """
    return tuple(model.known_words()) if isinstance(model, SupportsVocabulary) else ()


# --- attributes -----------------------------------------------------------------------------------


def arguments_of(model: Model) -> Mapping[str, Any]:
    """Return the arguments that a model's shots may carry beyond a shot's own, with defaults."""
    found: Mapping[str, Any] = getattr(model, "arguments", {})
    return found


def refresh(model: Model) -> None:
    """Let a model read its weights again, if they can change, so that `revision` is current."""
    if (read_again := getattr(model, "refresh", None)) is not None:
        read_again()


def beside(model: Model) -> Model:
    """Return a model for single batches that should not wait for those of a run."""
    make: Callable[[], Model] = getattr(model, "beside", lambda: model)
    return make()


def license_of(model: Model) -> str | None:
    """Return the license of a model's weights, or None if it isn't known."""
    found: str | None = getattr(model, "license", None)
    return found


def source_of(model: Model) -> str | None:
    """Return where the weights came from, such as a repository with its commit, or None."""
    found: str | None = getattr(model, "source", None)
    return found


# --- reports --------------------------------------------------------------------------------------

SECONDS = "seconds per clip"


@dataclass(frozen=True)
class Description:
    """What a model reports about itself on this machine, for `bc.doctor`.

    Attributes:
        rows: Names and values, in order; the row "seconds per clip" is replaced by what a library
            has measured.
        advice: Sentences on what to change.
    """

    rows: tuple[tuple[str, str], ...]
    advice: tuple[str, ...] = ()


def description_of(model: Model) -> Description | None:
    """Return what a model reports about itself, or None if it doesn't."""
    describe: Callable[[], Description | None] = getattr(model, "describe", lambda: None)
    return describe()
