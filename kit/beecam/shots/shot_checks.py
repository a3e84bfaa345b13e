"""Checks of shots that hold for every model: types, ranges, text.

A shot that passes can be stored, and read again from its clip: reading applies these checks to what
others have written, and no others. A rule of its own there would lose clips that were generated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from beecam._util.checks import encodable_text, integer, number, raise_problems
from beecam._util.digests import is_digest
from beecam._util.plain import is_json_data
from beecam.errors import Problem, shorten
from beecam.shots import weighted_prompts
from beecam.shots.conditions import CONDITIONS
from beecam.shots.noise import MAX_SEED, check_noise
from beecam.shots.shot import FLOATS, INTEGERS, LIMITS, MAX_PROMPT, REQUIRED, Shot

BOTH_NOISES = "seed and noise both set the noise: keep one of them."

_STRINGS = ("negative_prompt", "scheduler", "model", "revision")
_MAX_NAME = 2_000  # characters of the name of a model or a scheduler
# Of all further arguments, as JSON.
_MAX_EXTRA = 500_000  # characters
_MAX_DEPTH = 8  # of lists in lists
_MAX_INPUTS = 1_000  # images and videos, and LoRAs
_MAX_FRAME = 1_000_000
_MAX_WEIGHT = 1e15
# The nearest allowed size depends on the model, whose own check mentions it.
_WITHOUT_NEAREST = ("width", "height", "num_frames")


def check_values(shot: Shot) -> Iterator[Problem]:
    """Yield the problems of a shot that any model would have with it.

    >>> [problem.argument for problem in check_values(Shot(prompt="a bee", width=0))]
    ['width']
    """
    for name in _STRINGS:
        value = getattr(shot, name)
        if not isinstance(value, str) and value is not None:
            yield Problem(name, f"{name}={shorten(value)}: a string is needed.")
        elif name != "negative_prompt" and value is not None:
            yield from _check_text(name, value, _MAX_NAME)
    yield from check_prompt(shot.prompt)
    if isinstance(shot.negative_prompt, str):
        yield from _check_text("negative_prompt", shot.negative_prompt)
    for name in INTEGERS:
        value = getattr(shot, name)
        if value is not None:
            most = int(LIMITS[name][1] or 0)
            yield from integer(name, value, 1, most, suggest=name not in _WITHOUT_NEAREST)
    for name in FLOATS:
        yield from _check_float(name, getattr(shot, name))
    yield from check_noise(shot.noise)
    yield from _check_switch(shot) if shot.switch else ()
    yield from _check_extra(shot) if shot.extra else ()
    yield from _check_inputs(shot) if shot.conditions or shot.adapters else ()


def require_resolved(shots: Any) -> None:
    """Raise unless `shots` is what `model.generate` takes: a list of resolved shots.

    >>> require_resolved("a bee")
    Traceback (most recent call last):
    beecam.errors.CheckError: shots='a bee': a list of resolved shots is needed, as in
    model.generate([model.resolve(bc.shot('a bee'))]).

    Raises:
        CheckError: It is not a list or tuple, it is empty, or one of them is not a resolved shot.
    """
    raise_problems(_resolved_problems(shots))


def _resolved_problems(shots: Any) -> Iterator[Problem]:
    if isinstance(shots, str):
        example = f"model.generate([model.resolve(bc.shot({shorten(shots)}))])"
    elif isinstance(shots, Shot):
        example = "model.generate([model.resolve(shot)])"
    elif hasattr(shots, "resolve") and hasattr(shots, "cells"):
        example = "model.generate(sweep.resolve(model)), or bc.run(sweep, model)"
    else:
        example = "model.generate([model.resolve(bc.shot('a bee'))])"
    if not isinstance(shots, (list, tuple)) or not shots:
        yield Problem(
            "shots",
            f"shots={shorten(shots)}: a list of resolved shots is needed, as in {example}.",
        )
        return
    for i, shot in enumerate(shots):
        if not isinstance(shot, Shot):
            argument = shorten(shot) if isinstance(shot, str) else "'a bee'"
            yield Problem(
                "shots",
                f"shots[{i}]={shorten(shot)}: a resolved shot is needed, as in "
                f"model.resolve(bc.shot({argument})).",
            )
        elif not shot.resolved:
            unset = [name for name in REQUIRED if getattr(shot, name) is None]
            yield Problem(
                "shots",
                f"shots[{i}]={shorten(shot)}: the shot isn't resolved, {', '.join(unset)} are "
                "not set. Use model.resolve(shot).",
            )
        else:
            yield from check_values(shot)


def _check_float(name: str, value: Any) -> Iterator[Problem]:
    if value is None:
        return
    if problems := list(number(name, value)):
        yield from problems
    elif name == "fps" and not 0 < value <= (LIMITS["fps"][1] or 0):
        yield Problem(name, f"fps={value:g}: between 0 and 240 frames per second.")
    elif name == "guidance_scale" and value < 0:
        yield Problem(name, f"{name}={value:g}: 0 or more is needed.")


def _check_switch(shot: Shot) -> Iterator[Problem]:
    assert shot.switch is not None
    yield from shot.switch.check(None)
    for name in ("prompt", "negative_prompt"):
        if isinstance(value := getattr(shot.switch, name), str):
            yield from _check_text(f"then_{name}", value)


def _check_extra(shot: Shot) -> Iterator[Problem]:
    problems = [
        one for name, value in shot.arguments.items() for one in _check_argument(name, value)
    ]
    yield from problems
    length = 0 if problems else len(json.dumps(shot.arguments))
    if length > _MAX_EXTRA:
        longest = max(shot.arguments, key=lambda name: len(json.dumps(shot.arguments[name])))
        yield Problem(
            longest,
            f"{longest}={shorten(shot.arguments[longest])}: the further arguments have "
            f"{length:,} characters as JSON; at most {_MAX_EXTRA:,} can be stored with a clip.",
        )


def _check_argument(name: str, value: Any) -> Iterator[Problem]:
    if not name.isidentifier():
        # They are part of the code that a viewer shows for copying.
        yield Problem(name, f"{shorten(name)}: an argument's name is an identifier of Python.")
    elif not is_json_data(value):
        yield Problem(
            name,
            f"{name}={shorten(value)}: a shot stores strings, numbers, True, False, None and "
            f"lists of them; {_describe_unsupported(value)} can't be stored with a clip.",
        )
    elif _depth(value) > _MAX_DEPTH:
        yield Problem(
            name, f"{name}={shorten(value)}: lists in at most {_MAX_DEPTH - 1} others are allowed."
        )
    else:
        yield from _check_parts(name, value)


def _check_parts(name: str, value: Any) -> Iterator[Problem]:
    if isinstance(value, tuple):
        for one in value:
            yield from _check_parts(name, one)
    elif isinstance(value, str):
        yield from encodable_text(name, value)
    elif type(value) is int and abs(value) > MAX_SEED:
        nearest = MAX_SEED if value > 0 else -MAX_SEED
        yield Problem(
            name,
            f"{name}={shorten(value)}: integers have at most 64 bits; the nearest is {nearest}.",
        )


def _depth(value: Any) -> int:
    if not isinstance(value, tuple):
        return 0
    return 1 + max(map(_depth, value), default=0)


def _check_inputs(shot: Shot) -> Iterator[Problem]:
    for one in shot.conditions:
        if one.name not in CONDITIONS or not is_digest(one.input.digest) or one.input.count < 1:
            yield Problem(one.name, f"{shorten(one.name)}: it isn't an image or a video.")
        elif one.frame is not None:
            yield from integer("keyframes", one.frame, -_MAX_FRAME, _MAX_FRAME)
    for adapter in shot.adapters or ():
        if not is_digest(adapter.digest):
            yield Problem("lora", f"lora={shorten(adapter.digest)}: it isn't a LoRA.")
        needed = f"a number from {-_MAX_WEIGHT:g} to {_MAX_WEIGHT:g} is needed."
        yield from number("lora_weight", adapter.weight, needed, low=-_MAX_WEIGHT, high=_MAX_WEIGHT)
    for argument, count in (("image", shot.conditions), ("lora", shot.adapters or ())):
        if len(count) > _MAX_INPUTS:
            yield Problem(argument, f"{len(count):,} of them; at most {_MAX_INPUTS:,} are allowed.")


def _describe_unsupported(value: Any) -> str:
    while isinstance(value, tuple):
        value = next(one for one in value if not is_json_data(one))
    return f"{value}" if isinstance(value, float) else type(value).__name__


def check_prompt(prompt: Any) -> Iterator[Problem]:
    """Yield the problems of a prompt, which may be several with weights.

    >>> [problem.argument for problem in check_prompt("x" * 10_000)]
    ['prompt']
    """
    problems = list(weighted_prompts.find_problems(prompt))
    yield from problems
    for text, _ in () if problems else weighted_prompts.parts_of(prompt):
        yield from _check_text("prompt", text)


def _check_text(name: str, text: str, most: int = MAX_PROMPT) -> Iterator[Problem]:
    if len(text) > most:
        yield Problem(name, f"{name} has {len(text):,} characters; at most {most:,} are allowed.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        yield Problem(
            name,
            f"{name} has half of a surrogate pair at character {error.start}; "
            "it can't be stored as text.",
        )
