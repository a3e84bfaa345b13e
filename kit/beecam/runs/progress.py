"""How far a run is: told to any number of watchers, and asked by those who do its work."""

from __future__ import annotations

import enum
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from beecam.errors import Stopped

# A preview is only made when somebody has asked for changes so recently.
_WATCHED_SECONDS = 2.0


class Status(enum.StrEnum):
    """Where a cell is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({Status.DONE, Status.CACHED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True)
class CellState:
    """What is known of one cell of a run.

    Attributes:
        index: The cell.
        key: The shot's key, and so the clip's.
        status: Where it is.
        step: Denoising steps done.
        steps: Denoising steps in all.
        preview: A JPEG sheet of the predicted frames, or None.
        preview_frames: How many frames are in it.
        error: Why it failed, in a sentence.
        seconds: How long its clip took, its share of the call.
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
class RunState:
    """What is known of a run.

    Attributes:
        status: "running", "pausing", "paused", "cancelled" or "done".
        counts: Number of cells by status.
        total: Cells in all.
        seconds_left: From measured times, or None when nothing was measured yet.
        message: What the person should know, in a sentence, or None.
    """

    status: str
    counts: dict[str, int]
    total: int
    seconds_left: float | None = None
    message: str | None = None


@dataclass(frozen=True)
class Changes:
    """What changed since a version.

    Attributes:
        version: To ask from next time.
        run: The run as it is now.
        cells: The cells that changed, as they are now.
    """

    version: int
    run: RunState
    cells: tuple[CellState, ...]


class Progress:
    """What is known of a run and what it may do; safe to use from any thread.

    A cell that was cancelled stays so whatever is reported of it later, unless its clip was made
    nevertheless.

    Attributes:
        lock: Held for changes that belong together.
        status: The run's, as in `RunState`.
        version: Grows with each change.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Begin with every cell queued; `keys` are those of their clips."""
        self.lock = threading.Condition()
        self.status = "running"
        self.version = 0
        self._cells = [CellState(i, key) for i, key in enumerate(keys)]
        self._versions = [0] * len(self._cells)
        self._said: str | None = None
        # Who asked for a pause, and why: the person, for one, and a disk that is full.
        self._held: dict[object, str | None] = {}
        self._asked = float("-inf")
        self._made: set[int] = set()
        self._ended = False

    # --- watching ------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self._ended

    @property
    def pausing(self) -> bool:
        """Whether the work is asked to stand still."""
        return self.status in ("pausing", "paused")

    @property
    def message(self) -> str | None:
        """What the person should know, as in `RunState`: why it stands, before all else."""
        return next((why for why in self._held.values() if why), self._said)

    @property
    def watched(self) -> bool:
        """Whether somebody has asked for changes just now."""
        return time.monotonic() - self._asked < _WATCHED_SECONDS

    def __getitem__(self, index: int) -> CellState:
        return self._cells[index]

    def cells(self, *statuses: Status) -> list[CellState]:
        """Return the cells that are in one of these places."""
        with self.lock:
            return [cell for cell in self._cells if cell.status in statuses]

    def changes(self, since: int, timeout: float | None) -> Changes:
        """Return what changed after version `since`; wait for news at most `timeout` seconds."""
        with self.lock:
            self._asked = time.monotonic()
            if timeout:
                self.lock.wait_for(lambda: self.version > since or self.finished, timeout)
            self._asked = time.monotonic()
            new = [c for c, v in zip(self._cells, self._versions, strict=True) if v > since]
            cells = tuple(self._cells if since <= 0 else new)
            return Changes(self.version, self._state(), cells)

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is finished; return whether it is."""
        with self.lock:
            return self.lock.wait_for(lambda: self.finished, timeout)

    # --- steering ------------------------------------------------------------------------------

    def pause(self, message: str | None = None, *, by: object = None) -> None:
        """Ask the work to stand still.

        Args:
            message: Why.
            by: Who asks, if not the person.
        """
        with self.lock:
            if self.status == "running" or self.pausing:
                before = self.message
                self._held[by] = message
                if self.status == "running":
                    self._become("pausing")
                elif self.message != before:
                    self._changed()

    def resume(self, *, by: object = None) -> None:
        """Let the work go on: all of it for the person, else what nobody else holds."""
        with self.lock:
            if not self.pausing:
                return
            if by is None:
                self._held.clear()
            else:
                self._held.pop(by, None)
            self._become(self.status if self._held else "running")

    def cancel(self) -> None:
        """Cancel every cell that is not finished, and the run."""
        with self.lock:
            if not self.finished:
                for cell in self.cells(Status.QUEUED, Status.RUNNING):
                    if cell.index not in self._made:
                        self.set(cell.index, status=Status.CANCELLED, preview=None)
                self._become("cancelled")

    def drop(self, index: int) -> None:
        """Cancel one cell, if it is not finished."""
        with self.lock:
            if not 0 <= index < len(self._cells):
                raise IndexError(f"cell {index}: this run has cells 0 to {len(self._cells) - 1}.")
            if self._cells[index].status not in FINISHED and index not in self._made:
                self.set(index, status=Status.CANCELLED, preview=None)

    def finish(self) -> None:
        """Say that all work has ended."""
        with self.lock:
            self._ended = True
            self._become("cancelled" if self.status == "cancelled" else "done")

    # --- for those who do the work ---------------------------------------------------------------

    def set(self, index: int, **new: Any) -> None:
        """Change what is known of a cell."""
        with self.lock:
            made = new.get("status") in (Status.DONE, Status.CACHED)
            if self._cells[index].status != Status.CANCELLED or made:
                self._cells[index] = replace(self._cells[index], **new)
                self._versions[index] = self.version + 1
                self._changed()

    def made(self, index: int) -> None:
        """Note that a clip is made and only has to be written: nothing can cancel it any more."""
        with self.lock:
            self._made.add(index)

    def dropped(self, index: int) -> bool:
        """Return whether a cell was cancelled."""
        return self._cells[index].status == Status.CANCELLED

    def hold(self, timeout: float | None = None) -> None:
        """Wait while paused, at most `timeout` seconds.

        Raises:
            Stopped: The run was cancelled.
        """
        with self.lock:
            if self.status == "pausing":
                self._become("paused")
            self.lock.wait_for(lambda: not self.pausing, timeout)
            if self.status == "cancelled":
                raise Stopped("the run was cancelled.")

    def say(self, message: str) -> None:
        """Tell the person something while the run goes on."""
        with self.lock:
            self._said = message
            self._changed()

    # --- inside --------------------------------------------------------------------------------

    def _become(self, status: str) -> None:
        if status not in ("pausing", "paused"):
            self._held.clear()
            self._said = None
        self.status = status
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self.lock.notify_all()

    def _state(self) -> RunState:
        counts = Counter(str(cell.status) for cell in self._cells)
        return RunState(
            status=self.status,
            counts={s: counts[s] for s in Status},
            total=len(self._cells),
            seconds_left=None if self.finished else self._seconds_left(),
            message=self.message,
        )

    def _seconds_left(self) -> float | None:
        measured = sorted(c.seconds for c in self._cells if c.seconds is not None)
        if not measured:
            return None
        share = [
            1 - cell.step / cell.steps if cell.steps else 1.0
            for cell in self._cells
            if cell.status in (Status.QUEUED, Status.RUNNING)
        ]
        return measured[len(measured) // 2] * sum(share)
