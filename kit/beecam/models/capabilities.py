"""What a model may support beyond the six members of `Model`.

Each capability has one function here that reads it, or its default, so that no caller looks for
attributes. A model has a capability if it has all its methods: `isinstance` with the protocols
doesn't tell a method from another attribute of its name. `beecam.models.model_checks` reports a
model that has a part of one.

| capability | member of the model | read by |
|---|---|---|
| batches of several clips | `batching` | `beecam.models.batching.batch_size.batching_of` |
| drafts, and resuming from a checkpoint | `SupportsDrafts` | `steps_of`, `generate` |
| other speeds of the same weights | `SupportsSpeed` | `few_step_variant`, `generates` |
| work before and after a run | `SupportsPreparation` | `prepare`, `release` |
| words that it knows | `SupportsVocabulary` | `notes_of`, `known_words` |
| arguments beyond those of a shot | `arguments` | `arguments_of` |
| arguments that it fills in itself | `filled_in` | `filled_in_by` |
| images, videos, LoRAs and prompt switches | `takes` | `taken_by` |
| the same answer for every noise | `ignores_noise` | `ignores_noise` |
| the same answer for every prompt | `ignores_prompt` | `ignores_prompt` |
| a faster `batch_key` for many shots | `batch_keys(shots)` | `batch_keys_of` |
| weights that can change | `refresh()` | `refresh` |
| a quick look whether they have | `has_changed()` | `has_changed` |
| batches beside those of a run | `for_single_clips()` | `for_single_clips` |
| where the weights come from | `license`, `source` | `license_of`, `source_of` |
| a report on this machine | `describe()` | `description_of` |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from beecam.errors import BeecamError, CheckError, ModelError, Problem
from beecam.models.generated_checks import (
    checked_clips,
    checked_keys,
    checked_steps,
    named_error,
)
from beecam.models.model import Checkpoint, Generated, Model, Note, OnStep
from beecam.shots.shot import Shot
from beecam.shots.shot_list import distinct_shots

# --- drafts ---------------------------------------------------------------------------------------


class SupportsDrafts(Protocol):
    """A model that can end a clip early and resume it later; `docs/own_model.md` has one.

    >>> drafts = bc.run(sweep, model, draft=0.3).wait()
    >>> bc.promote(drafts.clips.starred)
    """

    def steps(self, shot: Shot) -> int:
        """Return how many denoising steps a resolved shot takes, apart from its `draft_steps`.

        >>> model.steps(model.resolve(bc.shot("a bee")))
        20
        """

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> Sequence[Generated]:
        """Generate the clips of shots; see `Model.generate`.

        A shot with `draft_steps` ends after that many steps, with the predicted clip and a
        checkpoint.

        >>> (draft,) = model.generate([shot.replace(draft_steps=6)])
        >>> (clip,) = model.generate([shot], starts=[draft.checkpoint])

        Args:
            shots: Resolved shots.
            on_step: Called after each step.
            pad_to: The number of clips that the batch is filled up to, where the number of clips
                decides each clip's last bits.
            starts: For each shot the checkpoint to resume from, all of the same step; or none.
        """


def supports_drafts(model: object) -> TypeGuard[SupportsDrafts]:
    """Return whether a model can end a clip early and resume it later."""
    return _has_methods(model, "steps", "generate")


def steps_of(model: Model, shot: Shot) -> int:
    """Return how many denoising steps a resolved shot takes.

    Raises:
        CheckError: The model supports no drafts, which is what the number is needed for.
    """
    if supports_drafts(model):
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
    name = model.name
    on_step = checked_steps(name, on_step)
    if supports_drafts(model):
        found = model.generate(shots, on_step, pad_to=pad_to, starts=starts)
    elif starts:
        raise ModelError(f"{name} can't resume a clip from a checkpoint.")
    else:
        filling = [shots[-1]] * (pad_to - len(shots))
        found = model.generate([*shots, *filling], on_step)
        return checked_clips(name, found, len(shots) + len(filling))[: len(shots)]
    return checked_clips(name, found, len(shots))


# --- speed ----------------------------------------------------------------------------------------


class SupportsSpeed(Protocol):
    """A model that can trade exactness for speed, with the same weights.

    >>> str(bc.load().speed)
    'exact: the pixels of the plain pipeline'
    """

    @property
    def speed(self) -> object:
        """What is switched on; its `str` describes it."""

    def at_speed(self, name: str | None) -> Model:
        """Return this model at another speed; "exact" is the plain one.

        >>> model.at_speed("fast").speed.name
        'fast'
        """

    def few_step_variant(self) -> Model | None:
        """Return this model as it needs few steps and no guidance, or None if it can't.

        From the same noise it generates about the same clips.

        >>> model.few_step_variant().resolve(bc.shot("a bee")).num_inference_steps
        4
        """

    def generates(self, shot: Shot) -> bool:
        """Return whether a resolved shot has this model's name, revision and speed.

        >>> model.generates(model.resolve(bc.shot("a bee")))
        True
        """


def supports_speed(model: object) -> TypeGuard[SupportsSpeed]:
    """Return whether a model can trade exactness for speed."""
    return hasattr(model, "speed") and _has_methods(
        model, "at_speed", "few_step_variant", "generates"
    )


def few_step_variant(model: Model) -> Model | None:
    """Return a model as it needs few steps and no guidance, or None if it has no such speed."""
    return model.few_step_variant() if supports_speed(model) else None


def generates(model: Model, shot: Shot) -> bool:
    """Return whether a resolved shot is one of this model, at its speed."""
    if supports_speed(model):
        return model.generates(shot)
    return (shot.model, shot.revision) == (model.name, model.revision)


# --- before and after a run -----------------------------------------------------------------------


class SupportsPreparation(Protocol):
    """A model that has work to do before and after a run, such as moving its encoders.

    >>> model.prepare(shots, lambda: None)
    >>> model.release()
    """

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Prepare a run; `release` follows in any case.

        >>> model.prepare([model.resolve(bc.shot("a bee"))], lambda: None)

        Args:
            shots: All shots of the run that will be generated, resolved.
            hold: To be called regularly; it waits while the run is paused.

        Raises:
            Stopped: Raised by `hold`.
        """

    def release(self) -> None:
        """Undo what `prepare` did, after the run.

        >>> model.release()
        """


