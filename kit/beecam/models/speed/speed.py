"""Speeds that change pixels, by choice: what `speed=` switches on.

* cache: TaylorSeer (arXiv 2503.06923, the lite form of diffusers): at some steps the network's
  output is extrapolated from the steps before, at the same steps for every clip, so that no clip's
  pixels depend on its neighbours.
* bfloat16: the network's matrix products, for a small one on a CPU that has instructions for it.
* attention: a faster kernel on CUDA.
* compiled: the network's blocks by torch.compile, once per shape.
* fewer steps, with a scheduler that needs fewer; or, where a LoRA that was trained for it ships
  with the weights, a few steps without guidance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beecam.errors import CheckError, Problem, did_you_mean, join_words, shorten
from beecam.models.speed.onednn import can_use_bfloat16

SPEEDS = ("exact", "balanced", "fast")
BFLOAT16 = "bfloat16 products"
_FAST_SCHEDULER = "UniPCMultistepScheduler"
_FEW_STEPS = "few_steps"  # the folder of a LoRA that was trained for few steps, next to the weights
_FEW_STEPS_SHARE = 0.2  # of the usual steps, which is what such a LoRA was trained for


@dataclass(frozen=True)
class FewSteps:
    """A LoRA with which few steps without guidance look like many guided ones.

    Attributes:
        file: A safetensors file with the layer names of diffusers.
        digest: A digest of its content.
    """

    file: Path
    digest: str

    @classmethod
    def beside(cls, folder: Path | None) -> FewSteps | None:
        """Return the LoRA next to a model's weights, or None."""
        files = sorted((folder / _FEW_STEPS).glob("*.safetensors")) if folder else []
        if not files:
            return None
        return cls(files[0], hashlib.sha256(files[0].read_bytes()).hexdigest()[:12])

    def __str__(self) -> str:
        return f"few steps {self.digest}"

    def merge(self, name: str, network: Any) -> None:
        """Add the LoRA to a network's weights, which are then no longer shared.

        Args:
            name: The network's name in the pipeline.
            network: The network; layers that the LoRA doesn't name stay unchanged.
        """
        import torch
        from safetensors.torch import load_file

        weights = load_file(self.file)
        for key in weights:
            layer = key.removeprefix(f"{name}.").removesuffix(".lora_A.weight")
            if not key.startswith(f"{name}.") or not key.endswith(".lora_A.weight"):
                continue
            module = network.get_submodule(layer)
            module = getattr(module, "base_layer", module)  # where other LoRAs are loaded
            down, up = weights[key], weights[key.replace("lora_A", "lora_B")]
            more = (up.float() @ down.float()).to(module.weight)
            module.weight = torch.nn.Parameter(module.weight.detach() + more, requires_grad=False)


@dataclass(frozen=True)
class Speed:
    """What is switched on.

    Attributes:
        name: One of `SPEEDS`.
        cache: The network runs at one step in this many, and the others are extrapolated; None to
            run it at all steps.
        bfloat16: Whether the network's blocks multiply in bfloat16, on a CPU.
        compiled: Whether the network's blocks are compiled.
        attention: The name of an attention kernel in diffusers, or None for the usual one.
        scheduler: The scheduler of shots that name none, or None for the pipeline's own.
        steps: The share of the usual steps for shots that set no number of steps.
        few_steps: A LoRA with which few steps without guidance are enough, or None.
    """

    name: str = "exact"
    cache: int | None = None
    bfloat16: bool = False
    compiled: bool = False
    attention: str | None = None
    scheduler: str | None = None
    steps: float = 1.0
    few_steps: FewSteps | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What is switched on, as it is part of a shot's key."""
        found = []
        if self.few_steps:
            found.append(str(self.few_steps))
        if self.cache:
            found.append(f"taylorseer {self.cache}")
        if self.bfloat16:
            found.append(BFLOAT16)
        if self.compiled:
            found.append("compiled")
        if self.attention:
            found.append(f"attention {self.attention}")
        return tuple(found)

    @property
    def guidance(self) -> float | None:
        """The guidance of shots that set none, or None for the usual one."""
        return 1.0 if self.few_steps else None

    def __str__(self) -> str:
        more = [f"{self.scheduler} in {self.steps:g} of the steps"] if self.scheduler else []
        if self.name == "exact":
            return "exact: the pixels of the plain pipeline"
        parts = join_words([*self.labels, *more])
        return f"{self.name}: {parts or 'nothing that it can switch on'}"


