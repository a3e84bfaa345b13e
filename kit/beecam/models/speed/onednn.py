"""Matrix products on a CPU through oneDNN, with weights packed once.

PyTorch uses MKL for these, which reaches half the speed on processors that aren't Intel's: measured
on an AMD EPYC with one thread, 90 against 205 billion operations per second, and pollen in 0.57
instead of 1.06 s per clip. Both are float32; sums are added up in another order.

On processors that have instructions for it, products in bfloat16 take half the time of those in
float32, with other pixels. Only the layers of a network's blocks are cast: nearly all of its work
is there, while the few others embed the time and the position, which bfloat16 rounds too much. The
rest of the network stays in float32, and so does what goes into and comes out of each layer.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from beecam.models.batching.owner import of_library
from beecam.models.revision.precision import product_precision

# How many uses a layer's packed weights have: pipelines may share a network.
_users: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class PackedLinears:
    """Packed weights for the linear layers of a network.

    The network itself stays unchanged: outside of `used()` its layers use their own weights.
    """

    def __init__(self, network: Any, *, bfloat16: bool = False) -> None:
        """Find the linear layers on a CPU and in float32.

        Args:
            network: The network; None for no layers.
            bfloat16: Whether the layers of its blocks multiply in bfloat16.
        """
        layers = _linear_layers(network)
        self._layers = list(layers.values())
        self._cast = set(_in_blocks(layers)) if bfloat16 else set()
        self._packed: dict[Any, tuple[tuple[int, int], Callable[[Any], Any]]] = {}
        self._used: list[Any] = []
        self._uses = 0

    def use(self) -> None:
        """Use packed weights permanently, in a network that nothing else uses."""
        for layer in self._layers:
            # A copy may have those of its original, which belong to other weights.
            if getattr(layer.__dict__.get("forward"), "__module__", __name__) == __name__:
                layer.__dict__["forward"] = self._forward(layer)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Use packed weights within the context; any number of threads may do so at once."""
        with _lock:
            self._uses += 1
            if self._uses == 1:
                # What else replaced a layer's method stays, and is left as it was.
                # They may have been cast or moved since.
                self._used = [
                    one
                    for one in self._layers
                    if (one in _users or "forward" not in one.__dict__) and _fits(one)
                ]
                for layer in self._used:
                    _users[layer] = _users.get(layer, 0) + 1
                    if _users[layer] == 1:
                        layer.__dict__["forward"] = self._forward(layer)
        try:
            yield
        finally:
            with _lock:
                self._uses -= 1
                if self._uses == 0:
                    for layer in self._used:
                        _users[layer] -= 1
                        if not _users[layer]:
                            del _users[layer]
                            layer.__dict__.pop("forward", None)

    def _forward(self, layer: Any) -> Callable[[Any], Any]:
        import torch

        # Packed again when the weights have changed, in place or by replacement. Those made under
        # inference_mode count no changes; what changes them is another revision of the model.
        weight = layer.weight
        version = 0 if weight.is_inference() else weight._version  # noqa: SLF001
        state = (weight.data_ptr(), version)
        if self._packed.get(layer, (None,))[0] != state:
            dtype = torch.bfloat16 if layer in self._cast else layer.weight.dtype
            self._packed[layer] = (state, _packed(layer.weight, layer.bias, dtype))
        return self._packed[layer][1]


def _linear_layers(network: Any) -> dict[str, Any]:
    """Return a network's linear layers on a CPU and in float32, by their names."""
    return {
        name: layer
        for name, layer in (network.named_modules() if network is not None else ())
        if _fits(layer)
    }


def _fits(layer: Any) -> bool:
    """Return whether a layer is a plain product with its own weights, on a CPU and in float32.

    Weights of a class of their own may multiply otherwise, and those that a hook computes before
    each call, as in `spectral_norm`, aren't known yet.
    """
    import torch

    if type(layer) is not torch.nn.Linear or layer._forward_pre_hooks or not _linear_is_plain():  # noqa: SLF001
        return False
    own = layer._parameters  # noqa: SLF001
    weight, bias = own.get("weight"), own.get("bias", ...)
    return (
        type(weight) is torch.nn.Parameter
        and (bias is None or type(bias) is torch.nn.Parameter)
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
    )


def _linear_is_plain() -> bool:
    """Return whether PyTorch's own functions are in their places, in their own precision."""
    import torch

    product = isinstance(torch.nn.functional.linear, types.BuiltinFunctionType)
    own = product and of_library(torch.nn.Linear.forward)
    return own and not product_precision("cpu")


def _in_blocks(layers: dict[str, Any]) -> list[Any]:
    """Return the layers that belong to one of several equal parts, which are numbered."""
    return [layer for name, layer in layers.items() if any(map(str.isdecimal, name.split(".")))]


def available() -> bool:
    """Return whether oneDNN is available and agrees with PyTorch."""
    import torch

    return _agrees(torch.float32, 1e-4)


@functools.cache
def multiplies_bfloat16() -> bool:
    """Return whether this processor has instructions for products in bfloat16.

    Others multiply in float32 and round, which is slower than float32 itself.
    """
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        found = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
    else:  # PyTorch before 2.10
        found = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    return bool(found) and _agrees(torch.bfloat16, 0.1)


def can_use_bfloat16(network: Any) -> bool:
    """Return whether a network has layers whose products take less time in bfloat16 here."""
    return multiplies_bfloat16() and bool(_in_blocks(_linear_layers(network)))


def _agrees(dtype: Any, tolerance: float) -> bool:
    """Return whether oneDNN multiplies in a dtype, and agrees with PyTorch."""
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # Not random, so that PyTorch's generator gives the same numbers afterwards.
    x, weight = torch.linspace(-1, 1, 24).view(3, 8), torch.linspace(-1, 2, 40).view(5, 8)
    bias = torch.linspace(0, 1, 5)
    try:
        found = _packed(weight, bias, dtype)(x)
    except (AttributeError, RuntimeError, TypeError):
        # The operators belong to the compiler and aren't a public interface: they may go.
        return False
    return torch.allclose(found, torch.nn.functional.linear(x, weight, bias), atol=tolerance)


def _packed(weight: Any, bias: Any, dtype: Any) -> Callable[[Any], Any]:
    """Return the forward pass of a linear layer that multiplies in a dtype."""
    import torch

    operators = torch.ops.mkldnn
    packed = operators._reorder_linear_weight(weight.detach().to(dtype), None)  # noqa: SLF001
    bias = None if bias is None else bias.detach().to(dtype)

    def forward(input: Any) -> Any:  # noqa: A002  (some networks name it)
        cast = input.to(dtype)
        product = operators._linear_pointwise(cast, packed, bias, "none", [], "")  # noqa: SLF001
        return product.to(input.dtype)

    return forward
