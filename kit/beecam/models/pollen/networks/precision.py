"""Which numbers training computes with."""

from __future__ import annotations

import functools

import torch

# Of x86 and of ARM processors. oneDNN takes bfloat16 where they are not there too, and needs twice
# (AVX-512) to forty times (AVX2) as long for it as for float32.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


@functools.cache
def number(device: str) -> torch.dtype:
    """Return bfloat16 where a device multiplies in it, else float32."""
    if torch.device(device).type != "cpu":
        return torch.bfloat16
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(can.get(name) for name in _INSTRUCTIONS) else torch.float32


def autocast(device: str) -> torch.autocast:
    """Let networks compute in `number(device)`."""
    return torch.autocast(
        torch.device(device).type, torch.bfloat16, enabled=number(device) != torch.float32
    )
