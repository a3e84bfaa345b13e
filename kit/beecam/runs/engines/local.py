"""Generate a run in this process: some threads generate, another one writes."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from beecam._util.forks import in_forked_process
from beecam.errors import BeecamError, ModelError, OutOfMemoryError, Stopped
from beecam.media import sheets
from beecam.models.batching.batch_size import batching_of
from beecam.models.capabilities import generate, prepare, release
from beecam.models.model import Checkpoint, Model, Step
from beecam.runs.engines.batch_state import BatchState
from beecam.runs.engines.resuming import find_resumable, undrafted_key
from beecam.runs.engines.shared_cells import SharedCells
from beecam.runs.engines.weights_check import WeightsCheck
from beecam.runs.engines.writer import FinishedClip, Writer
from beecam.runs.plan import Batch, Plan
from beecam.runs.progress import Progress, Status
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.storage.checkpoints import CheckpointInfo
from beecam.storage.store import ClipStore

_PREVIEW_EVERY = 0.25
_POLL_EVERY = 0.5  # seconds
# How long to wait for other runs, in seconds, before looking at what they have generated.
_TAKE_BACK_EVERY = 0.2
# A process that is killed loses at most this many seconds of a clip's steps.
_CHECKPOINT_EVERY = 30.0


class LocalEngine:
    """Generates the clips that the library lacks, and reports to `progress`."""

    def __init__(
        self,
        shots: ShotList,
        model: Model,
        library: ClipStore,
        progress: Progress,
        *,
        parents: Sequence[str] = (),
        exact: bool = False,
        drafts: Mapping[str, str] | None = None,
        revision: str | None = None,
    ) -> None:
        """Set up the engine; `start()` begins.

        Args:
            shots: The resolved shot of each cell.
            model: The model.
            library: The library that stores the clips.
            progress: The progress of the run.
            parents: Keys of the clips that these are derived from.
            exact: Fill up every batch to one size.
            drafts: For shots that finish drafts, by key: the key of the draft.
            revision: The model's revision that the shots were resolved with; by default the
                current one.
        """
        self._shots = shots
        self._model = model
        self._weights = WeightsCheck(model, revision)
        self._library = library
        self._progress = progress
        self._exact = exact
        self._batching = batching_of(model)
        # How many threads generate.
        self._workers = 1
        self._plan = Plan(model, shots, (), exact=exact)
        self._unprepared: ShotList | None = None
        self._preparing = threading.Lock()
        # Acquired once, by who ends the run: its own thread, or `start` if that thread never began.
        self._ending = threading.Lock()
        self._writer = Writer(
            self._shots, model, library, progress, parents=parents, exact=exact, drafts=drafts or {}
        )
        self._shared = SharedCells(shots.keys, library, progress, self._writer, exact=exact)

    def start(self, owner: object) -> None:
        """Look up what the library has, and generate the rest in the background.

        One thread is started here, and all others by that one, which also ends the run. So after
        any exception, such as an interrupt at any moment, that thread ends it, or this one.

        Args:
            owner: A run, kept alive until the work has ended, so that it can be found again.
        """
        try:
            self._look_up()
            if not len(self._plan):
                self._progress.finish()
                return
            _running.add(self)
            self._library.writers.add(self)
            threading.Thread(
                target=self._run, args=(owner,), name="beecam-run", daemon=True
            ).start()
        except BaseException:
            self._progress.cancel()
            if self._ending.acquire(blocking=False):
                self._finish()
            raise

    def _look_up(self) -> None:
        """Plan the cells that the library doesn't have."""
        have = self._shared.generated(range(len(self._shots)))
        self._progress.set_all(have, status=Status.CACHED)
        waiting = [i for i in range(len(self._shots)) if i not in have]
        resumable = find_resumable(self._library.checkpoints, self._shots, waiting)
        self._plan = Plan(self._model, self._shots, waiting, exact=self._exact, resumable=resumable)
        self._unprepared = self._shots.take(waiting)

    def drop(self, index: int) -> None:
        """Remove a waiting cell."""
        with self._progress.lock:
            self._plan.drop(index)

    def leave(self, *, cancel: bool = False) -> None:
        """End the run, because the library is being closed; generated clips are written first.

        Args:
            cancel: Cancel what isn't generated; otherwise only a paused run is cancelled.
        """
        while not self._progress.wait(_POLL_EVERY):
            self.give_up(cancel=cancel)

    def give_up(self, *, cancel: bool = False) -> None:
        """Cancel what isn't generated, if `cancel`, or if the run is paused."""
        if cancel or self._progress.pausing:
            self._progress.cancel()

    # --- the threads that generate -------------------------------------------------------------

    def _run(self, _owner: object) -> None:
        """Work with other threads, which are started here, and end the run after all of them."""
        if not self._ending.acquire(blocking=False):
            return  # `start` has raised
        try:
            self._writer.start()
            others = self._start_others()
            self._work()
            for one in others:
                one.join()
        except BaseException as error:  # noqa: BLE001  (reported as the cells' error)
            self._fail_rest(error)
        finally:
            self._end()

    def _start_others(self) -> list[threading.Thread]:
        others: list[threading.Thread] = []
        with contextlib.suppress(RuntimeError):  # the system allows no more threads
            for _ in range(min(self._batching.parallel_batches, len(self._plan)) - 1):
                one = threading.Thread(target=self._work, name="beecam-run", daemon=True)
                one.start()
                others.append(one)
                self._workers += 1
        return others

    def _work(self) -> None:
        try:
            self._prepare()
            while (batch := self._next()) is not None:
                self._generate(batch)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  (reported as the cells' error)
            self._fail_rest(error)

    def _fail_rest(self, error: BaseException) -> None:
        self._writer.fail(self._progress.indices(Status.QUEUED, Status.RUNNING), error)

    def _end(self) -> None:
        """End the run whatever fails, so that no caller waits forever."""
        with contextlib.ExitStack() as last:
            for step in (self._finish, self._shared.end, self._writer.end):  # in reverse
                last.callback(step)
            release(self._model)

    def _finish(self) -> None:
        self._progress.finish()
        self._library.writers.discard(self)
        _running.discard(self)

    def _prepare(self) -> None:
        """Prepare the model; the first thread does that, and the others wait for it."""
        with self._preparing:
            shots, self._unprepared = self._unprepared, None
            if shots is not None:
                prepare(self._model, shots, self._hold)

    def _next(self) -> Batch | None:
        """Take the next batch, or return None when no cells are left; waits while paused."""
        while True:
            with self._progress.lock:
                left = len(self._plan)
            if not left and not self._shared.waiting:
                return None
            self._hold()
            self._weights.check()
            # Others may still fail to generate what they have claimed.
            back = self._shared.take_back(0.0 if left else _TAKE_BACK_EVERY)
            with self._progress.lock:
                self._plan.put_back(back)
                batch = self._plan.next()
            if batch is not None:
                return batch

    def _hold(self) -> None:
        """Wait while the run is paused.

        Raises:
            Stopped: The run was cancelled.
        """
        if self._progress.wait_while_paused():
            self._weights.read_again()

    def _generate(self, batch: Batch) -> None:
        def more(count: int) -> tuple[int, ...]:
            with self._progress.lock:
                return self._plan.more(batch, count)

        claimed = self._shared.claim(batch.cells, more)
        queued: set[int] = set()
        try:
            finished = self._finished_of(batch, claimed)
            # A cancelled cell is dropped; a cancelled run keeps the clips that it has generated.
            if self._progress.status != "cancelled":
                finished = [c for c in finished if not self._progress.is_cancelled(c.index)]
            for one in finished:
                # The writer releases the claims of what it has written.
                queued.add(one.index)
                self._writer.put(one)
        finally:
            self._shared.release(i for i in claimed if i not in queued)

    def _finished_of(self, batch: Batch, claimed: Sequence[int]) -> list[FinishedClip]:
        """Generate the clips of one batch, or report why it has none."""
        indices, starts = self._starts(claimed, batch)
        if not indices:
            return []
        shots = [self._shots[i] for i in indices]
        size = batch.size if self._exact or batch.step else len(shots)
        for index, shot in zip(indices, shots, strict=True):
            self._progress.set(
                index,
                status=Status.RUNNING,
                step=batch.step,
                steps=shot.draft_steps or shot.num_inference_steps or 0,
            )
        state = BatchState(tuple(indices), size)
        started = time.perf_counter()
        try:
            on_step = functools.partial(self._on_step, state)
            found = generate(self._model, shots, on_step, pad_to=size, starts=starts)
        except Stopped:
            # All clips of this batch were cancelled, or the run was, or it is paused.
            if state.stored is not None:
                self._put_back(indices, state.stored)
            return []
        except OutOfMemoryError as error:
            self._out_of_memory(indices, shots, size, error)
            return []
        except BaseException as error:  # noqa: BLE001  (the run continues after any error)
            return self._after_failure(batch, indices, error)
        if changed := self._weights.why_not_stored():
            self._writer.fail(indices, changed)
            return []
        # Concurrent batches share the machine: a clip's time is its share of it.
        seconds = (time.perf_counter() - started - state.paused) / len(shots) / self._workers
        return [
            FinishedClip(index, clip, seconds, size, batch.step)
            for index, clip in zip(indices, found, strict=True)
        ]

    def _after_failure(
        self, batch: Batch, indices: Sequence[int], error: BaseException
    ) -> list[FinishedClip]:
        if isinstance(error, Exception) and (changed := self._weights.why_not_stored()):
            self._writer.fail(indices, changed)  # one by one they would fail, too
        elif batch.step and isinstance(error, Exception):
            # Their checkpoints may be the reason: without them the clips begin again.
            for index in indices:
                self._library.checkpoints.remove(undrafted_key(self._shots[index]))
            self._put_back(indices)
        elif len(indices) > 1 and isinstance(error, Exception):
            return self._one_by_one(batch, indices)
        else:
            self._writer.fail(indices, error)
        return []

    def _one_by_one(self, batch: Batch, indices: Sequence[int]) -> list[FinishedClip]:
        """Generate the clips of a failed batch one by one: not all of them need to fail."""
        finished = []
        for index in indices:
            if not self._progress.is_cancelled(index):
                alone = dataclasses.replace(batch, cells=(index,))
                finished += self._finished_of(alone, [index])
        return finished

    # --- checkpoints -----------------------------------------------------------------------------

    def _starts(self, indices: Sequence[int], batch: Batch) -> tuple[list[int], list[Checkpoint]]:
        """Return the cells of a batch that can be generated now, with their checkpoints.

        A cell whose checkpoint is lost is put back, to be generated from the first step.
        """
        if not batch.step:
            return list(indices), []
        found: list[int] = []
        starts: list[Checkpoint] = []
        for index in indices:
            checkpoint = self._library.checkpoints.load(undrafted_key(self._shots[index]))
            expected = (batch.step, batch.size)
            if checkpoint is None or (checkpoint.step, checkpoint.batch) != expected:
                with self._progress.lock:
                    self._plan.put_back([index])
            else:
                found.append(index)
                starts.append(checkpoint)
        return found, starts

    def _store_checkpoints(self, step: Step, state: BatchState) -> bool:
        """Store the checkpoints of a batch's clips; return whether that was possible."""
        if step.checkpoints is None or step.step >= step.steps:
            return False
        state.checkpointed = time.monotonic()
        try:
            for index, checkpoint in zip(state.indices, step.checkpoints(), strict=False):
                self._library.checkpoints.store(undrafted_key(self._shots[index]), checkpoint)
        except (OSError, ModelError):
            return False
        return True

    def _put_back(self, indices: Sequence[int], checkpoint: CheckpointInfo | None = None) -> None:
        left = [i for i in indices if not self._progress.is_cancelled(i)]
        for index in left:
            step = checkpoint.step if checkpoint else 0
            self._progress.set(index, status=Status.QUEUED, step=step)
        with self._progress.lock:
            self._plan.put_back(left, checkpoint)

    def _on_step(self, state: BatchState, step: Step) -> None:
        self._pause_here(step, state)
        if time.monotonic() - state.checkpointed > _CHECKPOINT_EVERY:
            self._store_checkpoints(step, state)
        if all(map(self._progress.is_cancelled, state.indices)):
            raise Stopped("all clips of this batch were cancelled.")
        previews = self._previews(step, state)
        for position, index in enumerate(state.indices):
            new: dict[str, Any] = {"step": step.step, "steps": step.steps}
            if previews:
                new["preview"], new["preview_frames"] = previews[position]
            self._progress.set(index, **new)

    def _pause_here(self, step: Step, state: BatchState) -> None:
        """Pause if requested: leave the batch and free its memory, where it can resume."""
        if self._progress.pausing and self._store_checkpoints(step, state):
            state.stored = CheckpointInfo(step.step, state.size)
            raise Stopped("paused; the clips resume from here.")
        before = time.perf_counter()
        self._hold()
        state.paused += time.perf_counter() - before

    def _previews(self, step: Step, state: BatchState) -> list[tuple[bytes, int]]:
        early = time.monotonic() - state.previewed < _PREVIEW_EVERY
        if step.preview is None or early or not self._progress.watched:
            return []
        try:
            clips = step.preview()
            found = [(sheets.sheet_bytes(f), sheets.sheet_layout(f)["frames"]) for f in clips]
        except Exception as error:  # noqa: BLE001  (a failed preview must not cost the clip)
            self._progress.show_message(f"previews are off: {error}")
            found = []
        state.previewed = time.monotonic()
        return found

    def _out_of_memory(
        self, indices: Sequence[int], shots: Sequence[Shot], size: int, error: OutOfMemoryError
    ) -> None:
        if size > 1:
            self._batching.limit(shots[0], size // 2)
        if size == 1 or (self._exact and self._batching.exact_size(shots[0]) >= size):
            hint = (
                " In exact mode the batch size is fixed once a batch has succeeded: load the model "
                "with a smaller batch_size."
            )
            self._writer.fail(indices, BeecamError(f"{error}{hint if size > 1 else ''}"))
            return
        self._put_back(indices)


_running: set[LocalEngine] = set()


@atexit.register
def _finish_writing() -> None:
    """Cancel all runs when the process exits; generated clips are written first."""
    engines = list(_running)
    for one in engines:
        one._library.hurry()  # noqa: SLF001
        one._progress.cancel()  # noqa: SLF001
    for one in engines:
        one._writer.join(timeout=60)  # noqa: SLF001


@in_forked_process
def _leave_to_parent() -> None:
    """End all runs in a process that was forked from the one that generates them."""
    while _running:
        _running.pop()._progress.abandon()  # noqa: SLF001
