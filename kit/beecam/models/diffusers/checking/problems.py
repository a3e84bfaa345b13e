"""What a pipeline can't do with a shot, each with the nearest valid choice."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from beecam.errors import Problem, did_you_mean, join_words, shorten
from beecam.models.denoise.schedulers import Schedulers
from beecam.models.diffusers.checking.refusals import refusals
from beecam.models.diffusers.conditions import check_conditions
from beecam.models.diffusers.tasks import Task
from beecam.models.speed.onednn import multiplies_bfloat16
from beecam.models.speed.speed import BFLOAT16, Speed
from beecam.shots.conditions import CONDITIONS
from beecam.shots.shot import SHOT_ARGUMENTS, Shot

# An example of the condition with which an argument is valid.
_EXAMPLES = {"denoise_strength": "video='bee.mp4'"}


def find_problems(
    full: Shot, task: Task, model: str, every: Collection[str], *, schedulers: Schedulers
) -> Iterator[Problem]:
    """Yield what a task can't do with a shot.

    Args:
        full: The resolved shot.
        task: The task that generates it.
        model: The model's name.
        every: The further arguments of all tasks of the model.
        schedulers: The schedulers of its pipeline.
    """
    found = [
        *_task_problems(full, task, model, every),
        *_scheduler_problems(full, task, model, schedulers),
    ]
    yield from found
    # In the pipeline's own words only what isn't said in ours.
    named = {problem.argument for problem in found}
    refused = refusals(full, task, model, schedulers)
    yield from (problem for problem in refused if problem.argument not in named)


def _task_problems(full: Shot, task: Task, model: str, every: Collection[str]) -> Iterator[Problem]:
    yield from check_conditions(task, full)
    if not isinstance(full.prompt, str) and not hasattr(task.pipe, "encode_prompt"):
        yield Problem(
            "prompt",
            f"prompt={shorten(full.text)}: {type(task.pipe).__name__} has no method "
            "encode_prompt, so that prompts can't be mixed; the nearest is "
            f"{shorten(full.prompt[0][0])}.",
        )
    for name in ("width", "height"):
        yield from _check_multiple(model, name, getattr(full, name), task.family.size_step, 0)
    yield from _check_multiple(
        model, "num_frames", full.num_frames or 1, task.family.frame_step, task.family.frame_plus
    )
    for name, value in dict(full.extra).items():
        yield from _check_extra(model, every, task, name, value)
    steps = task.steps(full)
    yield from _check_strength(task, full, steps)
    if full.switch is not None:
        yield from _check_switch(task, full, steps)
    if full.draft_steps is not None:
        yield from _check_draft(task, full.draft_steps, steps)


def unsupported_conditions(shot: Shot, tasks: Sequence[Task], model: str) -> Iterator[Problem]:
    """Yield why a model has no task for a shot's images and videos.

    Args:
        shot: The shot.
        tasks: The tasks of the model; the first is its pipeline's own.
        model: The model's name.
    """
    names = list(dict.fromkeys(condition.name for condition in shot.conditions))
    descriptions = join_words(list(dict.fromkeys([task.description for task in tasks])))
    kind = type(tasks[0].pipe).__name__
    if not names:
        first = next(name for name in CONDITIONS if name in tasks[0].accepts)
        example = f"{first}={'bee.mp4' if first == 'video' else 'bee.png'!r}"
        yield Problem(
            first, f"{first}: {model} needs it, as in {example}; {kind} makes {descriptions}."
        )
        return
    yield Problem(
        names[0],
        f"{join_words([f'{name}=' for name in names])}: {model} can't use "
        f"{'that' if len(names) == 1 else 'these together'}; {kind} makes {descriptions}.",
    )


def call_problems(tasks: Sequence[Task]) -> Iterator[Problem]:
    """Yield what replaces the `__call__` of a pipeline class without naming its arguments.

    Nothing says then what it takes: it would seem to make images, or another class of the family
    would generate in its place.

    Args:
        tasks: The tasks of a model.
    """
    for task in tasks:
        if named := task.info.unnamed_call:
            yield Problem(
                "pipe",
                f"pipe: {named} takes any arguments and names none for the number of frames; "
                "write @functools.wraps(original) before the function, with the __call__ that it "
                "calls, or derive a class from the pipeline's.",
            )


def context_problems(device: str) -> Iterator[Problem]:
    """Yield what is switched on for this thread only, and doesn't reach those that generate.

    Args:
        device: The type of the pipeline's device.
    """
    import torch

    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        yield Problem(
            "model",
            "model: torch.autocast is on here, but clips are generated by other threads, which it "
            f"doesn't reach; leave it, and cast the pipeline, as in pipe.to({dtype}).",
        )


def speed_problems(full: Shot, speed: Speed) -> Iterator[Problem]:
    """Yield what a shot can't have at a speed.

    Args:
        full: The resolved shot.
        speed: What its task can use of the model's speed.
    """
    if full.switch is not None and speed.cache:
        yield Problem(
            "switch_at",
            f"switch_at={full.switch.at:g}: not at speed={speed.name!r}, whose cache "
            "can't resume from within a clip.",
        )


def _scheduler_problems(
    full: Shot, task: Task, model: str, schedulers: Schedulers
) -> Iterator[Problem]:
    """Yield a problem unless the task can use the shot's scheduler."""
    if full.scheduler == schedulers.default_name:
        if reason := schedulers.why_own_unusable:
            others = (name for name in schedulers.names if name != full.scheduler)
            nearest = next(others, "the class that it derives from")
            yield Problem(
                "scheduler",
                f"scheduler={full.scheduler!r}: {reason}; use another with {model}, such as "
                f"{nearest}.",
            )
        return
    usable = [schedulers.default_name] if task.family.own_timesteps else schedulers.names
    if full.scheduler not in usable:
        yield Problem(
            "scheduler",
            f"scheduler={full.scheduler!r}: {model} can use {', '.join(usable)}."
            f"{did_you_mean(str(full.scheduler), usable)}",
        )


