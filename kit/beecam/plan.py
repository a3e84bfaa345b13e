"""Which cells go into one call of the pipeline, and in what order."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from beecam.models.base import Model
from beecam.shot import Shot


@dataclass(frozen=True)
class Batch:
    """Cells that go into one call.

    Attributes:
        cells: Indices of the cells.
        size: How many clips the call makes; more than the cells in exact mode, where the last
            call is filled up.
    """

    cells: tuple[int, ...]
    size: int


class Plan:
    """Cells still to be made, handed out in calls.

    Cells that can share a call are kept together, groups in the order in which they first appear:
    what is loaded or compiled for one group serves all of it, and the grid fills from its top.
    """

    def __init__(
        self, model: Model, shots: Sequence[tuple[int, Shot]], *, exact: bool = False
    ) -> None:
        """Plan.

        Args:
            model: Says which shots can share a call, and how many.
            shots: Cell index and resolved shot of each cell.
            exact: Make every call equally large, the last one filled up: the largest power of two
                that the model likes, because in odd calls threads split sums by the clip's place.
        """
        self._model = model
        self._exact = exact
        self._groups: OrderedDict[Hashable, dict[int, Shot]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        for index, shot in shots:
            self._groups.setdefault(model.batch_key(shot), {})[index] = shot

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def drop(self, index: int) -> bool:
        """Take a cell out; return whether it was still there."""
        return any(group.pop(index, None) is not None for group in self._groups.values())

    def put_back(self, shots: Sequence[tuple[int, Shot]]) -> None:
        """Hand cells out again, before all others."""
        for index, shot in reversed(shots):
            key = self._model.batch_key(shot)
            self._sizes.pop(key, None)
            self._groups[key] = {index: shot, **self._groups.get(key, {})}
            self._groups.move_to_end(key, last=False)

    def next(self) -> Batch | None:
        """Take the cells of the next call, or None when there are none left."""
        for key, group in list(self._groups.items()):
            if not group:
                del self._groups[key]
                continue
            limit = self._size(key, group)
            cells = tuple(list(group)[:limit])
            for index in cells:
                del group[index]
            return Batch(cells, limit if self._exact else len(cells))
        return None

    def _size(self, key: Hashable, group: dict[int, Shot]) -> int:
        """Return how many cells of a group go into one call: all calls are about equally large."""
        if key not in self._sizes:
            most = self._model.batch_size(next(iter(group.values())))
            if self._exact:
                self._sizes[key] = 1 << (most.bit_length() - 1)
            else:
                at_once = self._model.calls_at_once
                calls = math.ceil(len(group) / (most * at_once)) * at_once
                self._sizes[key] = math.ceil(len(group) / calls)
        return self._sizes[key]
