"""What a person can set of a model, read off the model itself: one control for each argument."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from beecam.models.model import Model
from beecam.shots.conditions import CONDITIONS
from beecam.shots.loras import LORA_ARGUMENTS
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS
from beecam.shots.shot import LIMITS, SHOT_ARGUMENTS, Shot

Kind = Literal["integer", "number", "choice", "flag", "text"]

# Of a shot's own: the prompt and the noise are not set in one field, files are given by code.
_NO_FIELDS = ("seed", "noise", "model", *CONDITIONS, *LORA_ARGUMENTS, *SWITCH_ARGUMENTS)
_OF_TYPES: Mapping[Any, Kind] = {int: "integer", float: "number", str: "text", bool: "flag"}
_MAX_HELP = 300
# "height (`int`, *optional*, defaults to 512):", with its text on the lines below.
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
        name: Of the argument.
        kind: "integer", "number", "choice", "flag" or "text".
        default: What the model takes where nothing is said, or None where that isn't known.
        low: The least that is allowed, where known.
        high: The most, where known.
        step: Allowed are `base` and each `step` more, where known.
        base: See `step`.
        choices: What is allowed, of a choice.
        only_with: Names of pictures and films without one of which it is not taken.
        help: The first sentence of what the pipeline says of it; empty where it says nothing.
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
        """Return the value that a text stands for; as it is where it stands for none.

        What is no value of this kind is named by `sweep.check`, which knows what is allowed.
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
    """Return a control for each argument of a model that is set in one field.

    Those that every model has come first, then the pipeline's own in its order. Arguments that
    take other things than texts, numbers and truth values have none.

    >>> [control.name for control in controls(bc.load())][:2]
    ['negative_prompt', 'width']

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`, or several as one.
    """
    models = list(getattr(model, "by_label", {"": model}).values())
    found: dict[str, Control] = {}
    for one in models:
        for control in _controls(one):
            found.setdefault(control.name, control)
    return tuple(found.values())


def _controls(model: Model) -> Iterator[Control]:
    usual = model.resolve(Shot(prompt=""))
    ways = _ways(model)
    notes = [help_lines(inspect.getdoc(type(way.pipe).__call__) or "") for way in ways]
    for name in SHOT_ARGUMENTS:
        if name not in _NO_FIELDS:
            yield _of_shot(model, name, usual, _help(notes, *_names_there(ways, name)))
    for name, default in model.arguments.items():
        if (made := _of_pipeline(ways, name, default, _help(notes, name))) is not None:
            yield made


def _of_shot(model: Model, name: str, usual: Shot, words: str) -> Control:
    default = getattr(usual, name)
    if name == "scheduler":
        with _quiet():
            names = tuple(getattr(model, "schedulers", ()))
        return Control(name, "choice" if names else "text", default, choices=names, help=words)
    if isinstance(default, str):
        return Control(name, "text", default, help=words)
    low, high = LIMITS.get(name, (None, None))
    step, base = 1.0, 0.0
    for way in _ways(model)[:1]:
        if name in ("width", "height"):
            step = way.family.size_step
        elif name == "num_frames":
            step, base = way.family.frame_step, way.family.frame_plus
    if isinstance(default, int):
        # The first that lies on the grid and is no clip of nothing.
        least = base if base >= 1 else step
        return Control(name, "integer", default, max(low or 1, least), high, step, base, help=words)
    return Control(name, "number", default, low, high, help=words)


def _of_pipeline(ways: list[Any], name: str, default: Any, words: str) -> Control | None:
    parameters = [way.anatomy.parameters[name] for way in ways if name in way.anatomy.parameters]
    annotation = parameters[0].annotation if parameters else inspect.Parameter.empty
    only_with = _only_with(ways, name)
    choices = _literals(annotation)
    if choices:
        return Control(name, "choice", default, choices=choices, only_with=only_with, help=words)
    kind = _OF_TYPES.get(type(default)) if default is not None else _kind_of(annotation)
    if default is inspect.Parameter.empty:
        default, kind = None, _kind_of(annotation)
    if kind is None:
        return None
    step = 1.0 if kind == "integer" else None
    return Control(name, kind, default, step=step, only_with=only_with, help=words)


def _only_with(ways: list[Any], name: str) -> tuple[str, ...]:
    """Return what is given to the ways that take an argument, where the pipeline's own doesn't."""
    if not ways or name in ways[0].anatomy.parameters:
        return ()
    return tuple(sorted({one for w in ways if name in w.anatomy.parameters for one in w.takes}))


def _kind_of(annotation: Any) -> Kind | None:
    """Return the kind of the first simple type that an annotation allows."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = (_kind_of(one) for one in typing.get_args(annotation))
        return next((kind for kind in kinds if kind is not None), None)
    if isinstance(annotation, str):
        # `from __future__ import annotations` in a pipeline's module leaves them as texts.
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


def _ways(model: Model) -> list[Any]:
    """Return how a pipeline makes clips; nothing for a model that is no pipeline of diffusers."""
    return list(getattr(model, "ways", ()))


def _names_there(ways: list[Any], name: str) -> tuple[str, ...]:
    """Return how pipelines call an argument that every shot has."""
    there = {"fps": "fps_argument", "num_frames": "frames_argument"}.get(name)
    own = [getattr(way.anatomy, there) for way in ways] if there else []
    return (*(one for one in own if one), name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Schedulers are tried to see which can be used: what they warn of then is no news."""
    from diffusers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _help(notes: list[dict[str, str]], *names: str) -> str:
    """Return the first note on one of these names: a pipeline's own, or else the shot's."""
    notes = [*notes, _of_shots()]
    return next((note[name] for note in notes for name in names if note.get(name)), "")


def help_lines(docstring: str) -> dict[str, str]:
    """Return the first sentence on each argument of a docstring in diffusers' style.

    Args:
        docstring: As `inspect.getdoc` gives it.
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
    """Return what `Shot` says of its own fields."""
    return dict(re.findall(r"^ {4}(\w+): ([^\n]+)", inspect.getdoc(Shot) or "", re.MULTILINE))


def _sentence(text: str) -> str:
    plain = _MARKUP.sub(lambda match: next(filter(None, match.groups())), " ".join(text.split()))
    # A point ends a sentence before a capital letter: not in "e.g. this", not in "0.5".
    first = re.split(r"(?<=[.!?])\s+(?=[A-Z])", plain, maxsplit=1)[0].strip()
    return first if len(first) <= _MAX_HELP else first[: _MAX_HELP - 1].rstrip() + "…"
