"""The publisher's state of one front end: its visible cells, requests and open batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

# Batches of sheets sent to a front end and not acknowledged yet.
MAX_UNACKNOWLEDGED = 4
# After this time a batch counts as received: an acknowledgement that never comes (a closed page, a
# busy kernel on a host without subshells) must not stop the grid forever.
ACK_SECONDS = 3.0
# A closed page may send no goodbye; an open one pings every few seconds.
CLIENT_SECONDS = 20.0


@dataclass
class Client:
    """One front end that shows the cells.

    Attributes:
        last_seen: When its last message arrived (monotonic seconds).
        awake: Whether the page is visible to its user.
        visible: Cells in its viewport, nearest to the centre first.
        pixels: Width of its widest cell.
        requested: Cells whose sheets it requests, the next one first.
        columns: Whether it requested the values for filtering and sorting.
        unacknowledged: For each batch not acknowledged yet, when it was sent, and its cells.
        turn: Number of its last annotation message; the front end counts them.
    """

    last_seen: float
    awake: bool = True
    visible: tuple[int, ...] = ()
    pixels: int = 160
    requested: deque[int] = field(default_factory=deque)
    columns: bool = False
    unacknowledged: dict[int, tuple[float, frozenset[int]]] = field(default_factory=dict)
    turn: int = 0

    def is_gone(self, now: float) -> bool:
        """Return whether it has been silent for too long."""
        return now - self.last_seen > CLIENT_SECONDS

    def is_ready(self, now: float) -> bool:
        """Return whether another batch may be sent; drop batches whose answer is overdue."""
        overdue = [n for n, (at, _) in self.unacknowledged.items() if now - at > ACK_SECONDS]
        for batch in overdue:
            del self.unacknowledged[batch]
        return len(self.unacknowledged) < MAX_UNACKNOWLEDGED

    def request(self, cells: Iterable[int]) -> None:
        """Append cells to the requested ones, except those already sent or requested."""
        sent = frozenset[int]().union(*(cells for _, cells in self.unacknowledged.values()))
        self.requested.extend(i for i in cells if i not in sent and i not in self.requested)
