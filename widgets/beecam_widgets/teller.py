"""What the live view is told: at most some messages a second, and never an old one for a new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from beecam_widgets.limits import Limiter
from beecam_widgets.messages import Message

# Pictures say that the kernel hears, too; only where none come for so long it is said by itself.
_SILENCE = 0.2
_IDLE = 10.0

Make = Callable[[], Message]


class Teller:
    """Sends messages from one thread; a newer one takes the place of one that waits.

    What is sent is made at the last moment, so that no picture is coded for nothing.
    """

    def __init__(self, send: Callable[[dict[str, Any], list[bytes]], None]) -> None:
        """Prepare; the first message starts the thread.

        Args:
            send: Sends content and buffers to all front ends.
        """
        self._send = send
        self._waiting: dict[str, Make] = {}
        self._heard: dict[str, int] = {}
        self._limiter = Limiter()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._last = 0.0
        self._closed = False

    def tell(self, place: str, make: Make, *, instead: tuple[str, ...] = ()) -> None:
        """Say something soon.

        Args:
            place: A newer message for it takes the place of an older one.
            make: Makes content and buffers, on the teller's thread.
            instead: Further places whose messages are old with this one.
        """
        with self._news:
            for old in (place, *instead):
                self._waiting.pop(old, None)
            self._waiting[place] = make
            self._start()

    def heard(self, client: str, number: int) -> None:
        """Let a front end know that the kernel hears it."""
        with self._news:
            self._heard[client] = number
            self._start()

    def close(self) -> None:
        """End the thread; nothing is sent any more."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _start(self) -> None:
        if self._closed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="beecam-teller", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def _work(self) -> None:
        while (make := self._next()) is not None:
            try:
                message = make()
            except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
                message = {"kind": "problem", "n": 0, "client": "", "text": str(error)}, []
            while not self._limiter.allow():
                time.sleep(0.01)
            self._last = time.monotonic()
            if not self._closed:
                self._send(*message)

    def _next(self) -> Make | None:
        """Wait for what is to be said next; None when there is nothing for long."""
        with self._news:
            end = time.monotonic() + _IDLE
            while not self._closed:
                if self._waiting:
                    self._heard.clear()
                    return self._waiting.pop(next(iter(self._waiting)))
                now = time.monotonic()
                quiet = now - self._last
                if self._heard and quiet >= _SILENCE:
                    heard = dict(self._heard)
                    self._heard.clear()
                    return lambda: ({"kind": "heard", "by": heard}, [])
                if now > end:
                    break
                self._news.wait(_SILENCE - quiet + 0.01 if self._heard else end - now + 0.01)
            self._thread = None
            return None
