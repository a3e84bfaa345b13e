"""Compiled networks within the contexts in which the functions of torch are watched."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from beecam.models.batching.device import networks
from beecam.models.batching.owner import is_compiled
from beecam.models.denoise.noise import not_watched


@contextlib.contextmanager
def compiled_not_watched(pipe: Any) -> Iterator[None]:
    """Call what is compiled on a pipeline as if it were called alone.

    A graph is compiled for the contexts around its call, and `fullgraph=True` refuses those that it
    can't see into. A network draws no random numbers, so nothing is lost.

    Args:
        pipe: A pipeline that is reserved for one call.
    """
    compiled = [
        (vars(module), name, value)
        for network in networks(pipe).values()
        for module in network.modules()
        for name, value in list(vars(module).items())
        if is_compiled(name, value)
    ]
    for own, name, value in compiled:
        own[name] = _outside(value)
    try:
        yield
    finally:
        for own, name, value in compiled:
            own[name] = value


def _outside(compiled: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compiled)
    def call(*args: Any, **kwargs: Any) -> Any:
        with not_watched():
            return compiled(*args, **kwargs)

    return call
