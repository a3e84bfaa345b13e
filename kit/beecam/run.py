"""A run: a sweep being made in the background, watched through its changes."""

from __future__ import annotations

import atexit
import enum
import errno
import hashlib
import threading
import time
import traceback
import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from beecam import media
from beecam.clip import ClipSet
from beecam.errors import BeecamError, OutOfMemoryError, Stopped
from beecam.library import Library, open_library
from beecam.models.base import Frames, Model, Step
from beecam.plan import Batch, Plan
from beecam.shot import Shot
from beecam.sweep import Sweep

if TYPE_CHECKING:
    from types import TracebackType

# A preview is only made when somebody has asked for changes so recently, and so often at most.
_WATCHED_SECONDS = 2.0
_PREVIEW_EVERY = 0.25


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
        status: Where it is.
        step: Denoising steps done.
        steps: Denoising steps in all.
        preview: A JPEG sheet of the predicted frames, or None.
        preview_frames: How many frames are in it.
        error: Why it failed, in a sentence.
        seconds: How long its clip took, its share of the call.
        key: The shot's key, and so the clip's.
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


_active: weakref.WeakValueDictionary[str, Run] = weakref.WeakValueDictionary()
_starting = threading.Lock()


def run(
    sweep: Sweep | Shot, model: Model, *, library: Library | None = None, exact: bool = False
) -> Run:
    """Make a sweep in the background and return at once.

    Clips that the library has are not made again. The same call while a run is going, as when a
    notebook's cell is run twice, returns that run.

    >>> run = bc.run(sweep, model)
    >>> run            # the last line of a cell: a live grid

    Args:
        sweep: A sweep, or one shot.
        model: From `bc.load()` or `bc.wrap(pipe)`.
        library: Where clips are kept; by default `bc.library()`.
        exact: Fill up every call to one size, so that each clip has the very bits that it has
            alone. Without it one clip may differ by rounding from the same clip in a sweep.

    Raises:
        CheckError: With everything that is wrong, before any compute.
    """
    if isinstance(sweep, Shot):
        from beecam.sweep import of_shots

        sweep = of_shots([sweep])
    library = open_library() if library is None else library
    getattr(model, "refresh", lambda: None)()
    sweep.check(model)
    shots = [model.resolve(cell.shot) for cell in sweep.cells]
    text = "\n".join([sweep.key, str(exact), str(library.folder), *(shot.key for shot in shots)])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    with _starting:
        found = _active.get(key)
        if found is not None and not found.finished:
            return found
        started = Run(sweep, model, library, shots, exact=exact, key=key)
        _active[key] = started
        started._start()  # noqa: SLF001
        return started


