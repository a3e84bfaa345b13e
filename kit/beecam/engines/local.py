"""A run's work in this process: some threads generate, another one writes."""

from __future__ import annotations

import atexit
import errno
import hashlib
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from beecam import media
from beecam.errors import BeecamError, OutOfMemoryError, Stopped
from beecam.library import Library
from beecam.models.base import Frames, Model, Step
from beecam.plan import Batch, Plan
from beecam.progress import Progress, Status
from beecam.shot import Shot

_PREVIEW_EVERY = 0.25


class LocalEngine:
    """Makes the clips that the library lacks, and says in `progress` how far it is."""

    def __init__(
        self, shots: Sequence[Shot], model: Model, library: Library, progress: Progress, *,
        parents: Sequence[str] = (), exact: bool = False,
    ) -> None:  # fmt: skip
        """Prepare; `start()` begins.

        Args:
            shots: Resolved, one for each cell.
            model: What makes the clips.
            library: Where they go.
            progress: Of the run.
            parents: Keys of the clips that these are made from.
            exact: Fill up every call to one size.
        """
        self._shots = tuple(shots)
        self._model = model
        self._library = library
        self._progress = progress
        self._parents = tuple(parents)
        self._exact = exact
        self._started = self._busy = 0
        self._plan = Plan(model, [], exact=exact)
        self._outbox: SimpleQueue[_Made | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="beecam-write", daemon=True)

    def start(self, owner: object) -> None:
        """Look up what is there, and make the rest in the background.

        Args:
            owner: Kept alive until the work has ended: a run that nobody holds is still found
                when its cell of the notebook is run again.
        """
        have = self._there(self._shots)
        waiting = []
        for index, shot in enumerate(self._shots):
            if shot.key in have:
                self._progress.set(index, status=Status.CACHED)
            else:
                waiting.append((index, shot))
        self._plan = Plan(self._model, waiting, exact=self._exact)
        if not waiting:
            self._progress.finish()
            return
        _at_work.add(self)
        self._writer.start()
        self._started = self._busy = min(self._model.calls_at_once, len(waiting))
        for _ in range(self._started):
            worker = threading.Thread(
                target=self._work, args=(owner,), name="beecam-run", daemon=True
            )
            worker.start()

    def drop(self, index: int) -> None:
        """Leave a cell out that waits."""
        with self._progress.lock:
            self._plan.drop(index)

    def join(self, timeout: float | None = None) -> None:
        """Wait until everything that was made is written."""
        if self._writer.ident is not None:
            self._writer.join(timeout)

    # --- the threads that generate -------------------------------------------------------------

    def _work(self, _owner: object) -> None:
        try:
            while (batch := self._next()) is not None:
                self._make(batch)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
            waiting = self._progress.cells(Status.QUEUED, Status.RUNNING)
            self._fail([cell.index for cell in waiting], error)
        finally:
            with self._progress.lock:
                self._busy -= 1
                last = self._busy == 0
            if last:
                self._outbox.put(None)
                self._writer.join()
                self._progress.finish()
                _at_work.discard(self)

    def _next(self) -> Batch | None:
        self._progress.hold()
        with self._progress.lock:
            return self._plan.next()

    def _make(self, batch: Batch) -> None:
        indices = self._still_needed(batch.cells)
        if not indices:
            return
        shots = [self._shots[i] for i in indices]
        size = batch.size if self._exact else len(shots)
        for index, shot in zip(indices, shots, strict=True):
            self._progress.set(index, status=Status.RUNNING, steps=shot.num_inference_steps or 0)
        call = _Call(tuple(indices))
        started = time.perf_counter()
        try:
            frames = self._model.generate(
                shots, lambda step: self._on_step(step, call), pad_to=size
            )
        except Stopped:
            # Either all clips of this call were cancelled, or the run was, as `_next` will find.
            return
        except OutOfMemoryError as error:
            self._out_of_memory(indices, shots, size, error)
            return
        except Exception as error:  # noqa: BLE001  (whatever a pipeline raises, the run goes on)
            self._fail(indices, error)
            return
        # Calls at the same time share the machine: a clip's time is its share of it.
        seconds = (time.perf_counter() - started - call.stood) / len(shots) / self._started
        for place, (index, made) in enumerate(zip(indices, frames, strict=True)):
            if not self._progress.dropped(index):
                self._outbox.put(_Made(index, made, seconds, size, place))

    def _there(self, shots: Sequence[Shot]) -> set[str]:
        """Return the keys of the clips that need not be made."""
        found = self._library.known(shot.key for shot in shots)
        if self._exact:
            # One that was made in a call of another size differs by rounding.
            found = {key for key in found if self._library.row(key)["facts"].get("exact")}
        return found

    def _still_needed(self, indices: Sequence[int]) -> list[int]:
        """Leave out what another run has made in the meantime, and what was cancelled."""
        have = self._there([self._shots[i] for i in indices])
        needed = []
        for index in indices:
            if self._shots[index].key in have:
                self._progress.set(index, status=Status.CACHED)
            elif not self._progress.dropped(index):
                needed.append(index)
        return needed

    def _on_step(self, step: Step, call: _Call) -> None:
        before = time.perf_counter()
        self._progress.hold()
        call.stood += time.perf_counter() - before
        if all(map(self._progress.dropped, call.indices)):
            raise Stopped("all clips of this call were cancelled.")
        previews = self._previews(step, call)
        for place, index in enumerate(call.indices):
            new: dict[str, Any] = {"step": step.step, "steps": step.steps}
            if previews:
                new["preview"], new["preview_frames"] = previews[place]
            self._progress.set(index, **new)

    def _previews(self, step: Step, call: _Call) -> list[tuple[bytes, int]]:
        early = time.monotonic() - call.previewed < _PREVIEW_EVERY
        if step.preview is None or early or not self._progress.watched:
            return []
        try:
            clips = step.preview()
            made = [(media.sheet_bytes(f), media.sheet_layout(f)["frames"]) for f in clips]
        except Exception as error:  # noqa: BLE001  (a preview is never worth a clip)
            self._progress.say(f"previews are off: {error}")
            made = []
        call.previewed = time.monotonic()
        return made

    def _out_of_memory(
        self, indices: Sequence[int], shots: Sequence[Shot], size: int, error: OutOfMemoryError
    ) -> None:
        if size == 1 or self._exact:
            hint = " In exact mode the size is fixed: load the model with a smaller batch_size."
            self._fail(indices, BeecamError(f"{error}{hint if size > 1 else ''}"))
            return
        self._model.limit_batch(shots[0], size // 2)
        for index in indices:
            self._progress.set(index, status=Status.QUEUED, step=0)
        with self._progress.lock:
            self._plan.put_back(list(zip(indices, shots, strict=True)))

    def _fail(self, indices: Sequence[int], error: BaseException) -> None:
        sentence = str(error) if isinstance(error, BeecamError) else _sentence(error)
        for index in indices:
            self._progress.set(index, status=Status.FAILED, error=sentence, preview=None)

    # --- the thread that writes ----------------------------------------------------------------

    def _write(self) -> None:
        media.warm_up()
        while (made := self._outbox.get()) is not None:
            try:
                self._keep(made)
            except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
                self._fail([made.index], error)

    def _keep(self, made: _Made) -> None:
        """Store one clip; a full disk pauses the run until there is space, and loses nothing."""
        shot = self._shots[made.index]
        facts = _facts(made, self._model, exact=self._exact)
        parents = [key for key in self._parents if key != shot.key]
        while True:
            try:
                self._library.add(shot, made.frames, facts, parents)
                break
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self._progress.pause(
                    f"the disk is full at {self._library.folder}: free some space, then press "
                    "run. Clips that are made already are kept in memory."
                )
                try:
                    self._progress.hold()
                except Stopped:
                    raise error from None
        self._progress.set(made.index, status=Status.DONE, preview=None, seconds=made.seconds)


@dataclass(frozen=True)
class _Made:
    """A clip on its way to the library."""

    index: int
    frames: Frames
    seconds: float
    batch: int
    place: int


@dataclass
class _Call:
    """What is remembered of a call while it runs: `stood` are the seconds that it was paused."""

    indices: tuple[int, ...]
    stood: float = 0.0
    previewed: float = float("-inf")


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


_at_work: set[LocalEngine] = set()


@atexit.register
def _finish_writing() -> None:
    """A script that ends cancels what runs, but what was made is written first."""
    engines = list(_at_work)
    for one in engines:
        one._progress.cancel()  # noqa: SLF001
    for one in engines:
        one.join(timeout=60)
