"""Worker threads for the tensor work of a model.

OpenMP creates a pool of threads for every thread that starts parallel work. With more of them than
cores they wait for each other asleep instead of spinning, and the many small operations of a
small model take twice as long: measured with pollen on 2 cores, 0.95 s per clip on a second thread
against 0.48 s on the only one. So a model is loaded and called on threads of its own; and a small
model on a CPU has a worker per core, each with a single OpenMP thread, which needs no pool at all.

On busy cores it is worse: each of the many parallel regions of a call ends when its last thread has
had its turn. So what someone waits for, and small work outside of workers, has one thread
(`one_thread`) or as many as the machine leaves it (`FittingThreads`). Work of torch on any other
thread than a worker's belongs into one of these.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
# Cores that threads waited for, on average over a step.
_BUSY, _CALM = 0.25, 0.1
_CALM_STEPS = 8
_setting = threading.Lock()
_Work = tuple[Future[Any], Callable[[], Any]]


class WorkerThread:
    """A thread that runs one function after another, for as long as this object exists."""

    def __init__(self) -> None:
        """Create the queue; the first `run` starts the thread."""
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread()
        self._lock = threading.Lock()
        weakref.finalize(self, self._queue.put, None)

    def run(self, work: Callable[[], T]) -> T:
        """Run a function on the thread; return what it returns, or raise what it raises."""
        if threading.current_thread() is self._thread:
            return work()
        with self._lock:
            # Started late, and again in a forked child, which has no threads of its parent.
            if not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=_serve, args=(self._queue,), name="beecam-worker", daemon=True
                )
                self._thread.start()
        done: Future[T] = Future()
        self._queue.put((done, work))
        return done.result()


class WorkerPool:
    """The worker threads of one pipeline: one per batch that runs at the same time.

    Attributes:
        count: The number of workers.
    """

    def __init__(self) -> None:
        """Create a pool of one worker; `widen` adds others."""
        self.count = 1
        self._threads: int | None = None
        self._lock = threading.Lock()
        self._busy = 0
        self._worked = 0.0
        self._since = 0.0
        self._meter = threading.Lock()
        self._free: SimpleQueue[WorkerThread] = SimpleQueue()
        self._free.put(WorkerThread())

    def widen(self, count: int, threads: int) -> None:
        """Grow to `count` workers, in each of which torch uses `threads` threads."""
        self._threads = threads
        with self._lock:
            while self.count < count:
                self._free.put(WorkerThread())
                self.count += 1

    def run(self, work: Callable[[], T]) -> T:
        """Run a function on the next free worker."""
        worker = self._free.get()
        try:
            return worker.run(lambda: self._measured(work))
        finally:
            self._free.put(worker)

    def for_single_clips(self) -> WorkerPool:
        """Return workers for single batches that should not wait for those of a run.

        Where each worker has a single thread, that is one more worker; a model that uses the whole
        machine, or has state, has no workers beside its own.
        """
        if self._threads is None:
            return self
        other = WorkerPool()
        other._threads = self._threads
        return other

    def work(self) -> float:
        """Return the total seconds that all workers have been busy."""
        return self._count(0)

    def _count(self, change: int) -> float:
        with self._meter:
            now = time.perf_counter()
            self._worked += self._busy * (now - self._since)
            self._since = now
            self._busy += change
            return self._worked

    def _measured(self, work: Callable[[], T]) -> T:
        self._count(1)
        try:
            # Whatever the work sets, such as FittingThreads, ends with it.
            with _threads_for(self._threads):
                return work()
        finally:
            self._count(-1)


def _serve(queue: SimpleQueue[_Work | None]) -> None:
    while (item := queue.get()) is not None:
        done, work = item
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  (it is raised in the calling thread)
            done.set_exception(error)
        else:
            done.set_result(result)
        # The result must not stay alive here until the next call.
        del item, done, work
        result = None


@contextlib.contextmanager
def _threads_for(threads: int | None) -> Iterator[None]:
    """Use a number of threads in this thread, by default its own, now and afterwards."""
    if threads is None and "torch" not in sys.modules:
        yield
        return
    import torch

    wanted = torch.get_num_threads() if threads is None else threads
    _use_threads(wanted)
    try:
        yield
    finally:
        _use_threads(wanted)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Use a single thread for torch's work in this thread, within the context."""
    import torch

    before = torch.get_num_threads()
    _use_threads(1)
    try:
        yield
    finally:
        _use_threads(before)


class FittingThreads:
    """As many threads for torch's work as the machine leaves free: fewer as soon as others work.

    The number may decide a clip's last bits, so it is for clips that are generated once to be
    looked at, not for those of a run.
    """

    def __init__(self, *, meter: Callable[[], tuple[float, float]] | None = None) -> None:
        """Start with the number of threads that the first step finds.

        Args:
            meter: Returns the time, and the total time that threads of this process have waited
                for a core, in seconds; by default read off the system.
        """
        self._meter = meter or _waited
        self._last: tuple[float, float] | None = None
        self._most = self._chosen = 0
        self._calm = 0

    def begin(self) -> None:
        """Start a call, which is not measured by what was before it; the number stays."""
        self._last = None

    def step(self) -> None:
        """Measure the time since the last step, and set the number of threads of this thread."""
        import torch

        threads = torch.get_num_threads()
        self._most = max(self._most, threads)
        if self._most == 1:
            return
        last, self._last = self._last, self._meter()
        if last is None:
            _use_threads(self._chosen or threads)
            return
        waited = (self._last[1] - last[1]) / max(self._last[0] - last[0], 1e-6)
        self._calm = self._calm + 1 if waited < _CALM else 0
        if waited > _BUSY:
            threads = max(1, threads - math.ceil(waited))
        elif self._calm >= _CALM_STEPS:
            threads, self._calm = min(self._most, 2 * threads), 0
        self._chosen = threads
        _use_threads(threads)


def _waited() -> tuple[float, float]:
    """Return the time, and the time that this process's threads have waited for a core."""
    total = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may have ended
            total += int(task.read_text().split()[1])
    now = time.perf_counter()
    # Without Linux's figures: this thread computes all the time, unless it waits.
    return now, total / 1e9 if total else now - time.thread_time()


def _use_threads(threads: int) -> None:
    """Set torch's number of threads in this thread, and leave it unchanged for others."""
    import torch

    if torch.get_num_threads() == threads:
        return
    # Each thread that has worked has its own number, but new threads begin with the last one set.
    with _setting, ThreadPoolExecutor(1) as another:
        initial = another.submit(torch.get_num_threads).result()
        torch.set_num_threads(threads)
        another.submit(torch.set_num_threads, initial).result()
