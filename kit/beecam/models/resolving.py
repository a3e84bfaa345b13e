"""Resolve a shot by any model and ask what is wrong with it: also models that others wrote.

Nothing else calls `Model.resolve` and `Model.check` for a shot from a user, so that what a class
of one's own forgets is reported in a sentence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from beecam.errors import Problem, join_words, shorten
from beecam.models.capabilities import ignores_noise, ignores_prompt, taken_by
from beecam.models.model import Model
from beecam.models.model_set import ModelSet
from beecam.shots.noise import Noise, check_noise
from beecam.shots.shot import FLOATS, INTEGERS, REQUIRED, Shot
from beecam.shots.shot_checks import check_prompt, check_values
from beecam.shots.shot_list import ShotList

# Fields that a model fills in, and the names of what is wrong with a noise.
_UNSET = tuple(
    n for n in (*INTEGERS, *FLOATS, "scheduler", "negative_prompt") if n != "draft_steps"
)
_NOISES = ("seed", "noise")
_LEFT_OUT = frozenset((*_UNSET, *_NOISES))


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


def resolve_shots(model: Model, shots: ShotList) -> tuple[ShotList, list[Problem]]:
    """Return shots as the model resolves them, and the problems that they have.

    Shots that differ in what the model doesn't look at are resolved and checked as one; noises and
    prompts are checked once each. With problems the list isn't to be used.

    >>> shots, problems = resolve_shots(model, bc.sweep("a bee", seed=range(9)).shot_list)
    >>> len(shots.bases), problems
    (1, [])
    """
    alike = ignores_noise(model)
    if not alike:
        shots = ShotList(tuple(shots), range(len(shots)), shots.noises)
    valid, problems_of_noises = _check_noises(shots.noises)
    problems: list[Problem] = []
    resolved = list(shots.bases)
    kinds: dict[Hashable, Shot] = {}
    for number, cells in enumerate(shots.cells_of_bases):
        if not cells:
            continue
        base = shots.bases[number]
        kind = _kind_of(base) if alike and ignores_prompt(model) else None
        found = list(check_prompt(base.prompt))
        if found or kind is None or kind not in kinds:
            # A model is asked about a shot of which nothing else is wrong, if there is one.
            shot = shots[next((i for i in cells if shots.noises[i] in valid), cells[0])]
            found = list(check_values(shot))
            if found:
                found += _problems_of_the_rest(model, shot, found)
            else:
                resolved[number], found = resolve_shot(model, shot)
                if kind is not None:
                    kinds[kind] = resolved[number]
        else:
            resolved[number] = kinds[kind].with_prompt(base.prompt)
        problems += found
    problems += problems_of_noises
    with contextlib.suppress(TypeError):  # invalid values that can't be hashed
        problems += _repeated(shots)
    found_shots = ShotList(resolved, shots.numbers, shots.noises)
    return found_shots if alike else ShotList.of(tuple(found_shots)), problems


def _problems_of_the_rest(
    model: Model, shot: Shot, problems: Sequence[Problem]
) -> Iterator[Problem]:
    """Yield what a model can't do with the valid values of a shot, so that all is reported at once.

    Args:
        model: The model.
        shot: A shot that isn't resolved.
        problems: What is wrong with it for any model.
    """
    names = {problem.argument for problem in problems}
    if not names <= _LEFT_OUT | shot.arguments.keys():
        return  # without a prompt or an input it would be another shot
    fields: dict[str, Any] = dict.fromkeys(names & set(_UNSET))
    extra = {name: one for name, one in shot.arguments.items() if name not in names}
    noise = ((0, 1.0),) if names & set(_NOISES) else shot.noise
    rest = replace(shot, **fields, extra=extra, noise=noise)
    if not list(check_values(rest)):
        yield from (one for one in resolve_shot(model, rest)[1] if one.argument not in names)


def _kind_of(shot: Shot) -> Hashable:
    """Return what a model that ignores prompts reads of a shot; None if it can't be compared."""
    settings = shot.without_texts()
    try:
        hash(settings)
    except TypeError:
        return None
    return settings


def _check_noises(noises: Sequence[Noise]) -> tuple[Container[Noise], list[Problem]]:
    """Return the valid noises, and the problems of the others."""
    try:
        distinct = dict.fromkeys(noises)
    except TypeError:  # an invalid one that can't be hashed
        return (), [problem for noise in noises for problem in check_noise(noise)]
    valid: set[Noise] = set()
    problems: list[Problem] = []
    for noise in distinct:
        found = list(check_noise(noise))
        problems += found
        if not found:
            valid.add(noise)
    return valid, problems


def _repeated(shots: ShotList) -> Iterator[Problem]:
    """Yield a problem for the first two cells with the same shot."""
    settings = [shot.without_noise() for shot in shots.bases]
    # Numbers of equal bases and noises: tuples of them would take longer to compare.
    bases = {one: number for number, one in enumerate(settings)}
    noises = {noise: number for number, noise in enumerate(shots.noises)}
    at = [bases[one] * len(shots) for one in settings]
    codes = [
        at[number] + noises[noise]
        for number, noise in zip(shots.numbers, shots.noises, strict=True)
    ]
    if len(set(codes)) == len(codes):
        return
    first: dict[int, int] = {}
    for index, code in enumerate(codes):
        if first.setdefault(code, index) != index:
            yield Problem(
                "cells",
                f"cells {first[code]} and {index} are the same shot, "
                f"{shorten(shots[index].text)} with seed {shots[index].seed}: an axis does not "
                "reach the prompt or an argument.",
            )
            return


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
