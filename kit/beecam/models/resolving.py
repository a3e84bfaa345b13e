"""Resolve a shot by any model and ask what is wrong with it: also models that others wrote.

Nothing else calls `Model.resolve` and `Model.check` for a shot from a user, so that what a class
of one's own forgets is reported in a sentence.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from beecam.errors import Problem, join_words, shorten
from beecam.models.capabilities import ignores_noise, taken_by
from beecam.models.model import Model
from beecam.models.model_set import ModelSet
from beecam.shots.noise import Noise, check_noise
from beecam.shots.shot import REQUIRED, Shot
from beecam.shots.shot_checks import check_values


def resolve_shot(model: Model, shot: Shot) -> tuple[Shot, list[Problem]]:
    """Return a shot as the model resolves it, and the problems that it has with it.

    >>> resolve_shot(model, bc.shot("a bee", width=97))[1][0].argument
    'width'
    """
    resolved = model.resolve(shot)
    if not isinstance(resolved, Shot):
        message = f"{model.name}.resolve returned {shorten(resolved)}; it returns a resolved shot."
        return shot, [Problem("model", message)]
    # A model set returns a shot of no model unchanged, which its check reports.
    problems = [] if isinstance(model, ModelSet) else list(_unresolved(model, resolved))
    problems = problems or list(check_shot(model, resolved))
    return resolved, problems or list(_unresolved(model, resolved))


class ShotResolver:
    """Resolves and checks the shots of many cells; those that differ in the noise only as one."""

    def __init__(self, model: Model) -> None:
        """Ask a model; one that may look at the noise is asked about every shot."""
        self._model = model
        self._alike = ignores_noise(model)
        self._groups: dict[Hashable, _Group] = {}

    def resolve(self, shot: Shot, index: int) -> tuple[Shot | None, list[Problem], int]:
        """Resolve the shot of a cell.

        Args:
            shot: The shot.
            index: The cell's index.

        Returns:
            The resolved shot, or None if its values are invalid; problems that no shot of its
            group had before; and the index of the first cell with the same shot.
        """
        try:
            group = self._groups.get(key := shot.without_noise())
        except TypeError:  # an invalid value that can't be hashed
            return None, list(check_values(shot)), index
        if group is None:
            group = self._groups[key] = _Group(None, {})
        elif self._alike and group.resolved is not None:
            first = group.cells.setdefault(shot.noise, index)
            return group.resolved.with_noise(shot.noise), list(check_noise(shot.noise)), first
        if problems := list(check_values(shot)):
            return None, problems, index
        resolved, problems = resolve_shot(self._model, shot)
        group.resolved = resolved
        return resolved, problems, group.cells.setdefault(shot.noise, index)


@dataclass
class _Group:
    """Shots that differ in the noise only: the first one resolved, and their cells by noise."""

    resolved: Shot | None
    cells: dict[Noise, int]


def check_shot(model: Model, shot: Shot) -> Iterator[Problem]:
    """Yield what a model can't do with a resolved shot, of its inputs and by its own check."""
    taken = taken_by(model, shot)
    given = {condition.name: condition.name for condition in shot.conditions}
    given |= {"lora": "lora"} if shot.adapters else {}
    given |= {"switch_at": "switch_at"} if shot.switch else {}
    for name in given:
        if name not in taken:
            yield Problem(
                name,
                f"{name}: {model.name} doesn't take it; a model that uses {name} of its shots "
                f"lists it in its attribute `takes`, as in takes = ({name!r},).",
            )
    found = model.check(shot)
    items = [found] if isinstance(found, str) else list(found or ())
    for one in items:
        if not isinstance(one, Problem):
            yield Problem(
                "model",
                f"{model.name}.check returned {shorten(one)}; it yields problems, as in "
                'yield bc.Problem("prompt", "prompt: name a color.").',
            )
            return
        yield one


def _unresolved(model: Model, shot: Shot) -> Iterator[Problem]:
    unset = [name for name in REQUIRED if getattr(shot, name) is None]
    if unset:
        is_or_are = "is" if len(unset) == 1 else "are"
        yield Problem(
            "model",
            f"{model.name}.resolve returned a shot in which {join_words(unset)} {is_or_are} None; "
            "it returns shot.replace(...) with a value for every field that is None.",
        )
