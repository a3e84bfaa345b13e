"""Two sets of clips as one: what `clips + clips` needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beecam.export.shown import ShownClips
from beecam.sweeps.axes import Axis


def merge_clips(
    first: ShownClips, second: ShownClips
) -> tuple[list[Axis], dict[str, dict[str, int]]]:
    """Return the axes of both sets, and each clip's coordinates on them by its key.

    >>> axes, coords = merge_clips(run.clips[:4], library.clips("moth"))
    """
    axes = merge_axes(first.axes, second.axes)
    found: dict[str, dict[str, int]] = {}
    for clips in (first, second):
        maps = position_maps(clips.axes, axes)
        for i, key in enumerate(clips.keys):
            # A clip of both sets keeps its values in the first one.
            found[key] = move_coords(clips.coords(i), maps) | found.get(key, {})
    return axes, found


def merge_axes(first: Sequence[Axis], second: Sequence[Axis]) -> list[Axis]:
    """Return the axes of both by name, those of one name with the values of both.

    >>> merge_axes([Axis("seed", (0, 1))], [Axis("seed", (1, 2))])[0].values
    (0, 1, 2)
    """
    others = {axis.name: axis for axis in second}
    both = [_merge(axis, others[axis.name]) if axis.name in others else axis for axis in first]
    names = {axis.name for axis in first}
    return [*both, *(axis for axis in second if axis.name not in names)]


def shared_value(first: Any, second: Any) -> Any:
    """Return what two sets have in common: the value of the only one that has one, or of both.

    >>> shared_value(None, 3), shared_value(3, 3), shared_value(3, 4)
    (3, 3, None)
    """
    if first is None or second is None:
        return second if first is None else first
    return first if first is second or first == second else None


def position_maps(axes: Sequence[Axis], merged: Sequence[Axis]) -> dict[str, list[int]]:
    """Return where the values of axes are on merged axes, by the name of each of the axes.

    >>> position_maps([Axis("seed", (1, 2))], [Axis("seed", (0, 1, 2))])
    {'seed': [1, 2]}
    """
    found = {}
    own = {axis.name: axis for axis in axes}
    for axis in merged:
        if axis.name in own:
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
