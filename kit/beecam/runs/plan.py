"""Which cells share a batch, and in what order batches are generated."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from beecam.models.batching.batch_size import batching_of
from beecam.models.capabilities import batch_keys_of, ignores_noise
from beecam.models.model import Model
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
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
        shots: Sequence[Shot],
        cells: Sequence[int] | None = None,
        *,
        exact: bool = False,
        resumable: Mapping[int, CheckpointInfo] | None = None,
    ) -> None:
        """Group the cells.

        Args:
            model: Decides which shots can share a batch, and how many.
            shots: The resolved shot of each cell of the run.
            cells: The cells to generate; by default all.
            exact: Make every batch the same size, the last one filled up: a power of two, because
                in odd batches threads split sums by the position of the clip.
            resumable: The checkpoints of cells that resume from within their steps.
        """
        self._model = model
        self._batching = batching_of(model)
        self._exact = exact
        self._shots = ShotList.of(shots)
        # The cells of each group, as keys in order: a dict would be copied to put one in front, and
        # looked through from what was its beginning to take the next.
        self._groups: OrderedDict[_Group, _Cells] = OrderedDict()
        # For each group the best size, and how many cells a batch takes by that.
        self._sizes: dict[_Group, tuple[int, int]] = {}
        self._add(range(len(shots)) if cells is None else cells, resumable or {})

    def _add(self, cells: Sequence[int], resumable: Mapping[int, CheckpointInfo]) -> None:
        """Group cells; of those that differ in the noise only, a model may be asked about one."""
        numbers = self._shots.numbers if ignores_noise(self._model) else range(len(self._shots))
        first: dict[int, int] = {}
        for index in cells:
            first.setdefault(numbers[index], index)
        keys = batch_keys_of(self._model, [self._shots[i] for i in first.values()])
        key_of = dict(zip(first, keys, strict=True))
        groups: dict[Hashable, _Cells] = {}
        for index in cells:
            number, checkpoint = numbers[index], resumable.get(index)
            # In exact mode only a clip that began in a batch of the right size has the right bits.
            if checkpoint and self._exact:
                size = self._batching.exact_size(self._shots[index])
                checkpoint = checkpoint if checkpoint.batch == size else None
            if (number, checkpoint) not in groups:
                group = key_of[number], checkpoint
                groups[number, checkpoint] = self._groups.setdefault(group, OrderedDict())
            groups[number, checkpoint][index] = None

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def drop(self, index: int) -> bool:
        """Remove a cell; return whether it was still there."""
        group = next((one for one in self._groups.values() if index in one), None)
        if group is None:
            return False
        del group[index]
        return True

    def put_back(self, cells: Sequence[int], checkpoint: CheckpointInfo | None = None) -> None:
        """Hand cells out again, before all others.

        Args:
            cells: The indices of the cells.
            checkpoint: Where they resume, if they have been begun.
        """
        for index in reversed(cells):
            group = (batch_keys_of(self._model, [self._shots[index]])[0], checkpoint)
            self._sizes.pop(group, None)
            left = self._groups.setdefault(group, OrderedDict())
            left[index] = None
            left.move_to_end(index, last=False)
            self._groups.move_to_end(group, last=False)

    def next(self) -> Batch | None:
        """Take the next batch, or return None when no cells are left."""
        for group, left in list(self._groups.items()):
            if not left:
                del self._groups[group]
                continue
            _, checkpoint = group
            limit = checkpoint.batch if checkpoint else self._size(group, left)
            cells = _take(left, limit)
            if checkpoint:
                return Batch(cells, limit, checkpoint.step, group)
            return Batch(cells, limit if self._exact else len(cells), group=group)
        return None

    def more(self, batch: Batch, count: int) -> tuple[int, ...]:
        """Take up to `count` further cells for a batch, in place of some that it doesn't need."""
        left = self._groups.get(batch.group, OrderedDict())  # type: ignore[call-overload]
        return _take(left, count)

    def _size(self, group: _Group, left: Mapping[int, None]) -> int:
        """Return how many cells of a group go into the next batch.

        While the policy still measures sizes, the one that it requests; then all batches are
        about equally large.
        """
        first = self._shots[next(iter(left))]
        if self._exact:
            return self._batching.exact_size(first)
        if trial := self._batching.trial_size(first, len(left)):
            return trial
        most = self._batching.size(first)
        if self._sizes.get(group, (0, 0))[0] != most:
            parallel_batches = self._batching.parallel_batches
            batches = math.ceil(len(left) / (most * parallel_batches)) * parallel_batches
            self._sizes[group] = (most, math.ceil(len(left) / batches))
        return self._sizes[group][1]


_Group = tuple[Hashable, CheckpointInfo | None]
_Cells = OrderedDict[int, None]


def _take(left: _Cells, count: int) -> tuple[int, ...]:
    """Take up to so many cells off a group."""
    cells = tuple(itertools.islice(left, count))
    for index in cells:
        del left[index]
    return cells
