"""Threads of their own for a model's tensor work: its lanes.

OpenMP keeps a pool of threads for every thread that starts parallel work. With more of them than
cores they wait for each other asleep instead of spinning, and the many small operations of a
small model take twice as long: measured with pollen on 2 cores, 0.95 s a clip on a second thread
against 0.48 s on the only one. So a model is loaded and called on threads of its own; and a small
model on a CPU has a lane for each core, each with a single thread, which needs no pool at all.
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
    """A thread that does one thing after the other, for as long as somebody holds the lane."""

    def __init__(self) -> None:
        """Prepare; the first work starts the thread."""
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread()
        self._lock = threading.Lock()
        weakref.finalize(self, self._queue.put, None)

    def run(self, work: Callable[[], T]) -> T:
        """Do something on the lane's thread and return what it returns, or raise what it raises."""
        if threading.current_thread() is self._thread:
            return work()
        with self._lock:
            # Started late, and again in a fork's child, which has none of its parent's threads.
            if not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=_serve, args=(self._queue,), name="beecam-lane", daemon=True
                )
                self._thread.start()
        done: Future[T] = Future()
        self._queue.put((done, work))
        return done.result()


class WorkerPool:
    """The lanes of one pipeline: as many calls at once as there are.

    Attributes:
        count: How many.
    """

    def __init__(self) -> None:
        """Begin with one lane, on which everything is done until `widen`."""
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
        """Have `count` lanes, or as many as there are, in each of which torch has `threads`."""
        self._threads = threads
        with self._lock:
            while self.count < count:
                self._free.put(WorkerThread())
                self.count += 1

    def run(self, work: Callable[[], T]) -> T:
        """Do something on the next lane that is free."""
        lane = self._free.get()
        try:
            return lane.run(lambda: self._prepared(work))
        finally:
            self._free.put(lane)

    def beside(self) -> WorkerPool:
        """Return lanes for single calls that shall not wait for those of a run.

        Where each lane has a single thread that is one lane more; a model that needs the whole
        machine, or has state, has none beside it.
        """
        if self._threads is None:
            return self
        made = WorkerPool()
        made._threads = self._threads
        return made

    def work(self) -> float:
        """Return how many seconds all lanes together have been at work."""
        return self._count(0)

    def _count(self, change: int) -> float:
        with self._meter:
            now = time.perf_counter()
            self._worked += self._busy * (now - self._since)
            self._since = now
            self._busy += change
            return self._worked

    def _prepared(self, work: Callable[[], T]) -> T:
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
        except BaseException as error:  # noqa: BLE001  (it is raised where it was asked for)
            done.set_exception(error)
        else:
            done.set_result(result)
        # What was made must not live on here until the next call.
        del item, done, work
        result = None


def _use_threads(threads: int) -> None:
    """Let torch work with so many threads in this thread, and with as many as before in others."""
    import torch

    before = torch.get_num_threads()
    if before == threads:
        return
    torch.set_num_threads(threads)
    # The number is each thread's own once it has worked, but new ones begin with what was set last.
    other = threading.Thread(target=torch.set_num_threads, args=(before,))
    other.start()
    other.join()
