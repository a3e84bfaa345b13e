"""Estimates of how long a sweep will take: `bc.estimate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from beecam._util.attributes import NearestAttributes
from beecam._util.words import count_of
from beecam.clips.library import Library, open_library
from beecam.models.capabilities import refresh
from beecam.models.model import Model
from beecam.models.model_set import as_model
from beecam.runs.argument_checks import RunRequest, as_sweep, check_arguments
from beecam.shots.shot import Shot
from beecam.sweeps.sweep import Sweep

_HOUR = 3600
# Each unit, its seconds, and below how many of them it is used.
_UNITS = (("s", 1, 90), ("min", 60, 90), ("h", _HOUR, 48), ("days", 24 * _HOUR, math.inf))
_WHOLE = 10  # from so many hours or days on, without a decimal


@dataclass(frozen=True)
class Estimate(NearestAttributes):
    """The size of a sweep, and the time that it will take.

    >>> bc.estimate(sweep, model).cached
    8

    Attributes:
        cells: The number of its clips.
        cached: The number of clips that the library already has.
        seconds: The time for the others by measured timings; None before the first measurement.
    """

    cells: int
    cached: int
    seconds: float | None

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        cells = count_of(self.cells, "cell")
        left = self.cells - self.cached
        text = f"{cells}, {self.cached} in the library, {left} to generate"
        if not left:
            return text
        return f"{text}: {'not measured yet' if self.seconds is None else _duration(self.seconds)}"


def _duration(seconds: float) -> str:
    """Return a duration as text, in the unit that fits.

    >>> _duration(0.2), _duration(80), _duration(7200)
    ('under 1 s', 'about 80 s', 'about 2 h')
    """
    if round(seconds) < 1:
        return "under 1 s"
    for name, unit, limit in _UNITS:
        if (count := seconds / unit) < limit:
            digits = 1 if unit >= _HOUR and count < _WHOLE else 0
            return f"about {round(count, digits):g} {name}"
    raise AssertionError(seconds)


def estimate(
    sweep: Sweep | Shot,
    model: Model | Sequence[Model] | Mapping[str, Model],
    library: Library | None = None,
    *,
    draft: float | None = None,
) -> Estimate:
    """Estimate how many clips of a sweep are cached and how long the others take.

    >>> bc.estimate(sweep, model)
    24 cells, 8 in the library, 16 to generate: about 4 s

    Args:
        sweep: The sweep, or one shot.
        model: The model, or several models, as in `bc.run`.
        library: The library; by default `bc.library()`.
        draft: The share of each clip's steps to do, as in `bc.run`.

    Raises:
        CheckError: With all problems of the sweep and the arguments.
    """
    used: Model = as_model(model)
    cells = as_sweep(sweep)
    check_arguments(cells, used, library, exact=False, draft=draft, name=None)
    refresh(used)
    return estimate_current(
        cells, used, open_library() if library is None else library, draft=draft
    )


def estimate_current(
    sweep: Sweep, model: Model, library: Library, *, draft: float | None = None
) -> Estimate:
    """Estimate with the model's revision as it was last read.

    Args:
        sweep: The sweep.
        model: The model or model set.
        library: The library.
        draft: The share of each clip's steps to do, or None for all.

    Raises:
        CheckError: With all problems of the sweep.
    """
    shots = RunRequest(sweep.across(model), model, library, draft=draft).resolve()
    cached = library.known(shots.keys)
    missing = shots.take([i for i, key in enumerate(shots.keys) if key not in cached])
    # Shots that differ in the noise only take equally long.
    counts = map(len, missing.cells_of_bases)
    timings = zip(library.seconds_for_each(missing.bases), counts, strict=True)
    known = [(seconds, count) for seconds, count in timings if seconds is not None]
    measured = sum(count for _, count in known)
    seconds = math.fsum(seconds * count for seconds, count in known)
    total = seconds * len(missing) / measured if measured else None
    return Estimate(len(shots), len(shots) - len(missing), 0.0 if not len(missing) else total)
