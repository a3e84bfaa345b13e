"""Values of a pipeline's own arguments with which it fails, or makes no clip, after it has begun.

What an argument's name or documentation says holds for every pipeline; the table has those whose
name doesn't say it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator

from beecam.errors import Problem, did_you_mean, join_words, shorten
from beecam.models.diffusers.tasks import Task
from beecam.shots.shot import Shot

# The least, the most, and what is needed.
_RANGES = {
    "num_latent_frames_per_chunk": (1, math.inf, "1 or more is needed; the nearest is 1"),
    "eta": (0, 1, "a number from 0 to 1 is needed"),
    "motion_speed": (sys.float_info.min, math.inf, "a number over 0 is needed; 1 changes nothing"),
}
# By the name of an integer, the least that it can be.
_LEAST = {
    re.compile(r"(^|_)(sizes?|tiles?)$"): 1,  # of parts, and how many: none makes no clip
    re.compile(r"_steps$"): 0,
}
_TILE = "_tile_size"


def range_problems(full: Shot, task: Task) -> Iterator[Problem]:
    """Yield what a shot sets out of the range of an argument.

    Args:
        full: The resolved shot.
        task: The task that generates it.
    """
    for name, value in full.arguments.items():
        if isinstance(value, str):
            yield from _choices(task, name, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _number(name, value)
    yield from _tiles(full, task)


def _number(name: str, value: float) -> Iterator[Problem]:
    low, high, needed = _RANGES.get(name, (-math.inf, math.inf, ""))
    for pattern, least in _LEAST.items():
        if pattern.search(name):
            low, needed = least, f"{least} or more is needed; the nearest is {least}"
    if not low <= value <= high:
        yield Problem(name, f"{name}={shorten(value)}: {needed}.")


def _choices(task: Task, name: str, value: str) -> Iterator[Problem]:
    known = task.info.documented_choices(name)
    if len(known) > 1 and value not in known:
        yield Problem(
            name,
            f"{name}={shorten(value)}: {type(task.pipe).__name__} knows "
            f"{join_words([repr(one) for one in known])}.{did_you_mean(value, known)}",
        )


def _tiles(full: Shot, task: Task) -> Iterator[Problem]:
    """Yield a problem unless each tile is longer than what it shares with the next one."""
    for name, parameter in task.info.parameters.items():
        shared = f"{name.removesuffix(_TILE)}_overlap"
        if not name.endswith(_TILE) or shared not in task.info.parameters:
            continue
        size = full.arguments.get(name, parameter.default)
        overlap = full.arguments.get(shared, task.info.parameters[shared].default)
        both = isinstance(size, int) and isinstance(overlap, int)
        if not both or size < 1 or overlap < size:
            continue
        named, value = (name, size) if name in full.arguments else (shared, overlap)
        other = f"{shared}={overlap}" if named == name else f"{name}={size}"
        way = f"more than {overlap}" if named == name else f"less than {size}"
        yield Problem(named, f"{named}={shorten(value)}: with {other}, {way} is needed.")
