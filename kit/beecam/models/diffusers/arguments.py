"""The arguments of a model that can be set, read off the model: one control per argument."""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from beecam._util.silence import silent_loggers
from beecam.models.capabilities import arguments_of
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.diffusers.tasks import Task
from beecam.models.model import Model
from beecam.models.model_set import ModelSet
from beecam.shots.conditions import CONDITIONS
from beecam.shots.loras import LORA_ARGUMENTS
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS
from beecam.shots.shot import LIMITS, SHOT_ARGUMENTS, Shot

Kind = Literal["integer", "number", "choice", "flag", "text"]

# Arguments of a shot without a control: files and composite values are set in code.
_WITHOUT_CONTROL = ("seed", "noise", "model", *CONDITIONS, *LORA_ARGUMENTS, *SWITCH_ARGUMENTS)
_OF_TYPES: Mapping[Any, Kind] = {int: "integer", float: "number", str: "text", bool: "flag"}
_MAX_HELP = 300
# "height (`int`, *optional*, defaults to 512):", with its description on the lines below.
_ENTRY = re.compile(
    r"^(?P<indent>[ \t]*)(?P<names>\w+(?:, ?\w+)*) ?\((?P<kind>.*)\):?[ \t]*(?P<text>.*)$"
)
_MARKUP = re.compile(
    r"\[`?([^\]`]+)`?\](?:\([^)]*\))?|`{1,2}([^`]+)`{1,2}|\*{1,2}([^*\s][^*]*)\*{1,2}"
)


@dataclass(frozen=True)
class Control:
    """One argument of a model that can be set.

    Attributes:
        name: The argument's name.
        kind: "integer", "number", "choice", "flag" or "text".
        default: The model's default, or None where it isn't known.
        low: The smallest valid value, where known.
        high: The largest valid value, where known.
        step: The distance of valid values from `base` on, where known.
        base: See `step`.
        choices: The valid values of a choice.
        only_with: Names of images and videos of which the argument needs one.
        help: The first sentence of the pipeline's documentation of it, or "".
    """

    name: str
    kind: Kind
    default: Any = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    base: float = 0
    choices: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()
    help: str = ""

    def parse(self, text: Any) -> Any:
        """Return the value that a string denotes; the string itself if it denotes none.

        `sweep.check` reports what isn't a valid value of this kind.
        """
        if not isinstance(text, str):
            return text
        word = text.strip()
        if self.kind == "flag":
            return {"true": True, "false": False}.get(word.casefold(), text)
        if self.kind not in ("integer", "number"):
            return text
        for form in (int, float):
            try:
                value = form(word)
            except ValueError:
                continue
            return value if math.isfinite(value) else text
        return text


def controls_of(model: Model) -> tuple[Control, ...]:
    """Return a control for each argument of a model that is a string, a number or a bool.

    Those that every model has come first, then the pipeline's own in its order.

    >>> [control.name for control in controls_of(bc.load())][:2]
    ['negative_prompt', 'width']

    Args:
        model: A model, or several as one.
    """
    models = model.models if isinstance(model, ModelSet) else (model,)
    found: dict[str, Control] = {}
    for one in models:
        for control in _controls(one):
            found.setdefault(control.name, control)
    return tuple(found.values())


def _controls(model: Model) -> Iterator[Control]:
    defaults = model.resolve(Shot(prompt=""))
    tasks = _tasks(model)
    notes = [help_lines(inspect.getdoc(type(task.pipe).__call__) or "") for task in tasks]
    for name in SHOT_ARGUMENTS:
        if name not in _WITHOUT_CONTROL:
            yield _of_shot(model, name, defaults, _help(notes, *_names_in(tasks, name)))
    for name, default in arguments_of(model).items():
        control = _of_pipeline(tasks, name, default, _help(notes, name))
        if control is not None:
            yield control


def _of_shot(model: Model, name: str, defaults: Shot, help_text: str) -> Control:
    default = getattr(defaults, name)
    if name == "scheduler":
        # Schedulers are only tried, to see whether they can be used.
        with silent_loggers("diffusers"):
            names = tuple(model.schedulers) if isinstance(model, DiffusersModel) else ()
        return Control(name, "choice" if names else "text", default, choices=names, help=help_text)
    if isinstance(default, str):
        return Control(name, "text", default, help=help_text)
    low, high = LIMITS.get(name, (None, None))
    step, base = 1.0, 0.0
    for task in _tasks(model)[:1]:
        if name in ("width", "height"):
            step = task.family.size_step
        elif name == "num_frames":
            step, base = task.family.frame_step, task.family.frame_plus
    if isinstance(default, int):
        # The first valid value that isn't a clip without frames.
        lowest = base if base >= 1 else step
        low = max(low or 1, lowest)
        return Control(name, "integer", default, low, high, step, base, help=help_text)
    return Control(name, "number", default, low, high, help=help_text)


