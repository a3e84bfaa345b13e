"""What keeps a front end from drowning: how many messages, how large, how many unanswered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

# Jupyter's server drops messages without a word above some rate ("IOPub message rate exceeded"),
# and a browser that decodes a large one stands still.
MAX_BYTES = 2_000_000
MAX_PER_SECOND = 20
# Batches under way to one front end. An acknowledgement that never comes (a closed page, a busy
# kernel on a host without subshells) must not stop the grid for ever.
MAX_UNACKNOWLEDGED = 4
# A batch of sheets is smaller than what a message may be: the first ones show while others come.
SHEETS_BYTES = 800_000
ACK_SECONDS = 3.0
# A page that was closed says nothing; a living one pings every few seconds.
CLIENT_SECONDS = 20.0


class Limiter:
    """Allows so many messages in any window of one second."""

    def __init__(
        self, rate: int = MAX_PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sent: deque[float] = deque()

    def allow(self) -> bool:
        """Take one message's place; False when the second is full."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        if len(self._sent) >= self._rate:
            return False
        self._sent.append(now)
        return True


@dataclass
class Client:
    """One front end that shows the grid.

    Attributes:
        seen: When it last spoke (monotonic seconds).
        awake: Whether somebody can see it now.
        visible: Cells in its window, nearest first.
        pixels: Across its widest cell.
        wishes: Cells whose clips it wants, the next one first.
        columns: Whether it wants what can be filtered and sorted by.
        sent: When each batch that it hasn't acknowledged was sent, and its cells.
        turn: Number of the last message of its that marked clips; it counts them.
    """

    seen: float
    awake: bool = True
    visible: tuple[int, ...] = ()
    pixels: int = 160
    wishes: deque[int] = field(default_factory=deque)
    columns: bool = False
    sent: dict[int, tuple[float, frozenset[int]]] = field(default_factory=dict)
    turn: int = 0

    def gone(self, now: float) -> bool:
        """Whether it has been silent for too long."""
        return now - self.seen > CLIENT_SECONDS

    def ready(self, now: float) -> bool:
        """Whether another batch may be sent to it."""
        for batch in [b for b, (at, _) in self.sent.items() if now - at > ACK_SECONDS]:
            del self.sent[batch]
        return len(self.sent) < MAX_UNACKNOWLEDGED

    def wish(self, indices: Iterable[int]) -> None:
        """Put cells at the end of the wishes, those apart that are on their way already."""
        under_way = frozenset[int]().union(*(cells for _, cells in self.sent.values()))
        self.wishes.extend(i for i in indices if i not in under_way and i not in self.wishes)
