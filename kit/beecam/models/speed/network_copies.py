"""Copies of a pipeline's networks that share its weights, with other things switched on.

What makes a network faster stores the state of one batch in its modules. A copy has modules of its
own and the weights of the original, so that concurrent batches don't interfere, and the owner of
the pipeline finds it unchanged.
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
    """Copies of a pipeline's networks for one batch at a time.

    Attributes:
        networks: By their names in the pipeline.
    """

    networks: dict[str, Any]

    def reset(self) -> None:
        """Clear the state of the last batch."""
        for network in self.networks.values():
            if getattr(network, "is_cache_enabled", False):
                network._reset_stateful_cache()  # noqa: SLF001


class NetworkCopies:
    """The copies of one pipeline's networks: one for each batch that runs at the same time."""

    def __init__(self, pipe: Any, *, packed: bool) -> None:
        """Manage the copies of a pipeline's networks; they are created on first use.

        Args:
            pipe: The pipeline.
            packed: Whether their linear layers use packed weights, as those of the original do.
        """
        self._pipe = pipe
        self._packed = packed and available()
        self._free: list[_NetworkCopy] = []
        self._state: Hashable = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def used(self, speed: Speed, state: Hashable) -> Iterator[dict[str, Any]]:
        """Reserve networks for one batch.

        Args:
            speed: What is switched on.
            state: Identifies the current weights and LoRAs; copies of another state are dropped.

        Yields:
            Networks by their names in the pipeline; empty where nothing is switched on.
        """
        if not speed.labels:
            yield {}
            return
        requested = (speed, state)
        with self._lock:
            if self._state != requested:
                self._state, self._free = requested, []
            reserved = self._free.pop() if self._free else self._create(speed)
        try:
            yield reserved.networks
        finally:
            reserved.reset()
            with self._lock:
                if self._state == requested:
                    self._free.append(reserved)

    def _create(self, speed: Speed) -> _NetworkCopy:
        copies = {}
        for name in _NETWORKS:
            network = getattr(self._pipe, name, None)
            if network is None:
                continue
            copies[name] = shared = share_weights(network)
            if speed.few_steps:
                speed.few_steps.merge(name, shared)
            if self._packed:
                # Before the cache, which replaces the forward pass of some layers.
                PackedLinears(shared, bfloat16=speed.bfloat16).use()
            enable_speed(shared, speed)
        return _NetworkCopy(copies)
