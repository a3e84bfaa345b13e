"""Floating point types of training."""

from __future__ import annotations

import functools

import torch

# Instructions of x86 and ARM processors that multiply bfloat16. Without them oneDNN emulates it and
# takes two (AVX-512) to forty times (AVX2) as long as for float32.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


@functools.cache
def compute_dtype(device: str) -> torch.dtype:
    """Return bfloat16 where a device multiplies it natively, else float32."""
    if torch.device(device).type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    return (
        torch.bfloat16 if any(capabilities.get(name) for name in _INSTRUCTIONS) else torch.float32
    )


def autocast(device: str) -> torch.autocast:
    """Return a context in which networks compute in `compute_dtype(device)`."""
    return torch.autocast(
        torch.device(device).type, torch.bfloat16, enabled=compute_dtype(device) != torch.float32
    )
