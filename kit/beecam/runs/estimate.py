"""What a sweep will cost: `bc.estimate`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from beecam._util.checks import raise_problems
from beecam.clips.library import Library, library_problems, open_library
from beecam.models.model import Model, loaded_model
from beecam.models.model_set import as_model
from beecam.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Estimate:
    """What a sweep will cost.

    Attributes:
        cells: How many clips it has.
        cached: How many of them the library has already.
        seconds: Time for the others by measured timings, or None if nothing was measured yet.
    """

    cells: int
    cached: int
    seconds: float | None

    def __str__(self) -> str:
        left = self.cells - self.cached
        time = "not measured yet" if self.seconds is None else f"about {self.seconds:.0f} s"
        return f"{self.cells} cells, {self.cached} in the library, {left} to generate: {time}"


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
        model: What would generate it, as in `bc.run`.
        library: The library; by default `bc.library()`.

    Raises:
        CheckError: With everything that is wrong with the sweep or an argument.
    """
    used: Model = as_model(model)
    raise_problems([*loaded_model(used), *library_problems(library)])
    library = open_library() if library is None else library
    shots = sweep.across(used).resolve(used)
    have = library.known({shot.key for shot in shots})
    missing = [shot for shot in shots if shot.key not in have]
    each = [library.seconds_for(shot) for shot in missing]
    known = [s for s in each if s is not None]
    total = math.fsum(known) * len(missing) / len(known) if known else None
    return Estimate(len(shots), len(shots) - len(missing), 0.0 if not missing else total)
