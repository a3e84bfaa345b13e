"""The time of one batch, without what is excluded."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Self

from beecam.models.batching.threads import WorkerPool

# The largest idle share of the other workers with which a batch is like all others.
_MAX_IDLE = 0.25


class BatchTimer:
    """Measures one batch, as a context manager.

    Attributes:
        started: When the batch started (`time.perf_counter`).
        seconds: How long it took, without what was excluded.
        representative: Whether the other workers were busy, as they are in the middle of a run.
            A batch that has the machine to itself is faster and predicts nothing about others.
    """

    def __init__(self, pool: WorkerPool) -> None:
        """Create a timer."""
        self.started = 0.0
        self.seconds = 0.0
        self.representative = False
        self._pool = pool
        self._work = 0.0
        self._excluded = 0.0

    def __enter__(self) -> Self:
        self._work = self._pool.work()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        total = time.perf_counter() - self.started
        self.seconds = total - self._excluded
        self.representative = (
            self._pool.work() - self._work >= (self._pool.count - _MAX_IDLE) * total
        )

    def excluding(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time isn't counted: prompts are encoded once, runs pause."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            before = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._excluded += time.perf_counter() - before

        return timed