def identity_problems(shot: Shot, model: str, revision: str, speed: Speed) -> Iterator[Problem]:
    """Yield a problem for each part of a model's identity that a shot has otherwise.

    Args:
        shot: The shot; what it leaves open fits any model.
        model: The model's name.
        revision: The model's revision.
        speed: What the shot's task can use of the model's speed.
    """
    for name, requested, own in (
        ("model", shot.model, model),
        ("revision", shot.revision, revision),
        (
            "speed",
            shot.speed and " and ".join(shot.speed),
            " and ".join(speed.labels) or "exact",
        ),
    ):
        if requested in (None, own):
            continue
        way_out = "load the other one"
        if name == "speed" and BFLOAT16 in requested and not multiplies_bfloat16():
            way_out = (
                "this processor has no instructions for products in bfloat16; "
                "shot.replace(speed=None) leaves the speed to the model"
            )
        yield Problem(name, f"{name}={requested!r}: this is {own}; {way_out}.")


def _check_multiple(model: str, name: str, value: int, step: int, plus: int) -> Iterator[Problem]:
    """Yield a problem unless `value` is a multiple of `step`, plus `plus`."""
    if (value - plus) % step == 0 and value >= max(step, plus):
        return
    low = (value - plus) // step * step + plus
    near = [n for n in (low, low + step) if n >= max(step, plus)]
    form = f"{step}k+{plus}" if plus else f"multiples of {step}"
    unit = "frames" if name == "num_frames" else "pixels"
    nearest = " and ".join(str(n) for n in near) if near else str(step)
    yield Problem(
        name,
        f"{name}={value}: {model} makes {form} {unit}; nearest "
        f"{'is' if len(near) == 1 else 'are'} {nearest}.",
    )


def _check_extra(
    model: str, every: Collection[str], task: Task, name: str, value: Any
) -> Iterator[Problem]:
    """Yield a problem unless the task has such an argument and `value` fits it."""
    allowed = task.arguments
    if name not in allowed and name not in every and name in task.filled_in:
        yield Problem(name, f"{name}: set by beecam, not by a shot; {task.filled_in[name]}.")
        return
    if name not in allowed:
        hint = did_you_mean(name, (*SHOT_ARGUMENTS, *allowed))
        if name in every:
            example = _EXAMPLES.get(name, "image='bee.png'")
            hint = f" {model} has it together with an image or a video, as in {example}."
        owner = type(task.pipe).__name__ if name in every else model
        yield Problem(name, f"{name}: not an argument of {owner}.{hint}")
        return
    default = allowed[name]
    annotation = task.info.parameters[name].annotation
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        yield Problem(name, f"{name}={shorten(value)}: an integer of at most 64 bits is needed.")
        return
    if default is None:
        if value == ():
            yield Problem(name, f"{name}=(): one item or more is needed; leave it out for none.")
        elif value is not None and not fits_annotation(annotation, value):
            text = annotation_text(annotation)
            hint = " A shot can't store a dict." if "dict" in text else ""
            yield Problem(name, f"{name}={shorten(value)}: {model} needs {text} there.{hint}")
        return
    if value is None and type(None) in typing.get_args(annotation):
        return
    if not _fits_default(default, annotation, value):
        yield Problem(
            name,
            f"{name}={shorten(value)}: {type(default).__name__} is needed, "
            f"as in the default {default!r}.",
        )