class Run:
    """A sweep being made: progress, pause, cancel; made by `bc.run`.

    One thread generates, another one writes. Everything that can be known of it is in
    `changes(since)`, which never loses a final state however seldom it is asked.

    Attributes:
        sweep: What is made.
        model: What makes it.
        library: Where the clips go.
        key: A digest of sweep, model and library.
    """

    def __init__(
        self, sweep: Sweep, model: Model, library: Library, shots: Sequence[Shot], *,
        exact: bool, key: str,
    ) -> None:  # fmt: skip
        self.sweep = sweep
        self.model = model
        self.library = library
        self.key = key
        self._shots = tuple(shots)
        self._exact = exact
        self._news = threading.Condition()
        self._cells = [CellState(i, shot.key) for i, shot in enumerate(shots)]
        self._versions = [0] * len(shots)
        self._version = 0
        self._status = "running"
        self._message: str | None = None
        self._dropped: set[int] = set()
        self._watched = float("-inf")
        self._previewed = float("-inf")
        self._plan = Plan(model, [], exact=exact)
        self._outbox: SimpleQueue[_Made | None] = SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="beecam-run", daemon=True)
        self._writer = threading.Thread(target=self._write, name="beecam-write", daemon=True)

    def __repr__(self) -> str:
        state = self.changes(self._version).run
        counts = ", ".join(f"{n} {status}" for status, n in state.counts.items() if n)
        return f"Run of {state.total} cells on {self.model.name}, {state.status}: {counts}"

    def _ipython_display_(self) -> None:
        from beecam.display import show_run

        show_run(self)

    # --- watching ------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self._status in ("done", "cancelled")

    @property
    def status(self) -> str:
        """One of "running", "pausing", "paused", "cancelled" and "done"."""
        return self._status

    @property
    def clips(self) -> ClipSet:
        """The clips that are there by now, in the sweep's order."""
        with self._news:
            there = [c for c in self._cells if c.status in (Status.DONE, Status.CACHED)]
        return ClipSet(
            self.library, [c.key for c in there], axes=self.sweep.axes,
            coords=[self.sweep.cells[c.index].coords for c in there], title=self.sweep.template,
        )  # fmt: skip

    @property
    def errors(self) -> dict[int, str]:
        """Why cells failed, by the cell's index."""
        with self._news:
            return {c.index: c.error or "" for c in self._cells if c.status == Status.FAILED}

    def changes(self, since: int = 0, timeout: float | None = None) -> Changes:
        """Return what changed after version `since`; wait for news at most `timeout` seconds.

        Asking also says that somebody is watching, which is when previews are made.
        """
        with self._news:
            self._watched = time.monotonic()
            if timeout:
                self._news.wait_for(lambda: self._version > since or self.finished, timeout)
            self._watched = time.monotonic()
            new = [c for c, v in zip(self._cells, self._versions, strict=True) if v > since]
            cells = tuple(self._cells if since <= 0 else new)
            return Changes(self._version, self._state(), cells)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until it is finished, and return it.

        A KeyboardInterrupt (the notebook's stop button) cancels the run.

        Raises:
            TimeoutError: It took longer than `timeout` seconds; the run goes on.
        """
        try:
            with self._news:
                if not self._news.wait_for(lambda: self.finished, timeout):
                    raise TimeoutError(f"the run is not finished after {timeout:g} s: {self!r}")
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self

    # --- steering ------------------------------------------------------------------------------

    def pause(self, message: str | None = None) -> None:
        """Stop at the next step, keeping what is under way in memory."""
        with self._news:
            if self._status == "running":
                self._status = "pausing"
                self._message = message
                self._changed()

    def resume(self) -> None:
        """Go on from a pause."""
        with self._news:
            if self._status in ("pausing", "paused"):
                self._status = "running"
                self._message = None
                self._changed()

    def cancel(self, index: int | None = None) -> None:
        """Stop the run, or leave out one cell. What is finished stays in the library."""
        with self._news:
            if index is None:
                if not self.finished:
                    self._status = "cancelled"
                    self._message = None
                    for cell in self._cells:
                        if cell.status in (Status.QUEUED, Status.RUNNING):
                            self._dropped.add(cell.index)
                            self._set(cell.index, status=Status.CANCELLED, preview=None)
                    self._changed()
            elif self._cells[index].status in (Status.QUEUED, Status.RUNNING):
                self._dropped.add(index)
                self._plan.drop(index)
                self._set(index, status=Status.CANCELLED, preview=None)

    # --- the worker ----------------------------------------------------------------------------

    def _start(self) -> None:
        have = self.library.known(shot.key for shot in self._shots)
        waiting = []
        with self._news:
            for index, shot in enumerate(self._shots):
                if shot.key in have:
                    self._set(index, status=Status.CACHED)
                else:
                    waiting.append((index, shot))
            self._plan = Plan(self.model, waiting, exact=self._exact)
            if not waiting:
                self._status = "done"
                self._changed()
                return
        _running.add(self)
        self._writer.start()
        self._worker.start()

    def _work(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._make(batch)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
            self._fail([c.index for c in self._cells if c.status not in FINISHED], error)
        finally:
            self._outbox.put(None)
            self._writer.join()
            with self._news:
                if self._status != "cancelled":
                    self._status = "done"
                self._message = None
                self._changed()
            _running.discard(self)

    def _next(self) -> Batch | None:
        self._hold()
        with self._news:
            return self._plan.next()

    def _hold(self) -> None:
        """Wait while paused.

        Raises:
            Stopped: The run was cancelled.
        """
        with self._news:
            if self._status == "pausing":
                self._status = "paused"
                self._changed()
            self._news.wait_for(lambda: self._status not in ("pausing", "paused"))
            if self._status == "cancelled":
                raise Stopped("the run was cancelled.")

    def _make(self, batch: Batch) -> None:
        indices = self._still_needed(batch.cells)
        if not indices:
            return
        shots = [self._shots[i] for i in indices]
        size = batch.size if self._exact else len(shots)
        with self._news:
            for index, shot in zip(indices, shots, strict=True):
                self._set(index, status=Status.RUNNING, steps=shot.num_inference_steps or 0)
        started = time.perf_counter()
        paused = _PauseClock()
        try:
            frames = self.model.generate(
                shots, lambda step: self._on_step(step, indices, paused), pad_to=size
            )
        except Stopped:
            if self._status == "cancelled":
                raise
            return
        except OutOfMemoryError as error:
            self._out_of_memory(indices, shots, size, error)
            return
        except Exception as error:  # noqa: BLE001  (whatever a pipeline raises, the run goes on)
            self._fail(indices, error)
            return
        seconds = (time.perf_counter() - started - paused.seconds) / len(shots)
        for place, (index, made) in enumerate(zip(indices, frames, strict=True)):
            if index not in self._dropped:
                self._outbox.put(_Made(index, made, seconds, size, place))

    def _still_needed(self, indices: Sequence[int]) -> list[int]:
        """Leave out what another run has made in the meantime, and what was cancelled."""
        have = self.library.known(self._shots[i].key for i in indices)
        needed = []
        with self._news:
            for index in indices:
                if index in self._dropped:
                    continue
                if self._shots[index].key in have:
                    self._set(index, status=Status.CACHED)
                else:
                    needed.append(index)
        return needed

    def _on_step(self, step: Step, indices: Sequence[int], paused: _PauseClock) -> None:
        with paused:
            self._hold()
        if all(index in self._dropped for index in indices):
            raise Stopped("all clips of this call were cancelled.")
        previews = self._previews(step)
        with self._news:
            for place, index in enumerate(indices):
                if index in self._dropped:
                    continue
                new: dict[str, Any] = {"step": step.step, "steps": step.steps}
                if previews:
                    new["preview"], new["preview_frames"] = previews[place]
                self._set(index, **new)

    def _previews(self, step: Step) -> list[tuple[bytes, int]]:
        now = time.monotonic()
        idle = now - self._watched > _WATCHED_SECONDS or now - self._previewed < _PREVIEW_EVERY
        if step.preview is None or idle:
            return []
        try:
            clips = step.preview()
            made = [(media.sheet_bytes(f), media.sheet_layout(f)["frames"]) for f in clips]
        except Exception as error:  # noqa: BLE001  (a preview is never worth a clip)
            self._message = f"previews are off: {error}"
            made = []
        self._previewed = time.monotonic()
        return made

    def _out_of_memory(
        self, indices: Sequence[int], shots: Sequence[Shot], size: int, error: OutOfMemoryError
    ) -> None:
        if size == 1 or self._exact:
            hint = " In exact mode the size is fixed: load the model with a smaller batch_size."
            self._fail(indices, BeecamError(f"{error}{hint if size > 1 else ''}"))
            return
        with self._news:
            self.model.limit_batch(shots[0], size // 2)
            for index in indices:
                self._set(index, status=Status.QUEUED, step=0)
            self._plan.put_back(list(zip(indices, shots, strict=True)))

    def _fail(self, indices: Sequence[int], error: BaseException) -> None:
        sentence = str(error) if isinstance(error, BeecamError) else _sentence(error)
        with self._news:
            for index in indices:
                if index not in self._dropped:
                    self._set(index, status=Status.FAILED, error=sentence, preview=None)

    # --- the writer ----------------------------------------------------------------------------

    def _write(self) -> None:
        while (made := self._outbox.get()) is not None:
            try:
                self._keep(made)
            except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
                self._fail([made.index], error)

    def _keep(self, made: _Made) -> None:
        """Store one clip; a full disk pauses the run until there is space, and loses nothing."""
        shot = self._shots[made.index]
        facts = _facts(made, self.model, exact=self._exact)
        while True:
            try:
                self.library.add(shot, made.frames, facts, self._parents_of(shot))
                break
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self.pause(
                    f"the disk is full at {self.library.folder}: free some space, then press run. "
                    "Clips that are made already are kept in memory."
                )
                with self._news:
                    self._news.wait_for(lambda: self._status not in ("pausing", "paused"))
                    if self._status == "cancelled":
                        raise
        with self._news:
            self._set(made.index, status=Status.DONE, preview=None, seconds=made.seconds)

    def _parents_of(self, shot: Shot) -> tuple[str, ...]:
        return tuple(key for key in self.sweep.parents if key != shot.key)

    # --- state ---------------------------------------------------------------------------------

    def _set(self, index: int, **new: Any) -> None:
        if self._cells[index].status == Status.CANCELLED:
            return
        self._cells[index] = replace(self._cells[index], **new)
        self._versions[index] = self._version + 1
        self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._news.notify_all()

    def _state(self) -> RunState:
        counts = Counter(str(cell.status) for cell in self._cells)
        return RunState(
            status=self._status, counts={s: counts[s] for s in Status}, total=len(self._cells),
            seconds_left=None if self.finished else self._seconds_left(), message=self._message,
        )  # fmt: skip

    def _seconds_left(self) -> float | None:
        measured = [c.seconds for c in self._cells if c.seconds is not None]
        if not measured:
            return None
        each = sorted(measured)[len(measured) // 2]
        share = [
            1 - cell.step / cell.steps if cell.steps else 1.0
            for cell in self._cells
            if cell.status in (Status.QUEUED, Status.RUNNING)
        ]
        return each * sum(share)


@dataclass(frozen=True)
class _Made:
    """A clip on its way to the library."""

    index: int
    frames: Frames
    seconds: float
    batch: int
    place: int


class _PauseClock:
    """Adds up how long a call stood still, which is no part of a clip's time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.seconds += time.perf_counter() - self._since


def _facts(made: _Made, model: Model, *, exact: bool) -> dict[str, Any]:
    from beecam import __version__

    frames = made.frames
    facts: dict[str, Any] = {
        "frames": len(frames), "height": frames.shape[1], "width": frames.shape[2],
        "seconds": round(made.seconds, 4), "batch": made.batch,
        "place_in_batch": made.place, "exact": exact,
        "sheet": media.sheet_layout(frames), "licence": model.licence,
        "digest": hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest(),
        "beecam": __version__,
    }  # fmt: skip
    if frames.max() == frames.min():
        facts["broken"] = "every pixel is the same"
    return facts


def _sentence(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:] if error.__traceback__ else []
    where = f" (in {last[0].name})" if last else ""
    return f"{type(error).__name__}: {error}{where}"


_running: set[Run] = set()


@atexit.register
def _finish_writing() -> None:
    """A script that ends cancels what runs, but what was made is written first."""
    for one in list(_running):
        one.cancel()
    for one in list(_running):
        one._writer.join(timeout=60)  # noqa: SLF001
