"""A run's work in this process: some threads generate, another one writes."""

from __future__ import annotations

import atexit
import dataclasses
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beecam.errors import BeecamError, ModelError, OutOfMemoryError, Stopped
from beecam.media import sheets
from beecam.models.model import Checkpoint, Model, Step
from beecam.runs.engines.writer import FinishedClip, Writer, undrafted_key
from beecam.runs.plan import Batch, Plan
from beecam.runs.progress import Progress, Status
from beecam.shots.shot import Shot
from beecam.storage.checkpoints import CheckpointInfo
from beecam.storage.store import ClipStore

_PREVIEW_EVERY = 0.25
_LOOK_EVERY = 0.5  # seconds
# A process that is killed loses at most so many seconds of a clip's steps.
_CHECKPOINT_EVERY = 30.0


class LocalEngine:
    """Makes the clips that the library lacks, and says in `progress` how far it is."""

    def __init__(
        self,
        shots: Sequence[Shot],
        model: Model,
        library: ClipStore,
        progress: Progress,
        *,
        parents: Sequence[str] = (),
        exact: bool = False,
        drafts: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; `start()` begins.

        Args:
            shots: Resolved, one for each cell.
            model: What makes the clips.
            library: Where they go.
            progress: Of the run.
            parents: Keys of the clips that these are made from.
            exact: Fill up every call to one size.
            drafts: Of shots that finish drafts, by key: the keys of these drafts, whose stars and
                tags the finished clips get.
        """
        self._shots = tuple(shots)
        self._model = model
        self._library = library
        self._progress = progress
        self._exact = exact
        self._started = self._busy = 0
        self._plan = Plan(model, [], exact=exact)
        self._elsewhere: set[int] = set()
        self._waiting: list[Shot] | None = None
        self._preparing = threading.Lock()
        self._writer = Writer(
            self._shots, model, library, progress, parents=parents, exact=exact, drafts=drafts or {}
        )

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
        self._plan = Plan(self._model, waiting, exact=self._exact, begun=self._begun(dict(waiting)))
        if not waiting:
            self._progress.finish()
            return
        self._waiting = [shot for _, shot in waiting]
        _at_work.add(self)
        self._library.writers.add(self)
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

    def leave(self, *, at_once: bool = False) -> None:
        """Come to an end, because the library will be closed; what is made is written first.

        Args:
            at_once: Cancel what isn't made; otherwise only a run that makes a pause is cancelled.
        """
        while not self._progress.wait(_LOOK_EVERY):
            self.give_up(at_once=at_once)

    def give_up(self, *, at_once: bool = False) -> None:
        """Cancel what isn't made, if that is asked for, or a run that makes a pause."""
        if at_once or self._progress.pausing:
            self._progress.cancel()

    def join(self, timeout: float | None = None) -> None:
        """Wait until everything that was made is written."""
        self._writer.join(timeout)

    # --- the threads that generate -------------------------------------------------------------

    def _work(self, _owner: object) -> None:
        try:
            self._prepare()
            while (batch := self._next()) is not None:
                self._make(batch)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  (a thread has nobody else to tell)
            waiting = self._progress.cells(Status.QUEUED, Status.RUNNING)
            self._writer.fail([cell.index for cell in waiting], error)
        finally:
            with self._progress.lock:
                self._busy -= 1
                last = self._busy == 0
            if last:
                self._end()

    def _end(self) -> None:
        """Come to an end whatever the model says to that: who waits must not wait for ever."""
        try:
            self._model.release()
        finally:
            self._writer.end()
            self._progress.finish()
            self._library.writers.discard(self)
            _at_work.discard(self)

    def _prepare(self) -> None:
        """Let the model get ready; the first thread does that, and the others wait for it."""
        with self._preparing:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._model.prepare(waiting, self._progress.hold)

    def _next(self) -> Batch | None:
        """Take the next call, or None when nothing is left; a pause is made before a call only."""
        while True:
            with self._progress.lock:
                if not len(self._plan) and not self._elsewhere:
                    return None
            self._progress.hold()
            with self._progress.lock:
                batch = self._plan.next()
                keys = {self._shots[i].key: i for i in self._elsewhere}
            if batch is not None:
                return batch
            # All that is left is being made by other runs, which may yet fail to.
            free = self._library.claims.free(keys, timeout=0.2)
            with self._progress.lock:
                back = [keys[key] for key in free if keys[key] in self._elsewhere]
                self._elsewhere.difference_update(back)
                self._plan.put_back([(i, self._shots[i]) for i in back])

    def _make(self, batch: Batch) -> None:
        keys = [self._shots[i].key for i in batch.cells]
        try:
            indices = self._still_needed(batch.cells)
            made = self._made_of(batch, indices)
        except BaseException:
            self._library.claims.release(keys, self._writer)
            raise
        # A cell that somebody left out is left out; a run that was cancelled has made these.
        if self._progress.status != "cancelled":
            made = [one for one in made if not self._progress.dropped(one.index)]
        for one in made:
            self._writer.put(one)
        # The writer releases what it has written.
        handed = {self._shots[one.index].key for one in made}
        self._library.claims.release([key for key in keys if key not in handed], self._writer)

    def _made_of(self, batch: Batch, indices: list[int]) -> list[FinishedClip]:
        """Make the clips of one call, or say why there are none."""
        starts = self._starts(indices, batch)
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
        call = _Call(tuple(indices), size)
        started = time.perf_counter()
        try:
            found = self._model.generate(
                shots, lambda step: self._on_step(step, call), pad_to=size, starts=starts
            )
        except Stopped:
            # All clips of this call were cancelled, or the run was, or it makes a pause.
            if call.kept is not None:
                self._put_back(indices, call.kept)
            return []
        except OutOfMemoryError as error:
            self._out_of_memory(indices, shots, size, error)
            return []
        except BaseException as error:  # noqa: BLE001  (whatever a pipeline raises, the run goes on)
            if len(indices) > 1 and isinstance(error, Exception):
                return self._one_by_one(batch, indices)
            self._writer.fail(indices, error)
            return []
        # Calls at the same time share the machine: a clip's time is its share of it.
        seconds = (time.perf_counter() - started - call.stood) / len(shots) / self._started
        return [
            FinishedClip(index, made, seconds, size, batch.step)
            for index, made in zip(indices, found, strict=True)
        ]

    def _one_by_one(self, batch: Batch, indices: Sequence[int]) -> list[FinishedClip]:
        """Make the clips of a call that failed in calls of their own: not all need be to blame."""
        made = []
        for index in indices:
            if self._progress.dropped(index):
                continue
            made += self._made_of(dataclasses.replace(batch, cells=(index,)), [index])
        return made

    # --- clips that were begun -------------------------------------------------------------------

    def _begun(self, shots: Mapping[int, Shot]) -> dict[int, CheckpointInfo]:
        """Return how far cells are that can go on from within their steps."""
        keys = {index: undrafted_key(shot) for index, shot in shots.items()}
        found = self._library.checkpoints.find(keys.values())
        begun = {index: found[key] for index, key in keys.items() if key in found}
        return {
            index: stand
            for index, stand in begun.items()
            if stand.step < (shots[index].draft_steps or shots[index].num_inference_steps or 0)
        }

    def _starts(self, indices: list[int], batch: Batch) -> list[Checkpoint]:
        """Load where a call's clips go on; one that is lost is made from the beginning."""
        if not batch.step:
            return []
        starts = []
        for index in list(indices):
            state = self._library.checkpoints.load(undrafted_key(self._shots[index]))
            if state is None or (state.step, state.batch) != (batch.step, batch.size):
                indices.remove(index)
                with self._progress.lock:
                    self._plan.put_back([(index, self._shots[index])])
            else:
                starts.append(state)
        return starts

    def _keep_states(self, step: Step, call: _Call) -> bool:
        """Keep where a call's clips stand; return whether that was possible."""
        if step.states is None or step.step >= step.steps:
            return False
        call.checked = time.monotonic()
        try:
            for index, state in zip(call.indices, step.states(), strict=False):
                self._library.checkpoints.store(undrafted_key(self._shots[index]), state)
        except (OSError, ModelError):
            return False
        return True

    def _put_back(self, indices: Sequence[int], stand: CheckpointInfo) -> None:
        kept = [i for i in indices if not self._progress.dropped(i)]
        for index in kept:
            self._progress.set(index, status=Status.QUEUED, step=stand.step)
        with self._progress.lock:
            self._plan.put_back([(i, self._shots[i]) for i in kept], stand)

    def _there(self, shots: Sequence[Shot]) -> set[str]:
        """Return the keys of the clips that need not be made."""
        found = self._library.known(shot.key for shot in shots)
        if self._exact:
            # One that was made in a call of another size differs by rounding.
            found = {key for key in found if self._library.row(key)["facts"].get("exact")}
        return found

    def _still_needed(self, indices: Sequence[int]) -> list[int]:
        """Claim what nobody has made or makes in the meantime, and wasn't cancelled."""
        ours = self._library.claims.take((self._shots[i].key for i in indices), self._writer)
        have = self._there([self._shots[i] for i in indices])
        needed = []
        for index in indices:
            key = self._shots[index].key
            if self._progress.dropped(index):
                self._library.claims.release([key], self._writer)
            elif key in have:
                self._library.claims.release([key], self._writer)
                self._progress.set(index, status=Status.CACHED)
            elif key in ours:
                needed.append(index)
            else:
                with self._progress.lock:
                    self._elsewhere.add(index)
        return needed

    def _on_step(self, step: Step, call: _Call) -> None:
        self._stand_still(step, call)
        if time.monotonic() - call.checked > _CHECKPOINT_EVERY:
            self._keep_states(step, call)
        if all(map(self._progress.dropped, call.indices)):
            raise Stopped("all clips of this call were cancelled.")
        previews = self._previews(step, call)
        for place, index in enumerate(call.indices):
            new: dict[str, Any] = {"step": step.step, "steps": step.steps}
            if previews:
                new["preview"], new["preview_frames"] = previews[place]
            self._progress.set(index, **new)

    def _stand_still(self, step: Step, call: _Call) -> None:
        """Make a pause if that is asked for: leave the call and its memory, where that can be."""
        if self._progress.pausing and self._keep_states(step, call):
            call.kept = CheckpointInfo(step.step, call.size)
            raise Stopped("a pause; the clips go on from here.")
        before = time.perf_counter()
        self._progress.hold()
        call.stood += time.perf_counter() - before

    def _previews(self, step: Step, call: _Call) -> list[tuple[bytes, int]]:
        early = time.monotonic() - call.previewed < _PREVIEW_EVERY
        if step.preview is None or early or not self._progress.watched:
            return []
        try:
            clips = step.preview()
            made = [(sheets.sheet_bytes(f), sheets.sheet_layout(f)["frames"]) for f in clips]
        except Exception as error:  # noqa: BLE001  (a preview is never worth a clip)
            self._progress.say(f"previews are off: {error}")
            made = []
        call.previewed = time.monotonic()
        return made

    def _out_of_memory(
        self, indices: Sequence[int], shots: Sequence[Shot], size: int, error: OutOfMemoryError
    ) -> None:
        if size > 1:
            self._model.limit_batch(shots[0], size // 2)
        if size == 1 or (self._exact and self._model.exact_size(shots[0]) >= size):
            hint = (
                " In exact mode the size is fixed once clips were made with it: load the model "
                "with a smaller batch_size."
            )
            self._writer.fail(indices, BeecamError(f"{error}{hint if size > 1 else ''}"))
            return
        for index in indices:
            self._progress.set(index, status=Status.QUEUED, step=0)
        with self._progress.lock:
            self._plan.put_back(list(zip(indices, shots, strict=True)))


@dataclass
class _Call:
    """What is remembered of a call while it runs.

    Attributes:
        indices: Its cells.
        size: How many clips it makes.
        stood: Seconds that it was paused.
        previewed: When previews were made last.
        checked: When its clips' states were kept last.
        kept: How far its clips were when it was left for a pause.
    """

    indices: tuple[int, ...]
    size: int
    stood: float = 0.0
    previewed: float = float("-inf")
    checked: float = field(default_factory=time.monotonic)
    kept: CheckpointInfo | None = None


_at_work: set[LocalEngine] = set()


@atexit.register
def _finish_writing() -> None:
    """A script that ends cancels what runs, but what was made is written first."""
    engines = list(_at_work)
    for one in engines:
        one._progress.cancel()  # noqa: SLF001
    for one in engines:
        one.join(timeout=60)
