"""Build a network without memory to see how large its configuration makes it, before it is loaded.

Single numbers are limited by `config_numbers`; how they multiply into tables of positions, masks
and weights only the network's own code knows. It runs here on torch's device "meta", where tensors
have a shape and no content.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from beecam._util.silence import silent_loggers
from beecam.errors import join_words

# Weights of 4 bits are built with 32, and tables are computed.
_PER_BYTE = 8
_ANYWAY = 2**29  # bytes
_LARGEST = 3  # numbers that a message names
_LIBRARIES = ("diffusers", "transformers")


class _TooLargeError(Exception):
    """A tensor needs more memory than a network may."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def size_problems(folder: Path, parts: Mapping[str, Any]) -> Iterator[str]:
    """Yield which components of a pipeline would need far more memory than their weights.

    Args:
        folder: The folder of a pipeline whose files were found to be safe.
        parts: What its index holds: the library and class of each component by its name.
    """
    for name, value in parts.items():
        config = folder / name / "config.json"
        kind = _class_of(value)
        if kind is None or not config.is_file():
            continue
        stored = sum(path.stat().st_size for path in (folder / name).glob("*.safetensors"))
        values = json.loads(config.read_text("utf-8"))
        most = _PER_BYTE * stored + _ANYWAY
        size = _built_size(kind, values, most, weights=stored > 0)
        if size > most:
            yield (
                f"{name}/config.json describes a network of {_gigabytes(size)} or more, where its "
                f"weights have {_gigabytes(stored)}; at most {_gigabytes(most)} are possible. Its "
                f"largest numbers are {join_words(_largest_numbers(values))}."
            )


def _class_of(value: Any) -> Any:
    """Return the class of a network in an entry of an index; None if it isn't one."""
    import importlib

    import torch

    if not isinstance(value, list) or value[0] not in _LIBRARIES:
        return None
    kind = getattr(importlib.import_module(value[0]), str(value[1]), None)
    return kind if isinstance(kind, type) and issubclass(kind, torch.nn.Module) else None


def _built_size(kind: Any, values: Mapping[str, Any], most: int, *, weights: bool) -> int:
    """Return how many bytes a network has that is built in float32; 0 if it can't be built.

    Args:
        kind: Its class.
        values: Its configuration.
        most: The largest allowed number, over which no tensor is made.
        weights: Whether its weights count, besides its tables.
    """
    import torch

    try:
        with silent_loggers(*_LIBRARIES), torch.device("meta"), _watch(most if weights else None):
            if hasattr(kind, "from_config"):
                network = kind.from_config(dict(values))
            else:
                network = kind(kind.config_class.from_dict(dict(values)))
    except _TooLargeError as error:
        return error.size
    except Exception:  # noqa: BLE001  (loading it says why)
        return 0
    tensors = [*network.buffers(), *(network.parameters() if weights else ())]
    return sum(one.numel() * one.element_size() for one in tensors)


def _watch(most: int | None) -> Any:
    """Return a context in which tensors have no memory, and none can be larger than allowed."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if kwargs.get("device") is not None:
                kwargs["device"] = torch.device("meta")
            found = func(*args, **kwargs)
            for one in found if isinstance(found, (tuple, list)) else [found]:
                size = one.numel() * one.element_size() if isinstance(one, torch.Tensor) else 0
                if most is not None and size > most:
                    raise _TooLargeError(size)
            return found

    return Watch()  # type: ignore[no-untyped-call]


def _largest_numbers(values: Mapping[str, Any]) -> list[str]:
    """Return the largest integers of a configuration, with their names."""
    numbers = {n: v for n, v in values.items() if type(v) is int}
    largest = sorted(numbers, key=lambda name: -numbers[name])[:_LARGEST]
    return [f"{name}={numbers[name]}" for name in largest]


def _gigabytes(size: int) -> str:
    return f"{math.ceil(size / 1e7) / 100:g} GB"
