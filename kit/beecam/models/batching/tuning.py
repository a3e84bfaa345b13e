"""Batch sizes that are tuned from the timings of real batches, and stored per machine."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beecam._util.cache import Note, Notes, cache_folder
from beecam.models.batching.timing import BatchTimer

# In larger batches clips come later, and a batch that fails loses more of them.
MAX_SIZE = 32
# A smaller gain is within the noise of two measurements.
_GAIN = 0.10
# The fastest of this many batches counts: other processes only make a batch slower.
_TIMES = 2
# The largest share of the free memory that a trial may be expected to need.
_MAX_MEMORY_SHARE = 0.85


def next_size(
    seconds: Mapping[int, float], initial: int, largest: int, shares: Mapping[int, float]
) -> tuple[int, int | None]:
    """Return the best known size, and the size to measure next or None if the search is over.

    The size is doubled for as long as each double takes a tenth less time per clip than the size
    before; if the first double doesn't, the size is halved by the same rule.

    Args:
        seconds: Seconds per clip by size, of sizes that were measured often enough.
        initial: The initial size.
        largest: The largest allowed size.
        shares: The share of the free memory that a batch of a size took, where known.
    """
    best = min(initial, largest)
    if best not in seconds:
        return best, best
    climbed = False
    while 2 * best <= largest and 2 * shares.get(best, 0.0) <= _MAX_MEMORY_SHARE:
        if 2 * best not in seconds:
            return best, 2 * best
        if seconds[2 * best] > (1 - _GAIN) * seconds[best]:
            break
        best, climbed = 2 * best, True
    while not climbed and best > 1:
        if best // 2 not in seconds:
            return best, best // 2
        if seconds[best // 2] > (1 - _GAIN) * seconds[best]:
            break
        best //= 2
    return best, None


@dataclass(frozen=True)
class BatchKind:
    """Batches that take equally long.

    Attributes:
        key: Names the model, the shape, the device and everything else that decides.
        guess: The initial size.
        batches: Whether a batch can have several clips.
    """

    key: str
    guess: int
    batches: bool = True


@dataclass(frozen=True)
class BatchStats:
    """What is known about batches of one kind, for reports.

    Attributes:
        best: The best known size.
        requested: The size that the user requested, or None.
        batches: Whether a batch can have several clips.
        settled: Whether the best size is measured.
        seconds: The fastest measured seconds per clip, by size.
        limit: The largest size that fits into memory, where a larger one failed.
        exact: The size in exact mode, once it is fixed.
    """

    best: int
    requested: int | None
    batches: bool
    settled: bool
    seconds: Mapping[int, float]
    limit: int | None
    exact: int | None


@dataclass
class _KindState:
    """The state of the search for one kind of batch.

    Attributes:
        initial: The initial size.
        largest: The largest size that may be tried.
        best: The best known size.
        settled: Whether nothing is left to try.
        limit: The largest size that fits into memory, as far as is known.
        seconds: Measured seconds per clip, by size.
        shares: The largest share of the free memory that a batch of a size took.
        warm: When the first batch of this kind ended, or None.
        exact: The size in exact mode, once it is fixed.
        succeeded: Whether a batch of that size has succeeded here.
    """

    initial: int
    largest: int
    best: int
    settled: bool = False
    limit: int = MAX_SIZE
    seconds: dict[int, list[float]] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)
    warm: float | None = None
    exact: int | None = None
    succeeded: bool = False

    def search(self) -> int | None:
        """Update the best size from the measurements; return the size to measure next."""
        known = {size: min(each) for size, each in self.seconds.items() if len(each) >= _TIMES}
        self.best, candidate = next_size(
            known, self.initial, min(self.largest, self.limit), self.shares
        )
        self.settled = candidate is None
        return candidate


class BatchSizes:
    """The batch sizes of one model, tuned from the timings of real batches.

    No clip is generated only to measure. Results are stored in `sizes.json` of the cache folder,
    for every kernel on this machine.

    In exact mode the last bits of a clip depend on the size of its batch. That size is therefore
    fixed when it is first used, as the largest power of two that is not above the best size known
    then, and stored: later measurements change nothing, so that a clip has the same bits tomorrow.
    Until a batch of this size has succeeded, running out of memory still halves it. Where nothing
    can be stored it is the initial guess, which never changes.
    """

    def __init__(self, requested: int | None = None) -> None:
        """Load what the cache folder has.

        Args:
            requested: The size that the user requested: nothing is tried, and only running out of
                memory makes it smaller.
        """
        self.requested = requested
        self._notes = Notes(cache_folder() / "sizes.json")
        self._states: dict[str, _KindState] = {}
        self._lock = threading.RLock()

    def best(self, kind: BatchKind) -> int:
        """Return the best known size."""
        with self._lock:
            state = self._state(kind)
            return min(state.best, state.limit)

    def trial(self, kind: BatchKind, waiting: int, parallel_batches: int) -> int | None:
        """Return the size that the next batch should have to be measured, or None for any.

        Args:
            kind: The kind of batch.
            waiting: How many clips of this kind are still to be generated. A trial never makes the
                last batches of a run uneven.
            parallel_batches: How many batches run at the same time.
        """
        with self._lock:
            state = self._state(kind)
            wanted = None if state.settled else state.search()
            enough = wanted and waiting >= 2 * max(wanted, state.best) * parallel_batches
            return wanted if enough else None

    def exact(self, kind: BatchKind) -> int:
        """Return the size of every batch in exact mode; it is fixed from now on."""
        with self._lock:
            state = self._state(kind)
            if state.exact is None:
                state.exact = self._fixed(kind, state)
            return state.exact

    def _fixed(self, kind: BatchKind, state: _KindState) -> int:
        size = power_of_two(min(state.best, state.limit))
        if self.requested is not None:
            return size
        stored = self._notes.change(kind.key, lambda note: {"exact": size, **note})
        # Another process may have been first.
        return _size(stored or {}, "exact") or power_of_two(min(state.initial, state.limit))

    def record(self, kind: BatchKind, size: int, timing: BatchTimer, share: float | None) -> None:
        """Record a batch that succeeded.

        Args:
            kind: The kind of batch.
            size: How many clips it had.
            timing: The timer that measured it.
            share: The largest share of the free memory that it took; None if unknown.
        """
        with self._lock:
            state = self._state(kind)
            state.succeeded |= size == state.exact
            warm, state.warm = state.warm, state.warm or timing.started + timing.seconds
            if self.requested is not None or state.settled:
                return
            if share is not None:
                state.shares[size] = max(share, state.shares.get(size, 0.0))
            if warm is None or timing.started < warm or not timing.representative:
                return
            state.seconds.setdefault(size, []).append(timing.seconds / size)
            if state.search() is None:
                values = {str(size): round(min(each), 5) for size, each in state.seconds.items()}
                self._store(kind.key, best=state.best, seconds=values)

    def limit(self, kind: BatchKind, size: int) -> None:
        """Store that no more than `size` clips fit into memory."""
        with self._lock:
            state = self._state(kind)
            state.limit = min(state.limit, size)
            if state.exact is not None and not state.succeeded:
                state.exact = min(state.exact, power_of_two(size))
            if not state.settled:
                state.search()
            if self.requested is None:
                # A fixed size stays fixed, unless it failed before any batch succeeded.
                self._store(
                    kind.key, limit=state.limit, exact=None if state.succeeded else state.exact
                )

    def stats(self, kind: BatchKind) -> BatchStats:
        """Return what is known about batches of one kind."""
        with self._lock:
            state = self._state(kind)
            seconds = {size: min(each) for size, each in state.seconds.items()}
            limit = state.limit if state.limit < MAX_SIZE else None
            return BatchStats(
                min(state.best, state.limit),
                self.requested,
                kind.batches,
                state.settled and self.requested is None,
                seconds,
                limit,
                state.exact,
            )

    # --- private -------------------------------------------------------------------------------

    def _state(self, kind: BatchKind) -> _KindState:
        if kind.key not in self._states:
            initial = (self.requested or kind.guess) if kind.batches else 1
            state = _KindState(
                initial, MAX_SIZE if kind.batches else 1, initial, limit=max(MAX_SIZE, initial)
            )
            if self.requested is None:
                _restore(state, self._notes.read(kind.key))
            else:
                state.settled = True
            self._states[kind.key] = state
        return self._states[kind.key]

    def _store(self, key: str, **values: Any) -> None:
        new = {name: value for name, value in values.items() if value is not None}

        def change(note: Note) -> Note:
            """Merge the new values; of two limits the smaller one holds."""
            limits = [size for one in (note, new) if (size := _size(one, "limit"))]
            return {**note, **new, **({"limit": min(limits)} if limits else {})}

        self._notes.change(key, change)


def _restore(state: _KindState, note: Note) -> None:
    """Restore the valid values of a stored note."""
    state.limit = _size(note, "limit") or state.limit
    state.exact = _size(note, "exact")
    state.succeeded = state.exact is not None
    best, seconds = _size(note, "best"), note.get("seconds")
    if best is None or not isinstance(seconds, dict):
        return
    valid = {int(n): s for n, s in seconds.items() if n.isdecimal() and _is_time(s)}
    state.best = min(best, state.largest)
    state.settled = True
    state.seconds = {size: [value] * _TIMES for size, value in valid.items()}


def _size(note: Note, name: str) -> int | None:
    """Return a size from a note, or None if it is missing or invalid."""
    value = note.get(name)
    valid = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIZE
    return value if valid else None


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


def power_of_two(size: int) -> int:
    """Return the largest power of two that is not above `size`."""
    return 1 << (size.bit_length() - 1)
