"""Faster with other pixels, by choice: what `speed=` switches on, and what that changes.

* cache: TaylorSeer (arXiv 2503.06923, the lite form of diffusers): at some steps the network's
  answer is continued from the steps before, at the same steps for every clip, so that no clip's
  pixels depend on its neighbours.
* attention: a quicker kernel on CUDA.
* compiled: the network's blocks by torch.compile, once for each shape.
* fewer steps, with a scheduler that needs fewer; or, where a LoRA ships with the weights that was
  trained for it, a few steps without guidance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam.errors import ModelError, did_you_mean, join_words, shorten

if TYPE_CHECKING:
    from beecam.models.diffusers.tasks import Task

SPEEDS = ("exact", "balanced", "fast")
_QUICK_SCHEDULER = "UniPCMultistepScheduler"
_FEW_STEPS = "few_steps"  # the folder of a LoRA that was trained for few steps, beside the weights
_SHARE = 0.2  # of the usual steps, which is what such a LoRA was trained for


@dataclass(frozen=True)
class FewSteps:
    """A LoRA with which few steps without guidance show what many guided ones do.

    Attributes:
        file: In safetensors, with the names that diffusers gives the layers.
        digest: Of its content.
    """

    file: Path
    digest: str

    @classmethod
    def beside(cls, folder: Path | None) -> FewSteps | None:
        """Return the one that lies beside a model's weights, if there is one."""
        files = sorted((folder / _FEW_STEPS).glob("*.safetensors")) if folder else []
        if not files:
            return None
        return cls(files[0], hashlib.sha256(files[0].read_bytes()).hexdigest()[:12])

    def __str__(self) -> str:
        return f"few steps {self.digest}"

    def merge(self, name: str, network: Any) -> None:
        """Add it to a network's weights, which are then its own and no longer shared.

        Args:
            name: What the pipeline calls the network.
            network: Its layers that the LoRA doesn't name stay as they are.
        """
        import torch
        from safetensors.torch import load_file

        kept = load_file(self.file)
        for key in kept:
            layer = key.removeprefix(f"{name}.").removesuffix(".lora_A.weight")
            if not key.startswith(f"{name}.") or not key.endswith(".lora_A.weight"):
                continue
            module = network.get_submodule(layer)
            module = getattr(module, "base_layer", module)  # where other LoRAs are loaded
            down, up = kept[key], kept[key.replace("lora_A", "lora_B")]
            more = (up.float() @ down.float()).to(module.weight)
            module.weight = torch.nn.Parameter(module.weight.detach() + more, requires_grad=False)


@dataclass(frozen=True)
class Speed:
    """What is switched on.

    Attributes:
        name: One of `SPEEDS`.
        cache: Of so many steps the network does one, and the others continue it; None for all.
        compiled: Whether its blocks are compiled.
        attention: The name of an attention kernel in diffusers, or None for the usual.
        scheduler: The scheduler of shots that name none, or None for the pipeline's own.
        steps: The share of the usual steps that shots have which say nothing else.
        few_steps: A LoRA with which few steps without guidance are enough, or None.
    """

    name: str = "exact"
    cache: int | None = None
    compiled: bool = False
    attention: str | None = None
    scheduler: str | None = None
    steps: float = 1.0
    few_steps: FewSteps | None = None

    def of(self, way: Task) -> Speed:
        """Return what of it one of the model's ways can use."""
        own = way.family.own_timesteps
        # A LoRA for few steps has learnt from texts alone.
        few = None if way.takes else self.few_steps
        exact = own or (self.few_steps is not None and few is None)
        return replace(
            self,
            cache=self.cache if way.names_its_calls else None,
            few_steps=few,
            scheduler=None if own else self.scheduler,
            steps=1.0 if exact else self.steps,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """What is switched on, as a shot's key has it."""
        found = []
        if self.few_steps:
            found.append(str(self.few_steps))
        if self.cache:
            found.append(f"taylorseer {self.cache}")
        if self.compiled:
            found.append("compiled")
        if self.attention:
            found.append(f"attention {self.attention}")
        return tuple(found)

    @property
    def guidance(self) -> float | None:
        """The guidance of shots that say nothing else, or None for the usual."""
        return 1.0 if self.few_steps else None

    def __str__(self) -> str:
        more = [f"{self.scheduler} in {self.steps:g} of the steps"] if self.scheduler else []
        if self.name == "exact":
            return "exact: the pixels of the plain pipeline"
        return f"{self.name}: {join_words([*self.words, *more]) or 'nothing that it can switch on'}"


def speed_of(
    name: str | None, way: Task, schedulers: list[str], few_steps: FewSteps | None = None
) -> Speed:
    """Return what a speed means for a pipeline: what it can't do is left out.

    Args:
        name: One of `SPEEDS`; None is "exact".
        way: That of the pipeline itself.
        schedulers: Those that it can use.
        few_steps: What ships with its weights, if anything.

    Raises:
        ModelError: There is no such speed.
    """
    if name in (None, "exact"):
        return Speed()
    if name not in SPEEDS:
        raise ModelError(
            f"speed={shorten(name)}: one of {join_words(SPEEDS)}.{did_you_mean(name, SPEEDS)}"
        )
    denoiser = way.anatomy.denoiser
    on_cuda = str(way.pipe.device).startswith("cuda")
    fast = name == "fast"
    if fast and few_steps:
        return Speed(name, few_steps=few_steps, steps=_SHARE)
    quick = fast and _QUICK_SCHEDULER in schedulers
    return Speed(
        name,
        cache=(3 if fast else 2) if way.names_its_calls and _can_cache(denoiser) else None,
        # On a CPU it takes a minute, for clips that take seconds.
        compiled=on_cuda and hasattr(denoiser, "compile_repeated_blocks"),
        attention="_native_cudnn" if on_cuda and _can_attend(denoiser) else None,
        scheduler=_QUICK_SCHEDULER if quick else None,
        steps=0.5 if quick else 1.0,
    )


def _can_cache(denoiser: Any) -> bool:
    """Whether the cache knows the network's blocks: it is tried, and taken off again."""
    # What moves a network's weights about knows the modules that it was told of, and no others.
    if not hasattr(denoiser, "enable_cache") or hasattr(denoiser, "_hf_hook"):
        return False
    try:
        denoiser.enable_cache(_cache(2))
        denoiser.disable_cache()
    except Exception:  # noqa: BLE001  (whatever it raises, it can't be had)
        return False
    return True


def _can_attend(denoiser: Any) -> bool:
    try:
        denoiser.set_attention_backend("_native_cudnn")
        denoiser.reset_attention_backend()
    except Exception:  # noqa: BLE001  (whatever it raises, it can't be had)
        return False
    return True


def _cache(interval: int) -> Any:
    from diffusers import TaylorSeerCacheConfig

    return TaylorSeerCacheConfig(
        cache_interval=interval, disable_cache_before_step=3, max_order=1, use_lite_mode=True
    )


def enable_speed(network: Any, speed: Speed) -> None:
    """Switch on, for good, what a network can do of a speed."""
    if speed.cache:
        network.enable_cache(_cache(speed.cache))
    if speed.attention:
        network.set_attention_backend(speed.attention)
    if speed.compiled:
        network.compile_repeated_blocks(fullgraph=True)
