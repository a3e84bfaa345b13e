"""Which cells share a batch, and in what order batches are generated."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from beecam.models.batching.batch_size import batching_of
from beecam.models.capabilities import ignores_noise
from beecam.models.model import Model
from beecam.shots.shot import Shot
from beecam.storage.checkpoints import CheckpointInfo


@dataclass(frozen=True)
class Batch:
    """Cells that are generated together.

    Attributes:
        cells: Indices of the cells.
        size: How many clips the batch has; more than the cells in exact mode, where the last
            batch is filled up, and where clips resume that began in a larger batch.
        step: After which step the clips resume; 0 for clips from the beginning.
        group: What its cells have in common, for `Plan.more`.
    """

    cells: tuple[int, ...]
    size: int
    step: int = 0
    group: Hashable = None


class Plan:
    """Cells that are still to be generated, handed out in batches.

    Cells that can share a batch stay together, groups in the order in which they first appear:
    what is loaded or compiled for one group serves all of it, and the grid fills from its top.
    """

    def __init__(
        self,
        model: Model,
        shots: Sequence[tuple[int, Shot]],
        *,
        exact: bool = False,
        resumable: Mapping[int, CheckpointInfo] | None = None,
    ) -> None:
        """Group the cells.

        Args:
            model: Decides which shots can share a batch, and how many.
            shots: Cell index and resolved shot of each cell.
            exact: Make every batch the same size, the last one filled up: a power of two, because
                in odd batches threads split sums by the position of the clip.
            resumable: The checkpoints of cells that resume from within their steps.
        """
        self._model = model
        self._batching = batching_of(model)
        self._exact = exact
        self._groups: OrderedDict[_Group, dict[int, Shot]] = OrderedDict()
        # For each group the best size, and how many cells a batch takes by that.
        self._sizes: dict[_Group, tuple[int, int]] = {}
        batch_key = _batch_key_of(model)
        for index, shot in shots:
            checkpoint = (resumable or {}).get(index)
            # In exact mode only a clip that began in a batch of the right size has the right bits.
            if checkpoint and exact and checkpoint.batch != self._batching.exact_size(shot):
                checkpoint = None
            self._groups.setdefault((batch_key(shot), checkpoint), {})[index] = shot

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def drop(self, index: int) -> bool:
        """Remove a cell; return whether it was still there."""
        return any(group.pop(index, None) is not None for group in self._groups.values())

    def put_back(
        self, shots: Sequence[tuple[int, Shot]], checkpoint: CheckpointInfo | None = None
    ) -> None:
        """Hand cells out again, before all others.

        Args:
            shots: Cell index and shot of each cell.
            checkpoint: Where they resume, if they have been begun.
        """
        for index, shot in reversed(shots):
            group = (self._model.batch_key(shot), checkpoint)
            self._sizes.pop(group, None)
            self._groups[group] = {index: shot, **self._groups.get(group, {})}
            self._groups.move_to_end(group, last=False)

    def next(self) -> Batch | None:
        """Take the next batch, or return None when no cells are left."""
        for group, shots in list(self._groups.items()):
            if not shots:
                del self._groups[group]
                continue
            _, checkpoint = group
            limit = checkpoint.batch if checkpoint else self._size(group, shots)
            cells = tuple(list(shots)[:limit])
            for index in cells:
                del shots[index]
            if checkpoint:
                return Batch(cells, limit, checkpoint.step, group)
            return Batch(cells, limit if self._exact else len(cells), group=group)
        return None

    def more(self, batch: Batch, count: int) -> tuple[int, ...]:
        """Take up to `count` further cells for a batch, in place of some that it doesn't need."""
        shots = self._groups.get(batch.group, {})  # type: ignore[call-overload]
        cells = tuple(shots)[:count]
        for index in cells:
            del shots[index]
        return cells

    def _size(self, group: _Group, shots: dict[int, Shot]) -> int:
        """Return how many cells of a group go into the next batch.

        While the policy still measures sizes, the one that it requests; then all batches are
        about equally large.
        """
        first = next(iter(shots.values()))
        if self._exact:
            return self._batching.exact_size(first)
        if trial := self._batching.trial_size(first, len(shots)):
            return trial
        most = self._batching.size(first)
        if self._sizes.get(group, (0, 0))[0] != most:
            parallel_batches = self._batching.parallel_batches
            batches = math.ceil(len(shots) / (most * parallel_batches)) * parallel_batches
            self._sizes[group] = (most, math.ceil(len(shots) / batches))
        return self._sizes[group][1]


_Group = tuple[Hashable, CheckpointInfo | None]


def _batch_key_of(model: Model) -> Callable[[Shot], Hashable]:
    """Return the model's `batch_key`; of shots that differ in the noise only, it is asked once."""
    if not ignores_noise(model):
        return model.batch_key
    known: dict[Hashable, Hashable] = {}

    def batch_key(shot: Shot) -> Hashable:
        settings = shot.without_noise()
        if settings not in known:
            known[settings] = model.batch_key(shot)
        return known[settings]

    return batch_key
