"""Limits on the traffic to a front end: bytes per message and messages per second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

# The content and the buffers of a widget message.
Message = tuple[dict[str, Any], list[bytes]]
Send = Callable[[dict[str, Any], list[bytes]], None]

# Jupyter's server silently drops messages above a certain rate ("IOPub message rate exceeded"),
# and a browser freezes while it decodes a large one.
MAX_BYTES = 2_000_000
MAX_PER_SECOND = 20


class RateLimiter:
    """Limits the number of messages in any window of one second.

    Args:
        rate: Messages per second.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, rate: int = MAX_PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sent: deque[float] = deque()

    def allow(self) -> bool:
        """Return whether another message may be sent now; if so, count it as sent."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        if len(self._sent) >= self._rate:
            return False
        self._sent.append(now)
        return True
