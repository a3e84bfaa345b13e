"""A thread that processes a widget's messages, so that no comm handler ever blocks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

_MIN_PAUSE = 0.02  # seconds


class WorkerThread:
    """Processes messages one at a time, and runs periodic work between them.

    Messages may arrive on any thread: `submit` only puts them into a queue. The thread ends when
    no work is left and starts again with the next message. No error ends it: handlers report their
    own, and what they raise nevertheless, as when a report can't be sent, is dropped.
    """

    def __init__(
        self, handle: Callable[[Any], None], poll: Callable[[], float | None], name: str
    ) -> None:
        """Create the worker; the first message starts its thread.

        Args:
            handle: Called with each message.
            poll: Called when the queue is empty. Returns the seconds until its next call, or None
                if only a message can bring new work.
            name: Name of the thread.
        """
        self._handle, self._poll, self._name = handle, poll, name
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether no message waits in the queue."""
        return self._inbox.empty()

    @property
    def running(self) -> bool:
        """Whether the thread exists."""
        return self._thread is not None

    def submit(self, message: Any) -> None:
        """Queue a message, and start the thread unless it runs."""
        self._inbox.put(message)
        with self._lock:
            # One that isn't alive is one whose start failed.
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._inbox.put(None)

    def _work(self) -> None:
        pause: float | None = 0.0
        while not self._closed:
            try:
                message = self._inbox.get(timeout=pause) if pause else self._inbox.get_nowait()
            except Empty:
                pass
            else:
                if message is not None:  # None only wakes the thread so that it can end
                    with contextlib.suppress(Exception):
                        self._handle(message)
                pause = 0.0  # treat a burst of messages as one change
                continue
            pause = None
            with contextlib.suppress(Exception):
                pause = self._poll()
            with self._lock:
                if pause is None and self._inbox.empty():
                    self._thread = None
                    return
                pause = 0.0 if pause is None else max(pause, _MIN_PAUSE)
