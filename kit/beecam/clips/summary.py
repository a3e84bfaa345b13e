"""The axes of some clips: how many values they have, as numbers and as text; wrong names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from beecam._util.words import count_of
from beecam.errors import Problem, did_you_mean
from beecam.sweeps.axes import Axis


def counts_on(axes: Sequence[Axis], coords: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return how many values of each axis the clips have, by the axis' name.

    >>> counts_on([Axis("seed", (0, 1, 2))], [{"seed": 0}, {"seed": 2}])
    {'seed': 2}

    Args:
        axes: The axes.
        coords: Each clip's position on each axis, by the axis' name.
    """
    return {name: len({*at} - {None}) for name, at in _positions(axes, coords).items()}


def axis_problems(axes: Sequence[Axis], names: Iterable[object]) -> Iterator[Problem]:
    """Yield a problem for each name that no axis has.

    >>> [str(problem) for problem in axis_problems([Axis("seed", (1,))], ["sed"])]
    ["no axis 'sed': the axes are seed. Did you mean seed?"]
    """
    known = [axis.name for axis in axes]
    hint = f"the axes are {', '.join(known)}" if known else "these clips have no axes"
    for name in names:
        if name not in known:
            yield Problem(str(name), f"no axis {name!r}: {hint}.{did_you_mean(name, known)}")


def describe_clips(count: int, axes: Sequence[Axis], coords: Sequence[Mapping[str, int]]) -> str:
    """Return the number of clips and of their values on each axis, as the repr of a sweep does.

    >>> axes = [Axis("color", ("red", "blue")), Axis("seed", (0, 1, 2, 3))]
    >>> describe_clips(2, axes, [{"color": 0, "seed": 3}, {"color": 1, "seed": 0}])
    '2 clips of color(2) x seed(2)'

    Args:
        count: The number of clips.
        axes: The axes.
        coords: Each clip's position on each axis, by the axis' name.
    """
    # Axes whose positions never differ are paired, as those of bc.zip.
    paired: dict[Any, list[str]] = {}
    for name, at in _positions(axes, coords).items():
        paired.setdefault(at if len(set(at)) > 1 else name, []).append(name)
    counts = counts_on(axes, coords)
    sizes = [f"{'+'.join(names)}({counts[names[0]]})" for names in paired.values()]
    product = math.prod(counts[names[0]] for names in paired.values())
    # Some places of the grid may be empty.
    separator = ", " if product == count else " of "
    return count_of(count, "clip") + (separator + " x ".join(sizes) if sizes else "")


def _positions(
    axes: Sequence[Axis], coords: Sequence[Mapping[str, int]]
) -> dict[str, tuple[int | None, ...]]:
    """Return each clip's position on each axis, by the axis' name; None for no position."""
    return {axis.name: tuple(at.get(axis.name) for at in coords) for axis in axes}
