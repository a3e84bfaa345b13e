"""Worker threads for the tensor work of a model.

OpenMP creates a pool of threads for every thread that starts parallel work. With more of them than
cores they wait for each other asleep instead of spinning, and the many small operations of a
small model take twice as long: measured with pollen on 2 cores, 0.95 s per clip on a second thread
against 0.48 s on the only one. So a model is loaded and called on threads of its own; and a small
model on a CPU has a worker per core, each with a single OpenMP thread, which needs no pool at all.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
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
        if self._threads is not None:
            _use_threads(self._threads)
        self._count(1)
        try:
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


def _use_threads(threads: int) -> None:
    """Set torch's number of threads in this thread, and leave it unchanged for others."""
    import torch

    before = torch.get_num_threads()
    if before == threads:
        return
    torch.set_num_threads(threads)
    # Each thread that has worked has its own number, but new threads begin with the last one set.
    other = threading.Thread(target=torch.set_num_threads, args=(before,))
    other.start()
    other.join()
