"""Several models as one: each cell of a sweep names the one that generates it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import raise_problems
from beecam.errors import CheckError, Problem, Stopped, did_you_mean, join_words, shorten
from beecam.models import capabilities
from beecam.models.batching.batch_size import BatchPolicy, batching_of
from beecam.models.model import Checkpoint, Generated, Model, Note, OnStep
from beecam.models.model_checks import loaded_model
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import require_resolved
from beecam.shots.shot_list import ShotList


def as_model(model: Any) -> Any:
    """Return a list or dict of models as one ModelSet; anything else unchanged.

    Models of one name are distinguished by their `str`, as of one with another LoRA.

    Raises:
        CheckError: One of them isn't a model, or two have the same label.
    """
    if isinstance(model, Mapping):
        return _labelled([str(label) for label in model], list(model.values()))
    if not isinstance(model, (list, tuple)):
        return model
    raise_problems(problem for one in model for problem in loaded_model(one))
    names = [one.name for one in model]
    return _labelled([str(one) if names.count(one.name) > 1 else one.name for one in model], model)


def _labelled(labels: Sequence[str], models: Sequence[Model]) -> ModelSet:
    """Return models as one by their labels.

    Raises:
        CheckError: Two labels are equal, or one of the models isn't a model.
    """
    if len(set(labels)) < len(labels):
        double = next(label for label in labels if labels.count(label) > 1)
        raise CheckError(
            [
                Problem(
                    "model",
                    f"model: two are called {double!r}. Name them, "
                    'as in bc.run(sweep, {"plain": one, "pencil": other}).',
                )
            ]
        )
    return ModelSet(dict(zip(labels, models, strict=True)))


def model_of(model: Model, shot: Shot) -> Model:
    """Return the model that generates a shot: one of a set, or the model itself.

    Raises:
        CheckError: The shot names no model of the set.
    """
    return model.of(shot) if isinstance(model, ModelSet) else model


class ModelSet(NearestAttributes):
    """Several models as one; a shot's field `model` names the one that generates it.

    Attributes:
        by_label: The models by their labels on the axis "model".
        name: All their names.
    """

    def __init__(self, by_label: Mapping[str, Model]) -> None:
        """Collect models.

        Raises:
            CheckError: There are none, or one of them isn't a model.
        """
        if not by_label:
            raise CheckError([Problem("model", "model=[]: at least one model is needed.")])
        raise_problems(problem for one in by_label.values() for problem in loaded_model(one))
        self.by_label = dict(by_label)
        self.name = ", ".join(self.by_label)

    def __repr__(self) -> str:
        return f"Models {self.name}"

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, in order."""
        return tuple(self.by_label.values())

    def of(self, shot: Shot) -> Model:
        """Return the model that generates a shot.

        Raises:
            CheckError: It names none of them.
        """
        if shot.model in self.by_label and shot.revision is None:
            return self.by_label[shot.model or ""]
        for one in self.models:
            if capabilities.generates(one, shot):
                return one
        raise CheckError(
            [
                Problem(
                    "model",
                    f"model={shorten(shot.model)}: one of {join_words(list(self.by_label))}."
                    f"{did_you_mean(str(shot.model), self.by_label)}",
                )
            ]
        )

    # --- the members of a model ----------------------------------------------------------------

    @property
    def revision(self) -> str:
        """The revisions of all."""
        return ", ".join(one.revision for one in self.models)

    def check(self, shot: Shot) -> Iterable[Problem]:
        """Yield what the shot's model can't do with it."""
        try:
            one = self.of(shot)
        except CheckError as error:
            return error.problems
        return one.check(self._without_label(shot))

    def resolve(self, shot: Shot) -> Shot:
        """Fill in the defaults of the shot's model; a shot that names none stays unchanged."""
        try:
            return self.of(shot).resolve(self._without_label(shot))
        except CheckError:
            return shot

    def batch_key(self, shot: Shot) -> Hashable:
        """Return the same value for shots of one model with equal keys there."""
        return shot.model, shot.revision, self.of(shot).batch_key(shot)

    def batch_keys(self, shots: Sequence[Shot]) -> list[Hashable]:
        """Return the `batch_key` of each of very many shots, faster than one by one."""
        found: dict[int, Hashable] = {}
        for one in self.models:
            own = [i for i, shot in enumerate(shots) if self.of(shot) is one]
            keys = capabilities.batch_keys_of(one, [shots[i] for i in own])
            for i, key in zip(own, keys, strict=True):
                found[i] = shots[i].model, shots[i].revision, key
        return [found[i] for i in range(len(shots))]

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> list[Generated]:
        """Generate clips in one batch of their model."""
        require_resolved(shots)
        own = self.of(shots[0])
        return capabilities.generate(own, shots, on_step, pad_to=pad_to, starts=starts)

    # --- what its models may support -----------------------------------------------------------

    @property
    def batching(self) -> BatchPolicy:
        """The batch policies of its models."""
        return _SetPolicy(self)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments that at least one of them has."""
        found: dict[str, Any] = {}
        for one in reversed(self.models):
            found |= capabilities.arguments_of(one)
        return found

    @property
    def filled_in(self) -> Mapping[str, str]:
        """Arguments that at least one of them fills in itself."""
        found: dict[str, str] = {}
        for one in reversed(self.models):
            found |= capabilities.filled_in_by(one)
        return found

    @property
    def ignores_noise(self) -> bool:
        """Whether all of them give the same for every noise."""
        return all(capabilities.ignores_noise(one) for one in self.models)

    @property
    def ignores_prompt(self) -> bool:
        """Whether all of them resolve and check every prompt alike."""
        return all(capabilities.ignores_prompt(one) for one in self.models)

    def steps(self, shot: Shot) -> int:
        """Return how many denoising steps a resolved shot takes."""
        return capabilities.steps_of(self.of(shot), shot)

    def notes(self, shots: Sequence[Shot]) -> Iterable[Note]:
        """Yield the notes of each model on its shots."""
        for one in self.models:
            own = self._shots_of(one, shots)
            yield from capabilities.notes_of(one, own)

    def known_words(self) -> Sequence[str]:
        """Return the words that all of them know; empty if all can read any word."""
        each = [set(words) for one in self.models if (words := capabilities.known_words(one))]
        return sorted(set.intersection(*each)) if each else []

    def refresh(self) -> None:
        """Read all weights again."""
        for one in self.models:
            capabilities.refresh(one)

    def has_changed(self) -> bool:
        """Return whether one of them may have changed since it was last read."""
        return any(capabilities.has_changed(one) for one in self.models)

    def for_single_clips(self) -> ModelSet:
        """Return them for single batches that should not wait for those of a run."""
        return ModelSet(
            {label: capabilities.for_single_clips(one) for label, one in self.by_label.items()}
        )

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Prepare each for a run with its own shots."""
        stopped: Stopped | None = None
        for one in self.models:
            # `release` is called for each, so each is prepared, stopped or not.
            own = self._shots_of(one, shots if stopped is None else ())
            try:
                capabilities.prepare(one, own, hold)
            except Stopped as error:
                stopped = error
        if stopped is not None:
            raise stopped

    def release(self) -> None:
        """Release each after a run."""
        for one in self.models:
            capabilities.release(one)

    def _shots_of(self, model: Model, shots: Sequence[Shot]) -> ShotList:
        return ShotList.of(shots).select(lambda shot: self.of(shot) is model)

    def _without_label(self, shot: Shot) -> Shot:
        return shot.replace(model=None) if shot.revision is None else shot


class _SetPolicy(BatchPolicy):
    """Asks the policy of each shot's model."""

    def __init__(self, models: ModelSet) -> None:
        super().__init__(
            parallel_batches=max(batching_of(one).parallel_batches for one in models.models)
        )
        self._models = models

    def size(self, shot: Shot) -> int:
        return batching_of(self._models.of(shot)).size(shot)

    def trial_size(self, shot: Shot, waiting: int) -> int | None:
        return batching_of(self._models.of(shot)).trial_size(shot, waiting)

    def exact_size(self, shot: Shot) -> int:
        return batching_of(self._models.of(shot)).exact_size(shot)

    def limit(self, shot: Shot, size: int) -> None:
        batching_of(self._models.of(shot)).limit(shot, size)
