"""What a pipeline can't do with a shot, each with the nearest that it can."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from beecam.errors import Problem, did_you_mean, join_words, shorten
from beecam.models.diffusers.conditions import check_conditions
from beecam.models.diffusers.tasks import Task
from beecam.shots.conditions import CONDITIONS
from beecam.shots.shot import SHOT_ARGUMENTS, Shot

_GIVEN = {"denoise_strength": "video='bee.mp4'"}


def find_problems(full: Shot, way: Task, model: str, every: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with a shot for the way in which it is made.

    Args:
        full: The shot, resolved.
        way: How it is made.
        model: The model's name.
        every: The further arguments of all ways of the model.
    """
    yield from check_conditions(way, full)
    if not isinstance(full.prompt, str) and not hasattr(way.pipe, "encode_prompt"):
        yield Problem(
            "prompt",
            f"prompt={shorten(full.text)}: {type(way.pipe).__name__} encodes its text within "
            "itself, so that texts can't be mixed; the nearest is "
            f"{shorten(full.prompt[0][0])}.",
        )
    for name in ("width", "height"):
        yield from _on_grid(model, name, getattr(full, name), way.family.size_step, 0)
    yield from _on_grid(
        model, "num_frames", full.num_frames or 1, way.family.frame_step, way.family.frame_plus
    )
    for name, value in dict(full.extra).items():
        yield from _check_extra(model, every, way, name, value)
    steps = way.steps(full)
    yield from _check_share(way, full, steps)
    if full.switch is not None:
        yield from _check_switch(way, full, steps)
    if full.draft_steps is not None:
        yield from _check_draft(way, full.draft_steps, steps)


def unsupported_conditions(shot: Shot, ways: Sequence[Task], model: str) -> Iterator[Problem]:
    """Yield why a shot's pictures and films are none that a model can be given.

    Args:
        shot: What is asked for.
        ways: Those of the model; the first is its pipeline's own.
        model: Its name.
    """
    names = list(dict.fromkeys(condition.name for condition in shot.conditions))
    tasks = join_words(list(dict.fromkeys([way.tasks for way in ways])))
    kind = type(ways[0].pipe).__name__
    if not names:
        first = next(name for name in CONDITIONS if name in ways[0].takes)
        such = f"{first}={'bee.mp4' if first == 'video' else 'bee.png'!r}"
        yield Problem(first, f"{first}: {model} needs it, as in {such}; {kind} makes {tasks}.")
        return
    yield Problem(
        names[0],
        f"{join_words([f'{name}=' for name in names])}: {model} can't be given "
        f"{'that' if len(names) == 1 else 'these together'}; {kind} makes {tasks}.",
    )


def _on_grid(model: str, name: str, value: int, step: int, plus: int) -> Iterator[Problem]:
    if (value - plus) % step == 0 and value >= max(step, plus):
        return
    low = (value - plus) // step * step + plus
    near = [n for n in (low, low + step) if n >= max(step, plus)]
    form = f"{step}k+{plus}" if plus else f"multiples of {step}"
    thing = "frames" if name == "num_frames" else "pixels"
    nearest = " and ".join(str(n) for n in near) if near else str(step)
    yield Problem(
        name,
        f"{name}={value}: {model} makes {form} {thing}; nearest "
        f"{'is' if len(near) == 1 else 'are'} {nearest}.",
    )


def _check_extra(
    model: str, every: Collection[str], way: Task, name: str, value: Any
) -> Iterator[Problem]:
    allowed = way.arguments
    if name not in allowed:
        hint = did_you_mean(name, (*SHOT_ARGUMENTS, *allowed))
        if name in every:
            such = _GIVEN.get(name, "image='bee.png'")
            hint = f" {model} has it where a picture or a film is given, as in {such}."
        how = type(way.pipe).__name__ if name in every else model
        yield Problem(name, f"{name}: no argument of {how}.{hint}")
        return
    default = allowed[name]
    annotation = way.anatomy.parameters[name].annotation
    if default is None:
        if value is not None and not fits_annotation(annotation, value):
            yield Problem(
                name,
                (
                    f"{name}={shorten(value)}: {model} needs {annotation_text(annotation)} there."
                    + (
                        " A shot can't keep a dict."
                        if "dict" in annotation_text(annotation)
                        else ""
                    )
                ),
            )
        return
    kinds: tuple[type, ...] = (type(default),) if default is not None else ()
    if kinds == (float,):
        kinds = (float, int)
    if kinds == (list,):
        kinds = (tuple,)  # which is how a shot keeps one
    if kinds and (not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,))):
        yield Problem(
            name,
            f"{name}={shorten(value)}: {type(default).__name__} is needed, "
            f"as in the default {default!r}.",
        )


def _check_share(way: Task, shot: Shot, steps: int) -> Iterator[Problem]:
    name = way.share
    if name is None:
        return
    given = dict(shot.extra)
    value = given.get(name, way.anatomy.parameters[name].default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return  # what it is instead is said with the other arguments
    if name in given and not 0 < value <= 1:
        yield Problem(
            name,
            f"{name}={shorten(value)}: a share of the steps is needed, over 0 and at most 1"
            f"{'; the nearest is 1' if value > 1 else ''}.",
        )
    elif not steps:
        many = shot.num_inference_steps or 1
        # Rounded up: of 49 steps 1/49 is none.
        yield Problem(
            name,
            f"{name}={shorten(value)}: of {many} steps none would be done; the nearest is "
            f"{math.ceil(1e4 / many) / 1e4:g}.",
        )


def _check_switch(way: Task, shot: Shot, steps: int) -> Iterator[Problem]:
    assert shot.switch is not None
    yield from shot.switch.check(steps)
    if not way.family.continues:
        yield Problem(
            "switch_at",
            f"switch_at={shot.switch.at:g}: clips of {way.family.name} can't go on from within "
            "their steps, and so not change there.",
        )
    if shot.draft_steps is not None and shot.draft_steps <= shot.switch.at:
        yield Problem(
            "draft",
            f"draft: its {shot.draft_steps} steps end before the switch at {shot.switch.at:g}, "
            "so that drafts would show nothing of it.",
        )


def _check_draft(way: Task, wanted: int, steps: int) -> Iterator[Problem]:
    if not way.family.predicts:
        yield Problem(
            "draft",
            f"draft: no step of {way.family.name} says what the clip will be, so that there "
            "are no drafts of it.",
        )
    elif not 1 <= wanted < steps:
        near = min(max(wanted, 1), max(steps - 1, 1))
        yield Problem(
            "draft_steps",
            f"draft_steps={wanted}: fewer than the {steps} steps of the clip; nearest is {near}.",
        )


_ANNOTATION_TYPES: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    str: (str,),
    bool: (bool,),
    type(None): (type(None),),
}


def fits_annotation(annotation: Any, value: Any) -> bool:
    """Return whether a value that a shot can carry may be meant by an annotation.

    Args:
        annotation: Of a pipeline's argument; what says nothing allows everything.
        value: A text, a number, a truth value, None, or a tuple of them.
    """
    if annotation is inspect.Parameter.empty or annotation is Any or isinstance(annotation, str):
        return True
    inner = typing.get_args(annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return any(fits_annotation(one, value) for one in inner)
    if origin in (list, tuple):
        items = inner[0] if inner else Any
        return isinstance(value, tuple) and all(fits_annotation(items, one) for one in value)
    kinds = _ANNOTATION_TYPES.get(origin, ())
    return isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)


def annotation_text(annotation: Any) -> str:
    """Return an annotation as a person reads it."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.replace("typing.", "")
