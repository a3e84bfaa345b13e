"""Checks of the arguments of a live view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beecam._util.checks import boolean, integer, string
from beecam.clips.library import library_problems
from beecam.errors import Problem
from beecam.models.model_checks import loaded_model

_MAX_STEPS = 100


def argument_problems(
    model: Any, library: Any, *, refine: Any, steps: Any, prompt_b: Any
) -> Iterator[Problem]:
    """Yield the problems of arguments whose types are wrong."""
    yield from loaded_model(model)
    yield from library_problems(library)
    yield from boolean("refine", refine)
    yield from integer("steps", steps, 1, _MAX_STEPS, or_none=True)
    yield from string("prompt_b", prompt_b)
