"""Sends the messages of the live view at a limited rate; newer ones replace waiting ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from beecam._util.condition import Condition
from beecam_widgets._live.messages import problem_message
from beecam_widgets._notebook.flow_control import Message, RateLimiter, Send

# Every message tells which edits the kernel has received. They are acknowledged by a message of
# their own only after this many seconds without another one.
_SILENCE = 0.2
_IDLE = 10.0
# After this many messages that could not be sent, acknowledgements are given up.
_TRIES = 5

Build = Callable[[], Message]


class ThrottledSender:
    """Sends messages from one thread; a newer message replaces a waiting one of the same slot.

    A message is built just before it is sent, so that no image is encoded in vain. No error ends
    the thread: a message that can't be built is replaced by the problem, one that can't be sent is
    dropped.
    """

    def __init__(self, send: Send) -> None:
        """Create the sender; the first message starts its thread.

        Args:
            send: Sends content and buffers to all front ends.
        """
        self._send = send
        self._waiting: dict[str, Build] = {}
        self._received: dict[str, int] = {}
        self._limiter = RateLimiter()
        self._lock = threading.RLock()
        self._changed = Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._last_sent = 0.0
        self._closed = False

    def submit(self, slot: str, build: Build, *, supersedes: tuple[str, ...] = ()) -> None:
        """Send a message as soon as the rate allows.

        Args:
            slot: A waiting message of the same slot is replaced.
            build: Returns content and buffers; called on the sender's thread.
            supersedes: Further slots whose waiting messages are dropped.
        """
        with self._lock:
            for old in (slot, *supersedes):
                self._waiting.pop(old, None)
            self._waiting[slot] = build
            self._start()

    def acknowledge(self, client: str, number: int) -> None:
        """Let a front end know that its edit was received.

        Args:
            client: Name of the front end.
            number: Number of the edit.
        """
        with self._lock:
            self._received[client] = max(number, self._received.get(client, 0))
            self._start()

    def close(self) -> None:
        """End the thread; send nothing more."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _start(self) -> None:
        if self._closed:
            return
        # One that isn't alive is one whose start failed.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="beecam-sender", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        failures = 0
        while (build := self._next()) is not None:
            try:
                content, buffers = build()
            except Exception as error:  # noqa: BLE001  (there is no caller to raise to)
                content, buffers = problem_message("", 0, str(error))
            while not self._limiter.allow():
                time.sleep(0.01)
            self._last_sent = time.monotonic()
            with self._lock:
                edits, self._received = self._received, {}
            if self._closed:
                return
            try:
                self._send({**content, "edits": edits}, buffers)
                failures = 0
            except Exception:  # noqa: BLE001  (as above; the widget may just be closed)
                failures += 1
                if failures < _TRIES:
                    with self._lock:
                        # Goes with the next message, unless later edits were received meanwhile.
                        self._received = {**edits, **self._received}

    def _next(self) -> Build | None:
        """Wait for the next message; return None if none came for long."""
        with self._lock:
            end = time.monotonic() + _IDLE
            while not self._closed:
                if self._waiting:
                    return self._waiting.pop(next(iter(self._waiting)))
                now = time.monotonic()
                silence = now - self._last_sent
                if self._received and silence >= _SILENCE:
                    return lambda: ({"kind": "ack"}, [])
                if now > end:
                    break
                self._changed.wait(
                    _SILENCE - silence + 0.01 if self._received else end - now + 0.01
                )
            self._thread = None
            return None
