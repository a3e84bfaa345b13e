"""Several models as one: each cell of a sweep says which of them makes it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from beecam._util.checks import raise_problems
from beecam.errors import CheckError, Problem, Stopped, did_you_mean, join_words, shorten
from beecam.models.model import Checkpoint, Generated, Model, OnStep, loaded_model
from beecam.shots.shot import Shot


def as_model(model: Any) -> Any:
    """Return what is given as a model: several of them as one.

    Raises:
        CheckError: One of them is no model, or two have the same name.
    """
    if isinstance(model, Mapping):
        return ModelSet({str(label): one for label, one in model.items()})
    if not isinstance(model, (list, tuple)):
        return model
    raise_problems(problem for one in model for problem in loaded_model(one))
    labels = [str(one) if _is_varied(one) else one.name for one in model]
    if len(set(labels)) < len(labels):
        raise CheckError(
            [
                Problem(
                    "model",
                    "model: two are called "
                    f"{next(x for x in labels if labels.count(x) > 1)!r}. Name them, "
                    'as in bc.run(sweep, {"plain": one, "pencil": other}).',
                )
            ]
        )
    return ModelSet(dict(zip(labels, model, strict=True)))


def _is_varied(model: Any) -> bool:
    return bool(getattr(model, "adapters", ()))


class ModelSet:
    """Several models as one; a shot says by its `model` which of them makes it.

    Attributes:
        by_label: Each by what the axis calls it.
        name: All their names.
        license: None: each clip has that of its own.
        source: None, too.
    """

    license: str | None = None
    source: str | None = None

    def __init__(self, by_label: Mapping[str, Model]) -> None:
        """Put models together.

        Raises:
            CheckError: There are none, or one of them is no model.
        """
        if not by_label:
            raise CheckError([Problem("model", "model=[]: at least one model is needed.")])
        raise_problems(problem for one in by_label.values() for problem in loaded_model(one))
        self.by_label = dict(by_label)
        self.name = ", ".join(self.by_label)

    def __repr__(self) -> str:
        return f"Models {self.name}"

    def of(self, shot: Shot) -> Model:
        """Return the model that makes a shot.

        Raises:
            CheckError: It names none of them.
        """
        if shot.model in self.by_label and shot.revision is None:
            return self.by_label[shot.model or ""]
        for one in self.by_label.values():
            if one.makes(shot):
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

    @property
    def revision(self) -> str:
        """Those of all."""
        return ", ".join(one.revision for one in self.by_label.values())

    def beside(self) -> ModelSet:
        """Return them for single calls that shall not wait for those of a run."""
        return ModelSet({label: one.beside() for label, one in self.by_label.items()})

    def in_few_steps(self) -> None:
        """Return None: models that stand for several have no way in common."""

    def refresh(self) -> None:
        """Look at all weights again."""
        for one in self.by_label.values():
            one.refresh()

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments that at least one of them takes."""
        found: dict[str, Any] = {}
        for one in reversed(self.by_label.values()):
            found |= one.arguments
        return found

    def check(self, shot: Shot) -> Iterable[Problem]:
        """Yield what its model can't do with a shot."""
        try:
            one = self.of(shot)
        except CheckError as error:
            return error.problems
        return one.check(self._without_label(shot))

    def resolve(self, shot: Shot) -> Shot:
        """Fill what a shot leaves to its model's defaults; one that names no model is left so."""
        try:
            return self.of(shot).resolve(self._without_label(shot))
        except CheckError:
            return shot

    def makes(self, shot: Shot) -> bool:
        """Return whether a resolved shot is that of one of them."""
        return any(one.makes(shot) for one in self.by_label.values())

    def steps(self, shot: Shot) -> int:
        """Return how many denoising steps a resolved shot takes."""
        return self.of(shot).steps(shot)

    @property
    def calls_at_once(self) -> int:
        """As many as the model that can have the most."""
        return max(one.calls_at_once for one in self.by_label.values())

    def batch_key(self, shot: Shot) -> Hashable:
        """Shots of one model, with equal keys there, can go into one call."""
        return shot.model, shot.revision, self.of(shot).batch_key(shot)

    def batch_size(self, shot: Shot) -> int:
        """How many shots like this one call takes at best."""
        return self.of(shot).batch_size(shot)

    def trial_size(self, shot: Shot, waiting: int) -> int | None:
        """How many shots like this the next call should take to learn from it."""
        return self.of(shot).trial_size(shot, waiting)

    def exact_size(self, shot: Shot) -> int:
        """How many shots like this each call takes in exact mode."""
        return self.of(shot).exact_size(shot)

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Get all ready for a run; see `Model.prepare`."""
        stopped: Stopped | None = None
        for one in self.by_label.values():
            # `release` will let go of each, so that each is begun, stopped or not.
            own = [shot for shot in shots if self.of(shot) is one] if stopped is None else []
            try:
                one.prepare(own, hold)
            except Stopped as error:
                stopped = error
        if stopped is not None:
            raise stopped

    def release(self) -> None:
        """Come back from a run."""
        for one in self.by_label.values():
            one.release()

    def limit_batch(self, shot: Shot, size: int) -> None:
        """Remember that no more than `size` shots like this fit into memory."""
        self.of(shot).limit_batch(shot, size)

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> list[Generated]:
        """Make clips in one call of their model; see `Model.generate`."""
        return self.of(shots[0]).generate(shots, on_step, pad_to=pad_to, starts=starts)

    def _without_label(self, shot: Shot) -> Shot:
        return shot.replace(model=None) if shot.revision is None else shot
