"""The device of a pipeline, its memory, and what else decides speed and last bits."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

_SMALL = 100_000_000  # parameters
_GIGABYTE = 1e9
_LIBRARIES = ("torch", "diffusers", "transformers")


def device_of(pipe: Any) -> Any:
    """Return the torch device on which a pipeline computes, wherever its components are now."""
    import torch

    device = pipe.device
    if device.type == "cpu" and not torch.accelerator.is_available():
        return device  # there is no other; what follows looks at every module for hooks
    return getattr(pipe, "_execution_device", device)


def device_name(device: Any) -> str:
    """Return the product name of a device."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return _processor() if device.type in ("cpu", "mps") else str(device.type)


@functools.cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def is_small_on_cpu(pipe: Any, network: Any) -> bool:
    """Return whether one thread per clip is faster than all threads for one clip.

    Args:
        pipe: The pipeline.
        network: Its denoiser, or None.
    """
    if network is None:
        return False
    parameters = sum(p.numel() for p in network.parameters())
    return str(pipe.device) == "cpu" and parameters < _SMALL


def memory(device: Any) -> tuple[int, int] | None:
    """Return how many bytes of a device's memory are free, and how many it has; None if unknown.

    What torch has reserved counts as free: the next batch gets it.
    """
    import torch

    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held, total
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return total - torch.mps.current_allocated_memory(), total
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return known["MemAvailable"], known["MemTotal"]
    return None


def memory_in_words(known: tuple[int, int] | None) -> str:
    """Return free and total memory as text."""
    if known is None:
        return "not known"
    return f"{known[0] / _GIGABYTE:.1f} GB free of {known[1] / _GIGABYTE:.1f} GB"


class MemoryMeter:
    """Measures how much of a device's memory a batch takes.

    Attributes:
        share: The peak as a share of what was free before; None where that isn't known.
    """

    def __init__(self, device: Any) -> None:
        """Measure a device."""
        self.share: float | None = None
        self._device = device
        self._before = self._free = 0

    def __enter__(self) -> Self:
        import torch

        if self._device.type == "cuda":
            self._before = torch.cuda.memory_allocated(self._device)
            self._free = (memory(self._device) or (0, 0))[0]
        return self

    def __exit__(self, *error: object) -> None:
        import torch

        if self._free:
            # The peak of all batches so far: the counter belongs to the user, and is not reset.
            peak = torch.cuda.max_memory_allocated(self._device)
            self.share = (peak - self._before) / self._free


@functools.cache
def versions() -> Mapping[str, str]:
    """Return the versions of the libraries that decide a clip's last bits."""
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def dtypes(pipe: Any) -> str:
    """Return the dtypes of a pipeline's networks, each once: "bfloat16, float32"."""
    kinds = {str(part.dtype) for part in networks(pipe).values() if hasattr(part, "dtype")}
    return ", ".join(sorted(kind.removeprefix("torch.") for kind in kinds))


def networks(pipe: Any) -> dict[str, Any]:
    """Return a pipeline's networks by their names in it."""
    import torch

    return {n: p for n, p in pipe.components.items() if isinstance(p, torch.nn.Module)}


def offload(pipe: Any) -> str:
    """Return how a pipeline is offloaded: "none", "model" or "sequential"."""
    for part in networks(pipe).values():
        if "Align" in type(getattr(part, "_hf_hook", None)).__name__ or any(
            "Align" in type(getattr(one, "_hf_hook", None)).__name__ for one in part.children()
        ):
            return "sequential"
    return "model" if getattr(pipe, "_all_hooks", None) else "none"


def speed_options(pipe: Any) -> list[str]:
    """Return what is switched on that changes speed, memory or last bits."""
    import torch

    found = []
    if (how := offload(pipe)) != "none":
        found.append(f"{how} offload")
    vae = getattr(pipe, "vae", None)
    found += [f"vae {n}" for n in ("slicing", "tiling") if getattr(vae, f"use_{n}", False)]
    for name, part in networks(pipe).items():
        # A network may be compiled in place, or wrapped by a compiled one.
        if type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None):
            found.append(f"{name} compiled")
        if getattr(part, "peft_config", None):
            found.append(f"{name} with adapters")
        if hasattr(part, "hf_quantizer") or getattr(part, "is_quantized", False):
            found.append(f"{name} quantized")
        if type(getattr(part, "_diffusers_hook", None)).__name__ == "HookRegistry" and getattr(
            part, "_cache_config", None
        ):
            found.append(f"{name} cached")
    if torch.backends.cuda.matmul.allow_tf32:
        found.append("tf32 products")
    if torch.backends.cudnn.benchmark:
        found.append("cudnn benchmark")
    return found


def environment_key(pipe: Any) -> str:
    """Return in one line what decides the speed and last bits of a pipeline, besides itself."""
    import torch

    device = device_of(pipe)
    parts = [
        str(device.type),
        device_name(device),
        f"{cores()} cores",
        f"{torch.get_num_threads()} threads",
        dtypes(pipe),
        *(f"{name} {version}" for name, version in versions().items()),
        *speed_options(pipe),
    ]
    return "; ".join(parts)
