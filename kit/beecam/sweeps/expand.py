"""Sweeps that grow: more cells of the same layout, and cells made once more with another seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from beecam.errors import CheckError, Problem, did_you_mean, shorten
from beecam.sweeps.axes import Axis, Zip, positions
from beecam.sweeps.sweep import Sweep


def with_value(sweep: Sweep, places: Iterable[Mapping[str, Any]]) -> Sweep:
    """Return a sweep that has cells at more places of its layout, after those that it has.

    >>> few = bc.sweep("a {insect}", bc.sample(5), insect=insects, seed=range(20))
    >>> more = including(few, [{"insect": "bee", "seed": 7}])

    Args:
        sweep: One that leaves places of its layout empty.
        places: A value of each axis that has several.

    Raises:
        CheckError: There is no such place.
    """
    return _with_places(sweep, [_place(sweep, _coords(sweep, values)) for values in places])


def with_cell(sweep: Sweep, coords: Iterable[Mapping[str, int]]) -> Sweep:
    """Return a sweep that has cells at more places, given by their positions on each axis.

    Raises:
        CheckError: There is no such place.
    """
    return _with_places(sweep, [_place(sweep, place) for place in coords])


def with_new_seeds(sweep: Sweep, cells: Sequence[int], seed: int | None = None) -> Sweep:
    """Return a sweep that also has some of its cells with another seed, after those that it has.

    The seed becomes one more value of the axis "seed", which is made where there is none. Cells
    that differ in nothing else get a seed each.

    Args:
        sweep: Any.
        cells: Their indices.
        seed: The other seed; by default, and from the second on, one that no cell has.

    Raises:
        CheckError: The seed moves together with other axes.
    """
    grown = sweep
    left = list(dict.fromkeys(cells))
    while left:
        rest = {i: {**sweep.cells[i].coords, "seed": 0} for i in left}
        # Of those that would be the same one each time round.
        now = [i for n, i in enumerate(left) if rest[i] not in [rest[j] for j in left[:n]]]
        grown = _once_more(grown, now, _unused(grown) if seed is None else seed)
        left = [i for i in left if i not in now]
        seed = None
    return grown


def _once_more(sweep: Sweep, cells: Sequence[int], seed: int) -> Sweep:
    if sweep.shots is not None:
        return _more_shots(sweep, cells, seed)
    groups = {axis.name: group for group in sweep.groups for axis in group.axes}
    if "noise" in groups or "noise" in sweep.constants or len(groups.get("seed", Zip(())).axes) > 1:
        raise CheckError(
            [
                Problem(
                    "seed",
                    "seed: this sweep moves its seeds together with other axes, or mixes "
                    "them; follow the "
                    "clip with a sweep of its own.",
                )
            ]
        )
    grown = _with_seed(sweep, groups.get("seed"), seed)
    position = next(axis for axis in grown.axes if axis.name == "seed").values.index(seed)
    kept = [_place(grown, {"seed": 0, **cell.coords}) for cell in sweep.cells]
    more = [_place(grown, {**sweep.cells[i].coords, "seed": position}) for i in cells]
    return _with_places(replace(grown, samples=(), kept=tuple(kept)), more)


def _with_seed(sweep: Sweep, group: Zip | None, seed: int) -> Sweep:
    """Return the sweep with one more seed in its layout; its places are other ones then."""
    if group is None:
        rest = {name: value for name, value in sweep.constants.items() if name != "seed"}
        both = Axis("seed", (sweep.constants.get("seed", 0), seed))
        return replace(sweep, groups=(*sweep.groups, Zip((both,))), constants=rest)
    (axis,) = group.axes
    if seed in axis.values:
        return sweep
    longer = Axis("seed", (*axis.values, seed), (*axis.labels, str(seed)), (*axis.notes, None))
    return replace(sweep, groups=tuple(Zip((longer,)) if g is group else g for g in sweep.groups))


def _more_shots(sweep: Sweep, cells: Sequence[int], seed: int) -> Sweep:
    """Append shots to a sweep that is a row of them."""
    shots = [cell.shot for cell in sweep.cells]
    axis = sweep.axes[0] if sweep.axes else Axis("shot", (1,))
    labels = [axis.labels[cell.coords.get(axis.name, 0)] for cell in sweep.cells]
    for index in cells:
        shots.append(sweep.cells[index].shot.replace(seed=seed))
        labels.append(f"{labels[index]}, seed {seed}")
    longer = Axis(axis.name, tuple(range(1, len(shots) + 1)), tuple(labels))
    return replace(sweep, groups=(Zip((longer,)),), shots=tuple(shots), samples=(), kept=None)


def _with_places(sweep: Sweep, places: Sequence[int]) -> Sweep:
    have = list(sweep.places[1])
    there = set(have)
    more = [place for place in dict.fromkeys(places) if place not in there]
    return replace(sweep, samples=(), kept=(*have, *more))


def _place(sweep: Sweep, coords: Mapping[str, int]) -> int:
    place = 0
    for group, length in zip(sweep.groups, sweep.shape, strict=True):
        found = {coords.get(axis.name, 0) for axis in group.axes}
        if len(found) > 1 or not 0 <= min(found) < length:
            names = " and ".join(axis.name for axis in group.axes)
            raise CheckError([Problem(names, f"{names}: the sweep has no place {dict(coords)}.")])
        place = place * length + found.pop()
    return place


def _coords(sweep: Sweep, values: Mapping[str, Any]) -> dict[str, int]:
    axes = {axis.name: axis for axis in sweep.axes}
    coords: dict[str, int] = {}
    for name, value in values.items():
        if name not in axes:
            hint = did_you_mean(name, axes)
            raise CheckError([Problem(name, f"{name}={shorten(value)}: no such axis.{hint}")])
        (coords[name],) = positions(axes[name], [value])
    if left := [name for name, axis in axes.items() if name not in coords and len(axis) > 1]:
        raise CheckError([Problem(left[0], f"{left[0]}: a value of this axis is needed, too.")])
    return coords


def _unused(sweep: Sweep) -> int:
    used = {cell.shot.seed for cell in sweep.cells}
    # Small seeds are easier to read and to say.
    most = 1000 + 10 * len(used)
    return next(seed for seed in iter(lambda: random.randrange(most), None) if seed not in used)  # noqa: S311
