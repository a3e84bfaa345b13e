"""How precisely PyTorch computes, as a user sets it for the whole process."""

from __future__ import annotations

from typing import Any

# In `torch.backends`, by the type of a device, with the precision that it has unless it is set.
_PRODUCTS = {
    "cpu": {"mkldnn.matmul": "ieee", "mkldnn.conv": "ieee"},
    "cuda": {"cuda.matmul": "ieee", "cudnn.conv": "tf32"},
}


def product_precision(device: str) -> list[str]:
    """Return what was set to multiply float32 in another precision; empty for PyTorch's own.

    Set by `torch.set_float32_matmul_precision`, `allow_tf32` or `fp32_precision`.

    >>> torch.set_float32_matmul_precision("medium")
    >>> product_precision("cpu")
    ['mkldnn.matmul in bf16']

    Args:
        device: The type of a device.
    """
    found = []
    for name, usual in _PRODUCTS.get(device, {}).items():
        precision = _precision(name)
        if precision not in (usual, "none"):
            found.append(f"{name} in {precision}")
    return found


def precision(device: str) -> list[str]:
    """Return what decides how precisely PyTorch computes, where it was set; else empty.

    Pipelines make tables and noise of the default type of numbers.

    >>> torch.set_default_dtype(torch.bfloat16)
    >>> precision("cpu")
    ['torch.bfloat16 by default']

    Args:
        device: The type of a device.
    """
    import torch

    dtype = torch.get_default_dtype()
    usual = dtype == torch.float32
    return [*product_precision(device), *([] if usual else [f"{dtype} by default"])]


def _precision(name: str) -> str:
    import torch

    found: Any = torch.backends
    for part in name.split("."):
        found = getattr(found, part, None)
    return str(getattr(found, "fp32_precision", "none"))  # older ones lack it
