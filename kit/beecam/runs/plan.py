"""Which cells go into one call of the pipeline, and in what order."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from beecam.models.model import Model
from beecam.shots.shot import Shot
from beecam.storage.checkpoints import CheckpointInfo


@dataclass(frozen=True)
class Batch:
    """Cells that go into one call.

    Attributes:
        cells: Indices of the cells.
        size: How many clips the call makes; more than the cells in exact mode, where the last
            call is filled up, and where clips go on that began in a larger call.
        step: After which step the clips go on; 0 for clips from the beginning.
    """

    cells: tuple[int, ...]
    size: int
    step: int = 0


class Plan:
    """Cells still to be made, handed out in calls.

    Cells that can share a call are kept together, groups in the order in which they first appear:
    what is loaded or compiled for one group serves all of it, and the grid fills from its top.
    """

    def __init__(
        self,
        model: Model,
        shots: Sequence[tuple[int, Shot]],
        *,
        exact: bool = False,
        begun: Mapping[int, CheckpointInfo] | None = None,
    ) -> None:
        """Plan.

        Args:
            model: Says which shots can share a call, and how many.
            shots: Cell index and resolved shot of each cell.
            exact: Make every call equally large, the last one filled up: a power of two, because
                in odd calls threads split sums by the clip's place.
            begun: How far cells are that go on from within their steps.
        """
        self._model = model
        self._exact = exact
        self._groups: OrderedDict[_Group, dict[int, Shot]] = OrderedDict()
        # For each group the size that the model liked, and how many cells a call takes by that.
        self._sizes: dict[_Group, tuple[int, int]] = {}
        for index, shot in shots:
            stand = (begun or {}).get(index)
            # In exact mode only what began in a call of the right size has the right bits.
            if stand and exact and stand.batch != self._whole(shot):
                stand = None
            self._groups.setdefault((model.batch_key(shot), stand), {})[index] = shot

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def drop(self, index: int) -> bool:
        """Take a cell out; return whether it was still there."""
        return any(group.pop(index, None) is not None for group in self._groups.values())

    def put_back(
        self, shots: Sequence[tuple[int, Shot]], stand: CheckpointInfo | None = None
    ) -> None:
        """Hand cells out again, before all others.

        Args:
            shots: Cell index and shot of each.
            stand: How far they are, if they have been begun.
        """
        for index, shot in reversed(shots):
            group = (self._model.batch_key(shot), stand)
            self._sizes.pop(group, None)
            self._groups[group] = {index: shot, **self._groups.get(group, {})}
            self._groups.move_to_end(group, last=False)

    def next(self) -> Batch | None:
        """Take the cells of the next call, or None when there are none left."""
        for group, shots in list(self._groups.items()):
            if not shots:
                del self._groups[group]
                continue
            _, stand = group
            limit = stand.batch if stand else self._size(group, shots)
            cells = tuple(list(shots)[:limit])
            for index in cells:
                del shots[index]
            if stand:
                return Batch(cells, limit, stand.step)
            return Batch(cells, limit if self._exact else len(cells))
        return None

    def _size(self, group: _Group, shots: dict[int, Shot]) -> int:
        """Return how many cells of a group go into the next call.

        While the model still learns from its calls, what it asks for; then all calls are about
        equally large.
        """
        first = next(iter(shots.values()))
        if self._exact:
            return self._whole(first)
        if trial := self._model.trial_size(first, len(shots)):
            return trial
        most = self._model.batch_size(first)
        if self._sizes.get(group, (0, 0))[0] != most:
            at_once = self._model.calls_at_once
            calls = math.ceil(len(shots) / (most * at_once)) * at_once
            self._sizes[group] = (most, math.ceil(len(shots) / calls))
        return self._sizes[group][1]

    def _whole(self, shot: Shot) -> int:
        """Return how many clips each call makes in exact mode."""
        return self._model.exact_size(shot)


_Group = tuple[Hashable, CheckpointInfo | None]
