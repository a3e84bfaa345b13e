"""A condition that can be interrupted while it is waited for."""

from __future__ import annotations

import threading


class Condition(threading.Condition):
    """A condition for threads that a user may interrupt.

    `threading.Condition.wait` gives its lock back and takes it again in Python: an interrupt in
    between leaves it not taken, and the `with` around it then raises a RuntimeError in place of the
    KeyboardInterrupt. Its own `with` is written in Python, too: take the lock itself.

    >>> lock = threading.RLock()
    >>> changed = Condition(lock)
    >>> with lock:
    ...     changed.wait_for(lambda: finished, timeout=5)
    """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until notified, as `threading.Condition.wait`; the lock is taken afterwards."""
        try:
            return super().wait(timeout)
        except BaseException:
            if not self._is_owned():  # type: ignore[attr-defined]
                self.acquire()
            raise
