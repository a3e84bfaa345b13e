"""Networks beside a pipeline's own, over the same weights, with other things switched on.

What makes a network faster keeps things of one call in its modules. A shadow has modules of its
own and the weights of the original, so that calls at once don't meet, and the pipeline's owner
finds it untouched.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from beecam.models.speed.onednn import PackedLinears, available
from beecam.models.speed.speed import Speed, enable_speed

# Wan 2.2 has two networks, for the first and the last steps.
_NETWORKS = ("transformer", "transformer_2", "unet")


def share_weights(network: Any) -> Any:
    """Return a copy of a network that shares its weights."""
    shared = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in shared})


@dataclass(frozen=True)
class _NetworkCopy:
    """Networks for one call at a time.

    Attributes:
        parts: By their names in the pipeline.
    """

    parts: dict[str, Any]

    def reset(self) -> None:
        """Forget the last call."""
        for network in self.parts.values():
            if getattr(network, "is_cache_enabled", False):
                network._reset_stateful_cache()  # noqa: SLF001


class NetworkCopies:
    """The shadows of one pipeline: as many as there are calls at once."""

    def __init__(self, pipe: Any, *, packed: bool) -> None:
        """Begin with none.

        Args:
            pipe: The pipeline.
            packed: Whether their products are packed, as those of the original are.
        """
        self._pipe = pipe
        self._packed = packed and available()
        self._free: list[_NetworkCopy] = []
        self._kind: Hashable = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def used(self, speed: Speed, state: Hashable) -> Iterator[dict[str, Any]]:
        """Have networks for one call.

        Args:
            speed: What is switched on.
            state: Names weights and LoRAs as they are; shadows of another state are dropped.

        Yields:
            Networks by their names in the pipeline; none where nothing is switched on.
        """
        if not speed.words:
            yield {}
            return
        kind = (speed, state)
        with self._lock:
            if self._kind != kind:
                self._kind, self._free = kind, []
            shadow = self._free.pop() if self._free else self._made(speed)
        try:
            yield shadow.parts
        finally:
            shadow.reset()
            with self._lock:
                if self._kind == kind:
                    self._free.append(shadow)

    def _made(self, speed: Speed) -> _NetworkCopy:
        parts = {}
        for name in _NETWORKS:
            network = getattr(self._pipe, name, None)
            if network is None:
                continue
            parts[name] = made = share_weights(network)
            if speed.few_steps:
                speed.few_steps.merge(name, made)
            if self._packed:
                # Before the cache, which stands in the place of some layers' products.
                PackedLinears(made).use()
            enable_speed(made, speed)
        return _NetworkCopy(parts)