def _fits_default(default: Any, annotation: Any, value: Any) -> bool:
    """Return whether a value is of the kind of an argument's default."""
    kinds: tuple[type, ...] = (type(default),)
    if kinds == (float,):
        kinds = (float, int)
    if kinds == (list,):
        kinds = (tuple,)  # as a shot stores it
    if not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,)):
        return False
    if not isinstance(value, tuple):
        return True
    inner = {type(one) for one in default}
    inner |= {int} if float in inner else set()
    if inner and not all(type(one) in inner for one in value):
        return False
    # Without a type for its items, such a list is a fixed number of settings.
    free = bool(typing.get_args(annotation)) or annotation is inspect.Parameter.empty
    return fits_annotation(annotation, value) and (free or len(value) == len(default))


def _check_strength(task: Task, shot: Shot, steps: int) -> Iterator[Problem]:
    """Yield a problem unless a redrawn video takes at least one step."""
    name = task.strength_argument
    if name is None:
        return
    arguments = dict(shot.extra)
    value = arguments.get(name, task.info.parameters[name].default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return  # reported with the other arguments
    if name in arguments and not 0 < value <= 1:
        yield Problem(
            name,
            f"{name}={shorten(value)}: a share of the steps is needed, over 0 and at most 1"
            f"{'; the nearest is 1' if value > 1 else ''}.",
        )
    elif not steps:
        count = shot.num_inference_steps or 1
        # Rounded up: 1/49 of 49 steps is none.
        yield Problem(
            name,
            f"{name}={shorten(value)}: of {count} steps none would run; the nearest is "
            f"{math.ceil(1e4 / count) / 1e4:g}.",
        )


def _check_switch(task: Task, shot: Shot, steps: int) -> Iterator[Problem]:
    assert shot.switch is not None
    yield from shot.switch.check(steps)
    if not task.family.resumes:
        yield Problem(
            "switch_at",
            f"switch_at={shot.switch.at:g}: clips of {task.family.name} can't resume from within "
            "their steps, and so not change there.",
        )
    if shot.draft_steps is not None and shot.draft_steps <= shot.switch.at:
        yield Problem(
            "draft",
            f"draft: its {shot.draft_steps} steps end before the switch at {shot.switch.at:g}, "
            "so that drafts would show nothing of it.",
        )


def _check_draft(task: Task, requested: int, steps: int) -> Iterator[Problem]:
    if not task.family.predicts:
        yield Problem(
            "draft",
            f"draft: no step of {task.family.name} predicts the clip, so that there are no drafts "
            "of it.",
        )
    elif not 1 <= requested < steps:
        near = min(max(requested, 1), max(steps - 1, 1))
        yield Problem(
            "draft_steps",
            f"draft_steps={requested}: fewer than the {steps} steps of the clip; "
            f"nearest is {near}.",
        )


_MAX_INTEGER = 2**63 - 1
_ANNOTATION_TYPES: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (float, int),
    str: (str,),
    bool: (bool,),
    type(None): (type(None),),
}


def fits_annotation(annotation: Any, value: Any) -> bool:
    """Return whether a value that a shot can carry may match an annotation.

    Args:
        annotation: The annotation of a pipeline's argument; a missing one allows everything.
        value: A string, a number, a bool, None, or a tuple of them.
    """
    if annotation is inspect.Parameter.empty or annotation is Any or isinstance(annotation, str):
        return True
    inner = typing.get_args(annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return any(fits_annotation(one, value) for one in inner)
    if origin is tuple and inner and Ellipsis not in inner:
        return (
            isinstance(value, tuple)
            and len(value) == len(inner)
            and all(map(fits_annotation, inner, value))
        )
    if origin in (list, tuple):
        items = inner[0] if inner else Any
        return isinstance(value, tuple) and all(fits_annotation(items, one) for one in value)
    kinds = _ANNOTATION_TYPES.get(origin, ())
    return isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)


def annotation_text(annotation: Any) -> str:
    """Return an annotation as messages show it."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.replace("typing.", "")