def supports_preparation(model: object) -> TypeGuard[SupportsPreparation]:
    """Return whether a model has work to do before and after a run."""
    return _has_methods(model, "prepare", "release")


def prepare(model: Model, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
    """Prepare a model for a run, if it has work to do; see `SupportsPreparation.prepare`."""
    if supports_preparation(model):
        model.prepare(shots, hold)


def release(model: Model) -> None:
    """Undo what `prepare` did, after the run."""
    if supports_preparation(model):
        model.release()


# --- words ----------------------------------------------------------------------------------------


class SupportsVocabulary(Protocol):
    """A model that knows which words of a prompt reach it.

    >>> [note.words for note in bc.sweep("a zebra").check(bc.load())]
    [('zebra',)]
    """

    def notes(self, shots: Sequence[Shot]) -> Iterable[Note]:
        """Yield notes on the words of resolved shots that don't reach the model.

        >>> list(model.notes([model.resolve(bc.shot("a bee"))]))
        []
        """

    def known_words(self) -> Sequence[str]:
        """Return the words that the model knows, sorted; empty if it can read any word.

        >>> bc.load().known_words()[:2]
        ('a', 'above')
        """


def supports_vocabulary(model: object) -> TypeGuard[SupportsVocabulary]:
    """Return whether a model knows which words of a prompt reach it."""
    return _has_methods(model, "notes", "known_words")


def notes_of(model: Model, shots: Sequence[Shot]) -> list[Note]:
    """Return a model's notes on resolved shots; none if it has no vocabulary."""
    if not supports_vocabulary(model):
        return []
    # Seeds change nothing of what reaches the model.
    return list(dict.fromkeys(model.notes(distinct_shots(shots))))


def known_words(model: Model) -> tuple[str, ...]:
    """Return the words that a model knows, sorted; empty if it can read any word.

    >>> known_words(bc.load())[:2]
    ('a', 'above')
    """
    return tuple(model.known_words()) if supports_vocabulary(model) else ()


# --- attributes -----------------------------------------------------------------------------------


def arguments_of(model: Model) -> Mapping[str, Any]:
    """Return the arguments that a model's shots may carry beyond a shot's own, with defaults."""
    found: Mapping[str, Any] = getattr(model, "arguments", {})
    return found


def filled_in_by(model: Model) -> Mapping[str, str]:
    """Return arguments of a model's pipeline that shots can't set, with what to use instead."""
    found: Mapping[str, str] = getattr(model, "filled_in", {})
    return found


def ignores_noise(model: Model) -> bool:
    """Return whether `resolve`, `check` and `batch_key` give the same for every noise.

    Of cells that differ in the seed only, such a model is asked about the first one.

    >>> ignores_noise(bc.load())
    True
    """
    return getattr(model, "ignores_noise", False) is True


def ignores_prompt(model: Model) -> bool:
    """Return whether `resolve` and `check` give the same for every prompt.

    Of cells that differ in prompt and noise only, such a model is asked about the first one.

    >>> ignores_prompt(bc.load())
    True
    """
    return getattr(model, "ignores_prompt", False) is True


def batch_keys_of(model: Model, shots: Sequence[Shot]) -> list[Hashable]:
    """Return the `batch_key` of each shot; a model may have a faster way for very many.

    Raises:
        ModelError: Raised by the model, or what it returned aren't keys.
    """
    each: Callable[[Sequence[Shot]], Any] | None = getattr(model, "batch_keys", None)
    if not shots:
        return []
    member = "batch_key" if each is None else "batch_keys"
    try:
        found = each(shots) if each is not None else [model.batch_key(shot) for shot in shots]
    except (BeecamError, MemoryError):
        raise
    except Exception as error:
        raise named_error(model.name, member, error, shots) from error
    return checked_keys(model.name, found, len(shots), member)


def taken_by(model: Model, shot: Shot) -> Collection[str]:
    """Return which inputs beyond prompt, noise and values the model of a shot can use.

    A model that says nothing takes none of them: what it would ignore is refused.

    >>> "image" in taken_by(bc.load(), bc.shot("a bee"))
    True
    """
    own = model.of(shot) if hasattr(model, "of") else model  # one of a model set
    found: Collection[str] = getattr(own, "takes", ())
    return found


def refresh(model: Model) -> None:
    """Let a model read its weights again, if they can change, so that `revision` is current."""
    if (read_again := getattr(model, "refresh", None)) is not None:
        read_again()


def has_changed(model: Model) -> bool:
    """Return whether a model may have changed since it was last read; false if it doesn't tell."""
    look: Callable[[], bool] = getattr(model, "has_changed", bool)
    return look()


def for_single_clips(model: Model) -> Model:
    """Return a model for single batches that should not wait for those of a run."""
    make: Callable[[], Model] = getattr(model, "for_single_clips", lambda: model)
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


def _has_methods(model: object, *names: str) -> bool:
    return all(callable(getattr(model, name, None)) for name in names)