def _of_pipeline(tasks: Sequence[Task], name: str, default: Any, help_text: str) -> Control | None:
    having = [task.info.parameters[name] for task in tasks if name in task.info.parameters]
    annotation = having[0].annotation if having else inspect.Parameter.empty
    only_with = _only_with(tasks, name)
    choices = _literals(annotation)
    if choices:
        return Control(
            name, "choice", default, choices=choices, only_with=only_with, help=help_text
        )
    kind = _OF_TYPES.get(type(default)) if default is not None else _kind_of(annotation)
    if default is inspect.Parameter.empty:
        default, kind = None, _kind_of(annotation)
    if kind is None:
        return None
    step = 1.0 if kind == "integer" else None
    return Control(name, kind, default, step=step, only_with=only_with, help=help_text)


def _only_with(tasks: Sequence[Task], name: str) -> tuple[str, ...]:
    """Return the conditions of the tasks with an argument that the pipeline's own task lacks."""
    if not tasks or name in tasks[0].info.parameters:
        return ()
    having = [task for task in tasks if name in task.info.parameters]
    return tuple(sorted({one for task in having for one in task.accepts}))


def _kind_of(annotation: Any) -> Kind | None:
    """Return the kind of the first simple type that an annotation allows."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = (_kind_of(one) for one in typing.get_args(annotation))
        return next((kind for kind in kinds if kind is not None), None)
    if isinstance(annotation, str):
        # `from __future__ import annotations` in a pipeline's module leaves them as strings.
        words = re.findall(r"\w+", annotation)
        kinds = (_OF_TYPES.get(kind) for kind in (int, float, str, bool) if kind.__name__ in words)
        plain = not {"list", "List", "dict", "Dict", "tuple", "Tuple", "Callable"} & set(words)
        return next(kinds, None) if plain else None
    return _OF_TYPES.get(annotation)


def _literals(annotation: Any) -> tuple[str, ...]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return tuple(parts) if all(isinstance(one, str) for one in parts) else ()
    return next((found for one in parts if (found := _literals(one))), ())


def _tasks(model: Model) -> tuple[Task, ...]:
    """Return the tasks of a pipeline; none for a model without one."""
    return model.tasks if isinstance(model, DiffusersModel) else ()


def _names_in(tasks: Sequence[Task], name: str) -> tuple[str, ...]:
    """Return the pipelines' names of an argument that every shot has."""
    renamed = {"fps": "fps_argument", "num_frames": "frames_argument"}.get(name)
    own = [getattr(task.info, renamed) for task in tasks] if renamed else []
    return (*(one for one in own if one), name)


def _help(notes: list[dict[str, str]], *names: str) -> str:
    """Return the first description of one of these names, the pipeline's before the shot's."""
    notes = [*notes, _of_shots()]
    return next((note[name] for note in notes for name in names if note.get(name)), "")


def help_lines(docstring: str) -> dict[str, str]:
    """Return the first sentence on each argument of a docstring in diffusers' style.

    Args:
        docstring: A docstring from `inspect.getdoc`.
    """
    found: dict[str, str] = {}
    names: list[str] = []
    indent, text = 0, ""
    inside = False
    for line in [*docstring.splitlines(), "end"]:
        if re.match(r"^(Args|Arguments|Parameters):?\s*$", line.strip()):
            inside = True
            continue
        deep = len(line) - len(line.lstrip())
        entry = _ENTRY.match(line) if inside else None
        ends = bool(line.strip()) and deep <= indent
        if names and (ends or (entry and deep <= indent)):
            found.update({name: _sentence(text) for name in names if name not in found})
            names, text = [], ""
        if entry and not names:
            names = entry["names"].replace(" ", "").split(",")
            indent, text = deep, entry["text"]
        elif names:
            text += " " + line.strip()
        elif inside and line.strip() and deep == 0:
            inside = False
    return found


@cache
def _of_shots() -> dict[str, str]:
    """Return the descriptions of the fields of `Shot`."""
    return dict(re.findall(r"^ {4}(\w+): ([^\n]+)", inspect.getdoc(Shot) or "", re.MULTILINE))


def _sentence(text: str) -> str:
    plain = _MARKUP.sub(lambda match: next(filter(None, match.groups())), " ".join(text.split()))
    # A period ends a sentence before a capital letter: not in "e.g. this", not in "0.5".
    first = re.split(r"(?<=[.!?])\s+(?=[A-Z])", plain, maxsplit=1)[0].strip()
    return first if len(first) <= _MAX_HELP else first[: _MAX_HELP - 1].rstrip() + "…"
