"""Checks of the arguments of `bc.load` and `bc.wrap`, before anything is downloaded or read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from beecam._util.checks import integer, string
from beecam.errors import Problem, did_you_mean, join_words, shorten
from beecam.models.diffusers.checking.problems import call_problems
from beecam.models.diffusers.families.unfit import UNFIT
from beecam.models.diffusers.tasks import task_of
from beecam.models.speed.speed import SPEEDS

_CHOICES = {
    "dtype": ("float32", "bfloat16", "float16"),
    "offload": ("none", "model", "sequential"),
    "quantize": ("none", "float8"),
    "speed": SPEEDS,
}
# What pollen is in any case.
_POLLEN = {"dtype": "float32", "offload": "none", "quantize": "none"}


@dataclass(frozen=True)
class LoadOptions:
    """Where and how a pipeline is loaded; see `bc.load`.

    Attributes:
        device: The device; None for the accelerator if there is one, else the CPU.
        dtype: "float32", "bfloat16" or "float16"; None for bfloat16 on an accelerator.
        offload: "none", "model" or "sequential"; None to decide by the free memory.
        revision: The revision of the repository, or None.
        quantize: "none" or "float8"; None for "none".
        base: For a single file, where the rest of its pipeline is, or None.
    """

    device: str | None = None
    dtype: str | None = None
    offload: str | None = None
    revision: str | None = None
    quantize: str | None = None
    base: str | None = None


def plain_name(value: Any) -> Any:
    """Return a torch.device, a torch.dtype or a path as a string; anything else unchanged."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    torchs_own = type(value).__name__ in ("device", "dtype")
    return str(value).removeprefix("torch.") if torchs_own else value


def load_problems(
    name: Any, options: LoadOptions, *, batch_size: Any, speed: Any
) -> Iterator[Problem]:
    """Yield the problems of the arguments of `bc.load`, which may be of any type.

    Args:
        name: The argument `name`.
        options: Further arguments.
        batch_size: The argument `batch_size`.
        speed: The argument `speed`.
    """
    if not isinstance(name, (str, os.PathLike)):
        yield Problem(
            "name", f"load({shorten(name)}): a name, as in bc.load() or bc.load('pollen')."
        )
    yield from _device_problems(options.device)
    for argument in ("dtype", "offload", "quantize"):
        yield from _choice_problems(argument, getattr(options, argument))
    yield from string("revision", options.revision, or_none=True)
    yield from string("base", options.base, or_none=True)
    if isinstance(name, (str, os.PathLike)) and os.fspath(name) == "pollen":
        yield from _pollen_problems(options)
    yield from model_problems(batch_size=batch_size, speed=speed)


def model_problems(*, batch_size: Any, speed: Any) -> Iterator[Problem]:
    """Yield the problems of the arguments that `bc.load` and `bc.wrap` share.

    Args:
        batch_size: The argument `batch_size`.
        speed: The argument `speed`.
    """
    yield from integer("batch_size", batch_size, 1, or_none=True)
    yield from _choice_problems("speed", speed)


def pipeline_problems(pipe: Any) -> Iterator[Problem]:
    """Yield why something isn't a pipeline that generates video from what a shot can carry."""
    kind = type(pipe).__name__
    if not hasattr(pipe, "components") or not callable(pipe):
        yield Problem(
            "pipe",
            f"wrap({shorten(pipe)}): a loaded diffusers pipeline is needed, as in "
            "bc.wrap(WanPipeline.from_pretrained(...)).",
        )
        return
    task = task_of(pipe)
    missing = [name for name in task.info.missing if name not in task.accepts]
    unfit = [UNFIT[one.__name__] for one in type(pipe).__mro__ if one.__name__ in UNFIT]
    if task.info.unnamed_call:
        yield from call_problems([task])
        return
    if unfit:
        reason = f"it needs {unfit[0]}"
    elif task.info.frames_argument is None and "video" not in task.accepts:
        reason = "it makes images; a pipeline that makes video is needed"
    elif missing:
        reason = f"it needs {join_words(missing)}, which a shot can't carry yet"
    elif "prompt" not in task.info.parameters and not task.accepts:
        reason = "it takes neither a prompt nor an image or a video"
    else:
        return
    yield Problem("pipe", f"wrap({kind}): {reason}.")


def _device_problems(device: Any) -> Iterator[Problem]:
    if device is None:
        return
    import torch

    try:
        torch.device(device if isinstance(device, str) else "")
    except RuntimeError:
        yield Problem(
            "device",
            f"device={shorten(device)}: torch has no such device; one such as 'cpu', 'cuda', "
            "'cuda:1' or 'mps' is needed.",
        )


def _choice_problems(name: str, value: Any) -> Iterator[Problem]:
    choices = _CHOICES[name]
    if value is not None and value not in choices:
        yield Problem(
            name,
            f"{name}={shorten(value)}: one of {join_words(choices)}.{did_you_mean(value, choices)}",
        )


def _pollen_problems(options: LoadOptions) -> Iterator[Problem]:
    """Yield a problem for each choice that pollen doesn't have."""
    for name in ("dtype", "offload", "quantize", "revision", "base"):
        value = getattr(options, name)
        wrong = name in _CHOICES and value not in _CHOICES[name]  # reported with its choices
        if not wrong and value not in (None, _POLLEN.get(name)):
            yield Problem(
                name,
                f"{name}={shorten(value)}: pollen is small and ships inside, and has no such "
                f"choice. Leave {name} out.",
            )
