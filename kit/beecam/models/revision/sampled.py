"""Samples of tensors and arrays, to compare them and to digest them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

_COMPLETE = 4096  # values
_SAMPLES = 1024
_DIGITS = 16
# The same buffer computed on another processor may differ in its last bits.
_TOLERANCE = 4  # units in the last place


class Sample:
    """Some values of a tensor or an array: all of a small one, 1,024 of a large one.

    Equal are samples of one shape with values that differ in their last bits only. One of a tensor
    without memory equals none. As text it is a digest.
    """

    def __init__(self, tensor: Any) -> None:
        """Read the values.

        Args:
            tensor: A tensor, or an array of numbers.
        """
        import torch

        self._shape = tuple(tensor.shape)
        tensor = _plain(torch.as_tensor(tensor)).detach()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        self._values: Any = None
        if tensor.device.type == "meta":
            return
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        floating = tensor.is_floating_point()
        self._tolerance = _TOLERANCE * torch.finfo(tensor.dtype).eps if floating else 0.0
        flat = tensor.flatten()
        if flat.numel() > _COMPLETE:
            flat = flat[:: flat.numel() // _SAMPLES]
        # Without a copy it would follow what it was taken from.
        self._values = flat.to("cpu", torch.float64, copy=True)

    def __eq__(self, other: object) -> bool:
        """Compare two samples."""
        import torch

        if not isinstance(other, Sample) or self._shape != other._shape:
            return NotImplemented if not isinstance(other, Sample) else False
        if self._values is None or other._values is None:
            return False
        tolerance = max(self._tolerance, other._tolerance)
        return torch.allclose(
            self._values, other._values, rtol=tolerance, atol=tolerance, equal_nan=True
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return shape and digest."""
        if self._values is None:
            return f"{self._shape}"
        digest = hashlib.sha256(self._values.numpy().tobytes()).hexdigest()
        return f"{self._shape} {digest[:_DIGITS]}"


def is_numbers(value: Any) -> bool:
    """Return whether a value is a tensor or an array of numbers, of which there is a sample.

    >>> is_numbers(np.arange(3)), is_numbers([1, 2])
    (True, False)
    """
    kind = type(value)
    if issubclass(kind, type):
        return False
    return hasattr(kind, "detach") or (kind.__name__ == "ndarray" and value.dtype.kind in "biufc")


def tensors_of(network: Any) -> dict[str, Any]:
    """Return the weights and buffers of a network by their names.

    >>> sorted(tensors_of(torch.nn.Linear(2, 3)))
    ['bias', 'weight']
    """
    state = network.state_dict()
    return {key: tensor for name, one in state.items() for key, tensor in _tensors(name, one)}


def _tensors(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a state; quantized layers have a tuple of them."""
    if isinstance(value, (tuple, list)):
        for i, one in enumerate(value):
            yield from _tensors(f"{key}.{i}", one)
    elif hasattr(value, "__tensor_flatten__"):
        # A tensor of a class of its own around others, such as integers with their scales.
        for name in value.__tensor_flatten__()[0]:
            yield from _tensors(f"{key}.{name}", getattr(value, name))
    elif hasattr(value, "detach"):
        yield key, _plain(value)


def _plain(tensor: Any) -> Any:
    """Return a tensor without the functions of a class of its own."""
    import torch

    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    return tensor if plain else tensor.as_subclass(torch.Tensor)
