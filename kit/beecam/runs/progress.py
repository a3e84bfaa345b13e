"""The state of a run: written by its threads, read by any number of observers."""

from __future__ import annotations

import bisect
import enum
import itertools
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.condition import Condition
from beecam.errors import Stopped

# Previews are generated if changes were read within this time.
_WATCHED_SECONDS = 2.0


class Status(enum.StrEnum):
    """The status of a cell."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({Status.DONE, Status.CACHED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True)
class CellState(NearestAttributes):
    """The state of one cell of a run.

    Attributes:
        index: The index of the cell.
        key: The key of its shot and clip.
        status: One of `Status`.
        step: The number of finished denoising steps.
        steps: The number of all denoising steps.
        preview: A JPEG sheet of the predicted frames, or None.
        preview_frames: The number of frames in the preview.
        error: A sentence about why it failed, or None.
        seconds: The time for its clip: its share of the batch.
    """

    index: int
    key: str
    status: str = Status.QUEUED
    step: int = 0
    steps: int = 0
    preview: bytes | None = None
    preview_frames: int = 0
    error: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class RunState(NearestAttributes):
    """The state of a run.

    Attributes:
        status: "running", "pausing", "paused", "cancelled" or "done".
        counts: The number of cells by status.
        total: The number of all cells.
        seconds_left: Estimated from measured times; None before the first measurement.
        message: A sentence for the user, or None.
    """

    status: str
    counts: dict[str, int]
    total: int
    seconds_left: float | None = None
    message: str | None = None


@dataclass(frozen=True)
class Changes(NearestAttributes):
    """The changes of a run since a version.

    >>> changes = run.changes(changes.version, timeout=5)

    Attributes:
        version: The version to pass to the next call of `Run.changes`.
        run: The current state of the run.
        cells: The current states of the cells that changed.
    """

    version: int
    run: RunState
    cells: tuple[CellState, ...]


class Progress:
    """The state of a run and its cells; thread-safe.

    A cancelled cell ignores later updates, unless its clip was already generated.

    Attributes:
        lock: Hold it for changes that belong together.
        status: The run's status, as in `RunState`.
        version: A number that grows with each change.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Queue a cell for each of the clips' keys."""
        # Not the condition itself, whose `with` is written in Python: an interrupt of the user's
        # call within that would leave it locked.
        self.lock = threading.RLock()
        self._news = Condition(self.lock)
        self.status = "running"
        self.version = 0
        # By column: a run of 100,000 cells begins, and is cancelled, with all of them in one state.
        self._keys = keys
        self._statuses = [Status.QUEUED] * len(keys)
        self._counts = Counter({Status.QUEUED: len(keys)})
        # In which version each cell has changed, the latest change last: who reads changes a few
        # times a second looks at no cell that hasn't changed.
        self._log: OrderedDict[int, int] = OrderedDict()
        # The other fields of the cells that have any.
        self._fields: dict[int, dict[str, Any]] = {}
        # Cells with such fields that aren't finished, and the times of clips in ascending order.
        self._begun: set[int] = set()
        self._seconds: list[float] = []
        self._note: str | None = None
        # The reason of each pause, by who requested it: None is the user.
        self._pauses: dict[object, str | None] = {}
        self._last_read = float("-inf")
        self._generated: set[int] = set()
        self._ended = False

    # --- observing -----------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether the run has ended and nothing will change."""
        return self._ended

    @property
    def pausing(self) -> bool:
        """Whether a pause was requested."""
        return self.status in ("pausing", "paused")

    @property
    def message(self) -> str | None:
        """A sentence for the user: the reason of a pause first, as in `RunState`."""
        return next((why for why in self._pauses.values() if why), self._note)

    @property
    def counts(self) -> Counter[str]:
        """The number of cells by status; reading it doesn't count as watching the run."""
        with self.lock:
            return Counter({str(status): n for status, n in self._counts.items() if n})

    @property
    def watched(self) -> bool:
        """Whether changes were read within the last two seconds."""
        return time.monotonic() - self._last_read < _WATCHED_SECONDS

    def __getitem__(self, index: int) -> CellState:
        """Return the state of a cell.

        Raises:
            IndexError: The run has no such cell.
        """
        self._check_index(index)
        with self.lock:
            return self._cell(index)

    def indices(self, *statuses: Status) -> list[int]:
        """Return the indices of the cells with one of these statuses."""
        with self.lock:
            return [i for i, status in enumerate(self._statuses) if status in statuses]

    def cells(self, *statuses: Status) -> list[CellState]:
        """Return the cells with one of these statuses."""
        with self.lock:
            return [self._cell(i) for i in self.indices(*statuses)]

    def changes(self, since: int, timeout: float | None) -> Changes:
        """Return the changes after version `since`; wait for some up to `timeout` seconds."""
        with self.lock:
            self._last_read = time.monotonic()
            if timeout:
                self._news.wait_for(lambda: self.version > since or self.finished, timeout)
            self._last_read = time.monotonic()
            new = range(len(self._keys)) if since <= 0 else self._changed_since(since)
            return Changes(self.version, self._state(), tuple(map(self._cell, new)))

    def wait(self, timeout: float | None) -> bool:
        """Wait until the run is finished, up to `timeout` seconds; return whether it is."""
        with self.lock:
            return self._news.wait_for(lambda: self.finished, timeout)

    # --- controlling ---------------------------------------------------------------------------

    def pause(self, message: str | None = None, *, by: object = None) -> None:
        """Request a pause.

        Args:
            message: The reason.
            by: The object that requests it; None for the user.
        """
        with self.lock:
            if self.status == "running" or self.pausing:
                before = self.message
                self._pauses[by] = message
                if self.status == "running":
                    self._become("pausing")
                elif self.message != before:
                    self._changed()

    def resume(self, *, by: object = None) -> None:
        """End a pause: all pauses for the user (None), or else the one requested by `by`."""
        with self.lock:
            if not self.pausing:
                return
            if by is None:
                self._pauses.clear()
            else:
                self._pauses.pop(by, None)
            self._become(self.status if self._pauses else "running")

    def cancel(self) -> None:
        """Cancel the run and all cells that are not finished."""
        with self.lock:
            if not self.finished:
                left = self.indices(Status.QUEUED, Status.RUNNING)
                cancelled = [i for i in left if i not in self._generated]
                self.set_all(cancelled, status=Status.CANCELLED, preview=None)
                self._become("cancelled")

    def drop(self, index: int) -> None:
        """Cancel one cell, unless it is finished.

        Raises:
            IndexError: The run has no such cell.
        """
        with self.lock:
            self._check_index(index)
            if self._statuses[index] not in FINISHED and index not in self._generated:
                self.set(index, status=Status.CANCELLED, preview=None)

    def finish(self) -> None:
        """Record that the run has ended."""
        with self.lock:
            self._ended = True
            self._become("cancelled" if self.status == "cancelled" else "done")

    def abandon(self) -> None:
        """End the run here, because it is that of a process that this one was forked from."""
        self.lock = threading.RLock()  # a thread of the other process may hold it
        self._news = Condition(self.lock)
        self._generated.clear()
        self.cancel()
        self.finish()

    # --- for the engine and the writer -----------------------------------------------------------

    def set(self, index: int, **new: Any) -> None:
        """Update fields of a cell's state."""
        self.set_all((index,), **new)

    def set_all(
        self, indices: Iterable[int], *, status: Status | None = None, **fields: Any
    ) -> None:
        """Update the same fields of many cells' states; observers see it as one change."""
        has_clip = status in (Status.DONE, Status.CACHED)
        # What is None says nothing about a cell that has no other fields.
        telling = any(value is not None for value in fields.values())
        with self.lock:
            version, changed = self.version + 1, False
            for index in indices:
                if self._statuses[index] == Status.CANCELLED and not has_clip:
                    continue
                changed = True
                self._log[index] = version
                self._log.move_to_end(index)
                if status is not None:
                    self._counts[self._statuses[index]] -= 1
                    self._counts[status] += 1
                    self._statuses[index] = status
                if telling or index in self._fields:
                    self._update(index, fields)
                if index in self._begun and self._statuses[index] in FINISHED:
                    self._begun.remove(index)
            if changed:
                self._changed()

    def mark_generated(self, index: int) -> None:
        """Record that a clip is generated and only has to be written; it can't be cancelled."""
        with self.lock:
            self._generated.add(index)

    def is_cancelled(self, index: int) -> bool:
        """Return whether a cell was cancelled."""
        return self._statuses[index] == Status.CANCELLED

    def wait_while_paused(self, timeout: float | None = None) -> bool:
        """Wait while the run is paused, up to `timeout` seconds; return whether it was paused.

        Raises:
            Stopped: The run was cancelled.
        """
        with self.lock:
            if self.status == "pausing":
                self._become("paused")
            was_paused = self.pausing
            self._news.wait_for(lambda: not self.pausing, timeout)
            if self.status == "cancelled":
                raise Stopped("the run was cancelled.")
            return was_paused

    def show_message(self, message: str) -> None:
        """Show a message to the user while the run continues."""
        with self.lock:
            if self._note != message:
                self._note = message
                self._changed()

    def withdraw_message(self, message: str) -> None:
        """Stop showing a message, unless another one is shown by now."""
        with self.lock:
            if self._note == message:
                self._note = None
                self._changed()

    # --- inside --------------------------------------------------------------------------------

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self._keys):
            raise IndexError(f"cell {index}: this run has cells 0 to {len(self._keys) - 1}.")

    def _cell(self, index: int) -> CellState:
        fields = self._fields.get(index, {})
        return CellState(index, self._keys[index], self._statuses[index], **fields)

    def _update(self, index: int, new: Mapping[str, Any]) -> None:
        fields = self._fields.setdefault(index, {})
        if (before := fields.get("seconds")) is not None and "seconds" in new:
            self._seconds.remove(before)
        fields.update(new)
        if new.get("seconds") is not None:
            bisect.insort(self._seconds, new["seconds"])
        self._begun.add(index)

    def _changed_since(self, version: int) -> list[int]:
        late = itertools.takewhile(lambda one: one[1] > version, reversed(self._log.items()))
        return sorted(index for index, _ in late)

    def _become(self, status: str) -> None:
        if status not in ("pausing", "paused"):
            self._pauses.clear()
            self._note = None
        self.status = status
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._news.notify_all()

    def _state(self) -> RunState:
        counts = self.counts
        return RunState(
            status=self.status,
            counts={s: counts[s] for s in Status},
            total=len(self._keys),
            seconds_left=None if self.finished else self._seconds_left(),
            message=self.message,
        )

    def _seconds_left(self) -> float | None:
        if not self._seconds:
            return None
        left = self._counts[Status.QUEUED] + self._counts[Status.RUNNING]
        begun = map(self._cell, self._begun)
        steps_done = sum(cell.step / cell.steps for cell in begun if cell.steps)
        return self._seconds[len(self._seconds) // 2] * (left - steps_done)
