"""Estimates of how long a sweep will take: `bc.estimate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from beecam._util.checks import raise_problems
from beecam._util.words import count_of
from beecam.clips.library import Library, library_problems, open_library
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.models.model_set import as_model
from beecam.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Estimate:
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

    def __str__(self) -> str:
        cells = count_of(self.cells, "cell")
        left = self.cells - self.cached
        time = "not measured yet" if self.seconds is None else f"about {self.seconds:.0f} s"
        return f"{cells}, {self.cached} in the library, {left} to generate: {time}"


def estimate(
    sweep: Sweep,
    model: Model | Sequence[Model] | Mapping[str, Model],
    library: Library | None = None,
) -> Estimate:
    """Estimate how many clips of a sweep are cached and how long the others take.

    >>> print(bc.estimate(sweep, model))
    24 cells, 8 in the library, 16 to generate: about 4 s

    Args:
        sweep: The sweep.
        model: The model, or several models, as in `bc.run`.
        library: The library; by default `bc.library()`.

    Raises:
        CheckError: With all problems of the sweep and the arguments.
    """
    used: Model = as_model(model)
    raise_problems([*loaded_model(used), *library_problems(library)])
    library = open_library() if library is None else library
    shots = sweep.across(used).resolve(used)
    cached = library.known({shot.key for shot in shots})
    missing = [shot for shot in shots if shot.key not in cached]
    timings = [library.seconds_for(shot) for shot in missing]
    known = [seconds for seconds in timings if seconds is not None]
    total = math.fsum(known) * len(missing) / len(known) if known else None
    return Estimate(len(shots), len(shots) - len(missing), 0.0 if not missing else total)
