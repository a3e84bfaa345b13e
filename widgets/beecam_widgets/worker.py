"""One thread that does what a widget is asked for, so that no handler ever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any


class Worker:
    """Takes messages one by one, and does what is due in between.

    Whatever thread a message arrives on, it is only put into a queue. The thread ends when
    nothing is left to do and starts again with the next message.
    """

    def __init__(
        self, take: Callable[[Any], None], due: Callable[[], float | None], name: str
    ) -> None:
        """Prepare; the first message starts the thread.

        Args:
            take: Called with each message.
            due: Called in between; returns in how many seconds it is to be called again, None
                where only a message brings something new. Neither may raise.
            name: Of the thread.
        """
        self._take, self._due, self._name = take, due, name
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, message: Any) -> None:
        """Have a message taken."""
        self._inbox.put(message)
        with self._lock:
            if self._thread is None and not self._closed:
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
                if message is not None:  # which only wakes it up to end
                    self._take(message)
                pause = 0.0  # a burst of messages is one change
                continue
            pause = self._due()
            with self._lock:
                if pause is None and self._inbox.empty():
                    self._thread = None
                    return
                pause = 0.0 if pause is None else max(pause, 0.02)
