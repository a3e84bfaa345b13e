"""The axes of two sets of clips as one: what `clips + clips` needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beecam.sweeps.axes import Axis


def merge_axes(first: Sequence[Axis], second: Sequence[Axis]) -> list[Axis]:
    """Return the axes that both have by name, each with the values of both.

    >>> merge_axes([Axis("seed", (0, 1))], [Axis("seed", (1, 2))])[0].values
    (0, 1, 2)
    """
    return [_merge(a, b) for a in first for b in second if a.name == b.name]


def position_maps(axes: Sequence[Axis], merged: Sequence[Axis]) -> dict[str, list[int]]:
    """Return where the values of some axes are on merged axes, by the axis' name.

    >>> position_maps([Axis("seed", (1, 2))], [Axis("seed", (0, 1, 2))])
    {'seed': [1, 2]}
    """
    found = {}
    own = {axis.name: axis for axis in axes}
    for axis in merged:
        positions = _Positions(axis.values)
        found[axis.name] = [positions[value] for value in own[axis.name].values]
    return found


def move_coords(coords: Mapping[str, int], maps: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return a clip's coordinates on merged axes; see `position_maps`."""
    return {name: at[coords[name]] for name, at in maps.items() if name in coords}


def _merge(first: Axis, second: Axis) -> Axis:
    there = _Positions(first.values)
    new = [i for i, value in enumerate(second.values) if there.find(value) is None]
    return Axis(
        first.name,
        (*first.values, *(second.values[i] for i in new)),
        (*first.labels, *(second.labels[i] for i in new)),
        (*first.notes, *(second.notes[i] for i in new)),
    )


class _Positions:
    """The first position of each of some values, also of those without a hash."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._by_hash: dict[Any, int] = {}
        self._others: list[tuple[int, Any]] = []
        for i, value in enumerate(values):
            try:
                self._by_hash.setdefault(value, i)
            except TypeError:
                self._others.append((i, value))

    def find(self, value: Any) -> int | None:
        try:
            return self._by_hash.get(value)
        except TypeError:
            return next((i for i, other in self._others if other == value), None)

    def __getitem__(self, value: Any) -> int:
        found = self.find(value)
        assert found is not None
        return found