def speed_of(
    name: str | None,
    network: Any,
    *,
    device: str,
    small: bool,
    uses_cache_context: bool,
    schedulers: list[str],
    few_steps: FewSteps | None = None,
) -> Speed:
    """Return what a speed means for a pipeline; what the pipeline can't do is left out.

    Args:
        name: One of `SPEEDS`; None is "exact".
        network: The pipeline's denoiser.
        device: The device that it runs on.
        small: Whether it is a small denoiser on a CPU, whose layers may be packed.
        uses_cache_context: Whether the pipeline names its network's calls, as caches need.
        schedulers: The schedulers that it can use.
        few_steps: The LoRA that ships with its weights, if any.

    Raises:
        CheckError: The speed does not exist.
    """
    if name in (None, "exact"):
        return Speed()
    if name not in SPEEDS:
        reason = f"speed={shorten(name)}: one of {join_words(SPEEDS)}.{did_you_mean(name, SPEEDS)}"
        raise CheckError([Problem("speed", reason)])
    on_cuda = device.startswith("cuda")
    fast = name == "fast"
    if fast and few_steps:
        # In float32, as it was scored; few steps take less time than all that is around them.
        return Speed(name, few_steps=few_steps, steps=_FEW_STEPS_SHARE)
    fewer = fast and _FAST_SCHEDULER in schedulers
    return Speed(
        name,
        cache=(3 if fast else 2) if uses_cache_context and _can_cache(network) else None,
        # Of a large network, a second copy of the weights may not fit into memory.
        bfloat16=small and can_use_bfloat16(network),
        # On a CPU compiling takes a minute, for clips that take seconds.
        compiled=on_cuda and hasattr(network, "compile_repeated_blocks"),
        attention="_native_cudnn" if on_cuda and _can_attend(network) else None,
        scheduler=_FAST_SCHEDULER if fewer else None,
        steps=0.5 if fewer else 1.0,
    )


def _can_cache(denoiser: Any) -> bool:
    """Return whether the cache knows the network's blocks: enable it, and disable it again."""
    # Offloading hooks know the modules that they were attached to, and no others.
    if not hasattr(denoiser, "enable_cache") or hasattr(denoiser, "_hf_hook"):
        return False
    try:
        denoiser.enable_cache(_cache(2))
        denoiser.disable_cache()
    except Exception:  # noqa: BLE001  (any error means that it isn't available)
        return False
    return True


def _can_attend(denoiser: Any) -> bool:
    """Return whether the network can use the kernel: enable it, and disable it again."""
    try:
        denoiser.set_attention_backend("_native_cudnn")
        denoiser.reset_attention_backend()
    except Exception:  # noqa: BLE001  (any error means that it isn't available)
        return False
    return True


def _cache(interval: int) -> Any:
    from diffusers import TaylorSeerCacheConfig

    return TaylorSeerCacheConfig(
        cache_interval=interval, disable_cache_before_step=3, max_order=1, use_lite_mode=True
    )


def enable_speed(network: Any, speed: Speed) -> None:
    """Switch on, permanently, what a network can do of a speed."""
    if speed.cache:
        network.enable_cache(_cache(speed.cache))
    if speed.attention:
        network.set_attention_backend(speed.attention)
    if speed.compiled:
        network.compile_repeated_blocks(fullgraph=True)
