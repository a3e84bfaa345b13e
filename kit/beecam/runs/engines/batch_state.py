"""What an engine knows of a batch that it generates."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from beecam.storage.checkpoints import CheckpointInfo


@dataclass
class BatchState:
    """The state of a batch while it is generated; times in monotonic seconds.

    Attributes:
        indices: Its cells.
        size: How many clips it has.
        paused: How many seconds it was paused.
        previewed: When its last previews were generated.
        checkpointed: When its last checkpoints were stored.
        stored: Where its clips resume, if it was left for a pause.
    """

    indices: tuple[int, ...]
    size: int
    paused: float = 0.0
    previewed: float = float("-inf")
    checkpointed: float = field(default_factory=time.monotonic)
    stored: CheckpointInfo | None = None
