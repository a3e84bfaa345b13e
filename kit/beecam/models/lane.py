"""One thread for all tensor work of a model.

OpenMP keeps a pool of threads for every thread that starts parallel work. With more of them than
cores they wait for each other asleep instead of spinning, and the many small operations of a
small model take twice as long: measured with pollen on 2 cores, 0.95 s a clip on a second thread
against 0.48 s on the only one. So a model is loaded and called on one thread of its own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Work = tuple[Future[Any], Callable[[], Any]]


class Lane:
    """A thread that does one thing after the other, for as long as somebody holds the lane."""

    def __init__(self) -> None:
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
