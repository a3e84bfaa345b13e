"""A pipeline for one call, whose attributes may be replaced, and as its owner has it meanwhile."""

from __future__ import annotations

import contextlib
import copy
import threading
import weakref
from collections.abc import Iterator
from typing import Any

from beecam.models.batching.device import networks
from beecam.models.batching.owner import OwnerState

# Calls of one network wait for each other, whichever pipelines have it.
_locks: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
# The attributes that a pipeline had before the call that runs on it now.
_before_call: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
# What that call has put in the place of the pipeline's parts.
_of_call: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
_swapping = threading.Lock()


def call_lock(network: Any) -> threading.Lock:
    """Return the lock of calls that must not overlap: one for each network."""
    return _locks.setdefault(network, threading.Lock())


@contextlib.contextmanager
def pipeline_for_call(pipe: Any, network: Any, state: OwnerState) -> Iterator[Any]:
    """Reserve a pipeline for one call, whose attributes may be replaced.

    Args:
        pipe: The pipeline.
        network: Its denoiser.
        state: What its owner has set up on it.

    Yields:
        A copy that shares all networks; with a state the pipeline itself, which is afterwards as
        it was before.
    """
    if not state.one_at_a_time:
        yield _private_copy(pipe)
        return
    with call_lock(network):
        if not state.alone:
            yield _private_copy(pipe)
            return
        own = vars(pipe)
        with _swapping:
            before = _before_call[pipe] = dict(own)
            replaced = _of_call[pipe] = {}
        # Also before: a call of the owner may have been interrupted.
        _reset(pipe)
        try:
            yield pipe
        finally:
            with _swapping:
                exchanged = {
                    name: part
                    for name, part in pipe.components.items()
                    if name in own and part is not replaced.get(name)
                }
                own.clear()
                own.update(before | exchanged)
                del _before_call[pipe], _of_call[pipe]
            _reset(pipe)


def replace_part(pipe: Any, name: str, part: Any) -> None:
    """Put a part in the place of a pipeline's, for the call that the pipeline is reserved for.

    Args:
        pipe: A pipeline from `pipeline_for_call`.
        name: The name of its part.
        part: The part of this call.
    """
    # An assignment by `setattr` would write into the pipeline's configuration.
    vars(pipe)[name] = part
    if pipe in _of_call:
        _of_call[pipe][name] = part


@contextlib.contextmanager
def as_owned(pipe: Any, network: Any) -> Iterator[Any]:
    """Read a pipeline as its owner has set it up, whatever runs on it.

    Args:
        pipe: The pipeline.
        network: Its denoiser.

    Yields:
        The pipeline, on which no call begins meanwhile; or, if there is one now, a copy without
        what the call has set.
    """
    with _swapping:
        running = pipe in _before_call
    lock = call_lock(network)
    if not running and lock.acquire(blocking=False):
        try:
            yield pipe
        finally:
            lock.release()
        return
    owned = copy.copy(pipe)
    with _swapping:
        attributes = dict(_before_call.get(pipe) or vars(pipe))
    vars(owned).clear()
    vars(owned).update(attributes)
    yield owned


def _reset(pipe: Any) -> None:
    """Clear what the hooks of diffusers have stored of a call."""
    for network in networks(pipe).values():
        for module in network.modules():
            registry = vars(module).get("_diffusers_hook")
            if registry is not None:
                registry.reset_stateful_hooks(recurse=False)


def _private_copy(pipe: Any) -> Any:
    """Return a copy that shares all networks: concurrent calls each have their own state."""
    private = copy.copy(pipe)
    if hasattr(pipe, "vae"):
        # Wan's autoencoder stores its progress in itself while it decodes.
        vars(private)["vae"] = copy.copy(pipe.vae)
    return private
