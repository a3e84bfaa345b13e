"""Expanded sweeps: more cells of the same layout, and cells repeated with another seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from beecam.errors import CheckError, Problem, did_you_mean, shorten
from beecam.sweeps.axes import Axis, Zip, positions
from beecam.sweeps.sweep import Sweep


def with_value(sweep: Sweep, cells: Iterable[Mapping[str, Any]]) -> Sweep:
    """Return a sweep with cells at more places of its layout, after the existing cells.

    >>> few = bc.sweep("a {insect}", bc.sample(5), insect=["bee", "moth"], seed=range(20))
    >>> more = with_value(few, [{"insect": "bee", "seed": 7}])

    Args:
        sweep: A sweep whose layout has empty places.
        cells: For each new cell, its value on each axis that has several values.

    Raises:
        CheckError: The layout has no such place.
    """
    return _with_cells_at(sweep, [_position(sweep, _coords(sweep, values)) for values in cells])


def with_cell(sweep: Sweep, coords: Iterable[Mapping[str, int]]) -> Sweep:
    """Return a sweep with cells at more positions of its axes, after the existing cells.

    >>> few = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(2)).where(insect="bee")
    >>> with_cell(few, [{"insect": 1, "seed": 0}])[-1].values
    {'insect': 'moth', 'seed': 0}

    Args:
        sweep: A sweep whose layout has empty places.
        coords: For each new cell, its position on each axis.

    Raises:
        CheckError: The layout has no such place.
    """
    return _with_cells_at(sweep, [_position(sweep, one) for one in coords])


def with_new_seeds(sweep: Sweep, cells: Sequence[int], seed: int | None = None) -> Sweep:
    """Return a sweep with some of its cells repeated with a new seed, after the existing cells.

    The new seed is added to the axis "seed", which is created if the sweep has none. Cells that
    differ only in their seed get different new seeds.

    >>> [cell.shot.seed for cell in with_new_seeds(bc.sweep("a bee"), [0], seed=3)]
    [0, 3]

    Args:
        sweep: Any sweep.
        cells: The indices of the cells to repeat.
        seed: The first new seed; by default, and for further ones, a seed that no cell has.

    Raises:
        CheckError: The sweep pairs its seeds with other axes, or mixes them.
    """
    expanded = sweep
    remaining = list(dict.fromkeys(cells))
    while remaining:
        unseeded = {i: {**sweep.coords[i], "seed": 0} for i in remaining}
        # Of cells that would coincide with equal seeds, one each time.
        now = [
            i
            for n, i in enumerate(remaining)
            if unseeded[i] not in [unseeded[j] for j in remaining[:n]]
        ]
        expanded = _repeat(expanded, now, _unused_seed(expanded) if seed is None else seed)
        remaining = [i for i in remaining if i not in now]
        seed = None
    return expanded


def _repeat(sweep: Sweep, cells: Sequence[int], seed: int) -> Sweep:
    if sweep.shots is not None:
        return _repeat_shots(sweep, cells, seed)
    groups = {axis.name: group for group in sweep.groups for axis in group.axes}
    if "noise" in groups or "noise" in sweep.constants or len(groups.get("seed", Zip(())).axes) > 1:
        raise CheckError(
            [
                Problem(
                    "seed",
                    "seed: this sweep pairs its seeds with other axes, or mixes them; follow the "
                    "clip with a sweep of its own.",
                )
            ]
        )
    expanded = _with_seed(sweep, groups.get("seed"), seed)
    position = next(axis for axis in expanded.axes if axis.name == "seed").values.index(seed)
    existing = [_position(expanded, {"seed": 0, **coords}) for coords in sweep.coords]
    new = [_position(expanded, {**sweep.coords[i], "seed": position}) for i in cells]
    return _with_cells_at(replace(expanded, samples=(), selected=tuple(existing)), new)


def _with_seed(sweep: Sweep, group: Zip | None, seed: int) -> Sweep:
    """Return the sweep with one more seed in its layout, which renumbers its places."""
    if group is None:
        rest = {name: value for name, value in sweep.constants.items() if name != "seed"}
        both = Axis("seed", (sweep.constants.get("seed", 0), seed))
        return replace(sweep, groups=(*sweep.groups, Zip((both,))), constants=rest)
    (axis,) = group.axes
    if seed in axis.values:
        return sweep
    longer = Axis("seed", (*axis.values, seed), (*axis.labels, str(seed)), (*axis.notes, None))
    return replace(sweep, groups=tuple(Zip((longer,)) if g is group else g for g in sweep.groups))


def _repeat_shots(sweep: Sweep, cells: Sequence[int], seed: int) -> Sweep:
    """Append shots with a new seed to a sweep of existing shots."""
    shots = [cell.shot for cell in sweep.cells]
    name = sweep.axes[0].name if len(sweep.axes) == 1 else "shot"
    labels = [
        ", ".join(axis.labels[cell.coords[axis.name]] for axis in sweep.axes) or "1"
        for cell in sweep.cells
    ]
    for index in cells:
        shots.append(sweep.cells[index].shot.replace(seed=seed))
        labels.append(f"{labels[index]}, seed {seed}")
    longer = Axis(name, tuple(range(1, len(shots) + 1)), tuple(labels))
    numbered = dict(enumerate(shots))
    return replace(sweep, groups=(Zip((longer,)),), shots=numbered, samples=(), selected=None)


def _with_cells_at(sweep: Sweep, layout_positions: Sequence[int]) -> Sweep:
    existing = list(sweep.places[1])
    occupied = set(existing)
    new = [position for position in dict.fromkeys(layout_positions) if position not in occupied]
    return replace(sweep, samples=(), selected=(*existing, *new))


def _position(sweep: Sweep, coords: Mapping[str, int]) -> int:
    position = 0
    for group, length in zip(sweep.groups, sweep.shape, strict=True):
        at = {coords.get(axis.name, 0) for axis in group.axes}
        if len(at) > 1 or not 0 <= min(at) < length:
            names = " and ".join(axis.name for axis in group.axes)
            raise CheckError([Problem(names, f"{names}: the sweep has no place {dict(coords)}.")])
        position = position * length + at.pop()
    return position


def _coords(sweep: Sweep, values: Mapping[str, Any]) -> dict[str, int]:
    axes = {axis.name: axis for axis in sweep.axes}
    coords: dict[str, int] = {}
    for name, value in values.items():
        if name not in axes:
            hint = did_you_mean(name, axes)
            raise CheckError([Problem(name, f"{name}={shorten(value)}: no such axis.{hint}")])
        (coords[name],) = positions(axes[name], [value])
    missing = [name for name, axis in axes.items() if name not in coords and len(axis) > 1]
    if missing:
        raise CheckError(
            [Problem(missing[0], f"{missing[0]}: a value of this axis is needed, too.")]
        )
    return coords


def _unused_seed(sweep: Sweep) -> int:
    used = {shot.seed for shot in sweep.shot_list}
    # Small seeds are easier to read and to type.
    limit = 1000 + 10 * len(used)
    return next(seed for seed in iter(lambda: random.randrange(limit), None) if seed not in used)  # noqa: S311
