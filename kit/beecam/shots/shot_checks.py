"""Checks of shots that hold for every model: types, ranges, text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beecam._util.checks import integer, number, raise_problems
from beecam._util.plain import is_json_data
from beecam.errors import Problem, shorten
from beecam.shots import weighted_prompts
from beecam.shots.noise import check_noise
from beecam.shots.shot import FLOATS, INTEGERS, LIMITS, MAX_PROMPT, REQUIRED, Shot

BOTH_NOISES = "seed and noise both set the noise: keep one of them."

_STRINGS = ("negative_prompt", "scheduler", "model", "revision")
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
    yield from shot.switch.check(None) if shot.switch else ()
    yield from _check_extra(shot)


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


def _check_float(name: str, value: Any) -> Iterator[Problem]:
    if value is None:
        return
    if problems := list(number(name, value)):
        yield from problems
    elif name == "fps" and not 0 < value <= (LIMITS["fps"][1] or 0):
        yield Problem(name, f"fps={value:g}: between 0 and 240 frames per second.")
    elif name == "guidance_scale" and value < 0:
        yield Problem(name, f"{name}={value:g}: 0 or more is needed.")


def _check_extra(shot: Shot) -> Iterator[Problem]:
    for name, value in dict(shot.extra).items():
        if not is_json_data(value):
            yield Problem(
                name,
                f"{name}={shorten(value)}: a shot stores strings, numbers, True, False, None and "
                f"lists of them; {_describe_unsupported(value)} can't be stored with a clip.",
            )


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


def _check_text(name: str, text: str) -> Iterator[Problem]:
    if len(text) > MAX_PROMPT:
        yield Problem(
            name, f"{name} has {len(text):,} characters; at most {MAX_PROMPT:,} are allowed."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        yield Problem(
            name,
            f"{name} has half of a surrogate pair at character {error.start}; "
            "it can't be stored as text.",
        )
