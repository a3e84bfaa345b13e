"""How long one call of a pipeline takes, without what others do in the meantime."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Self

from beecam.models.batching.threads import WorkerPool

# Of the other lanes, at most this many may stand idle for a call to be like all others.
_IDLE = 0.25


class BatchTimer:
    """Times one call; made when it is about to begin.

    Attributes:
        began: When the call began (`time.perf_counter`).
        seconds: How long it took, without what was put aside.
        usual: Whether the other lanes were at work, as they are in the midst of a run. A call that
            has the machine for itself is quicker and says nothing of the next one.
    """

    def __init__(self, lanes: WorkerPool) -> None:
        """Prepare.

        Args:
            lanes: Those of the call's pipeline.
        """
        self.began = 0.0
        self.seconds = 0.0
        self.usual = False
        self._lanes = lanes
        self._work = 0.0
        self._aside = 0.0

    def __enter__(self) -> Self:
        self._work = self._lanes.work()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        whole = time.perf_counter() - self.began
        self.seconds = whole - self._aside
        self.usual = self._lanes.work() - self._work >= (self._lanes.count - _IDLE) * whole

    def aside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time doesn't count: texts are encoded once, pauses are made."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._aside += time.perf_counter() - before

        return timed
