"""Build a network without memory for its weights, but with the tables that it computes."""

from __future__ import annotations

import functools
from typing import Any

# What weights are created with, before they are loaded; tables such as positions are computed.
_UNFILLED = ("empty", "empty_strided", "rand", "randn")


def weights_without_memory() -> Any:
    """Return a context in which tensors that nothing was written to yet have no memory."""
    return _mode_class()()


@functools.cache
def _mode_class() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    unfilled = {getattr(torch, name) for name in _UNFILLED}

    class WithoutMemory(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func in unfilled:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    return WithoutMemory
