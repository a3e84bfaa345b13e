"""Faster with other pixels, by choice: what `speed=` switches on, and what that changes.

* cache: TaylorSeer (arXiv 2503.06923, the lite form of diffusers): at some steps the network's
  answer is continued from the steps before, at the same steps for every clip, so that no clip's
  pixels depend on its neighbours.
* attention: a quicker kernel on CUDA.
* compiled: the network's blocks by torch.compile, once for each shape.
* fewer steps, with a scheduler that needs fewer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from beecam.errors import ModelError, did_you_mean, listing, shorten

if TYPE_CHECKING:
    from beecam.models.adapter import DiffusersModel
    from beecam.models.ways import Way
    from beecam.shot import Shot

SPEEDS = ("exact", "balanced", "fast")
_QUICK_SCHEDULER = "UniPCMultistepScheduler"
_ALIKE = 99.0  # dB; what equal clips are given


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
    """

    name: str = "exact"
    cache: int | None = None
    compiled: bool = False
    attention: str | None = None
    scheduler: str | None = None
    steps: float = 1.0

    def of(self, way: Way) -> Speed:
        """Return what of it one of the model's ways can use."""
        own = way.family.own_timesteps
        return replace(
            self, cache=self.cache if way.names_its_calls else None,
            scheduler=None if own else self.scheduler, steps=1.0 if own else self.steps,
        )  # fmt: skip

    @property
    def words(self) -> tuple[str, ...]:
        """What is switched on, as a shot's key has it."""
        found = []
        if self.cache:
            found.append(f"taylorseer {self.cache}")
        if self.compiled:
            found.append("compiled")
        if self.attention:
            found.append(f"attention {self.attention}")
        return tuple(found)

    def __str__(self) -> str:
        more = [f"{self.scheduler} in {self.steps:g} of the steps"] if self.scheduler else []
        if self.name == "exact":
            return "exact: the pixels of the plain pipeline"
        return f"{self.name}: {listing([*self.words, *more]) or 'nothing that it can switch on'}"


def speed_of(name: str | None, way: Way, schedulers: list[str]) -> Speed:
    """Return what a speed means for a pipeline: what it can't do is left out.

    Args:
        name: One of `SPEEDS`; None is "exact".
        way: That of the pipeline itself.
        schedulers: Those that it can use.

    Raises:
        ModelError: There is no such speed.
    """
    if name in (None, "exact"):
        return Speed()
    if name not in SPEEDS:
        raise ModelError(
            f"speed={shorten(name)}: one of {listing(SPEEDS)}.{did_you_mean(name, SPEEDS)}"
        )
    denoiser = way.anatomy.denoiser
    on_cuda = str(way.pipe.device).startswith("cuda")
    fast = name == "fast"
    quick = fast and _QUICK_SCHEDULER in schedulers
    return Speed(
        name, cache=(3 if fast else 2) if way.names_its_calls and _can_cache(denoiser) else None,
        # On a CPU it takes a minute, for clips that take seconds.
        compiled=on_cuda and hasattr(denoiser, "compile_repeated_blocks"),
        attention="_native_cudnn" if on_cuda and _can_attend(denoiser) else None,
        scheduler=_QUICK_SCHEDULER if quick else None, steps=0.5 if quick else 1.0,
    )  # fmt: skip


def _can_cache(denoiser: Any) -> bool:
    """Whether the cache knows the network's blocks: it is tried, and taken off again."""
    if not hasattr(denoiser, "enable_cache"):
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


class Switches:
    """Switches a speed on for a network, and off again: its owner finds it as it was."""

    def __init__(self, denoiser: Any) -> None:
        """Begin with all off."""
        self._denoiser = denoiser
        self._compiled: dict[Any, Any] = {}

    def on(self, speed: Speed) -> None:
        """Switch on."""
        if speed.cache:
            self._denoiser.enable_cache(_cache(speed.cache))
        if speed.attention:
            self._denoiser.set_attention_backend(speed.attention)
        if speed.compiled:
            if not self._compiled:
                self._denoiser.compile_repeated_blocks(fullgraph=True)
                self._compiled = {
                    part: part._compiled_call_impl  # noqa: SLF001
                    for part in self._denoiser.modules()
                    if part._compiled_call_impl is not None  # noqa: SLF001
                }
            for part, call in self._compiled.items():
                part._compiled_call_impl = call  # noqa: SLF001

    def off(self, speed: Speed) -> None:
        """Switch off."""
        if speed.cache:
            self._denoiser.disable_cache()
        if speed.attention:
            self._denoiser.reset_attention_backend()
        for part in self._compiled if speed.compiled else ():
            part._compiled_call_impl = None  # noqa: SLF001


@dataclass(frozen=True)
class Compared:
    """One shot, made at a model's speed and exactly.

    Attributes:
        speed: What was switched on.
        seconds: Of the quick clip.
        exact_seconds: Of the exact one.
        psnr: How alike they are, in dB; over 40 few people see a difference.
        largest: The greatest difference of a colour, of 255.
    """

    speed: Speed
    seconds: float
    exact_seconds: float
    psnr: float
    largest: int

    def __str__(self) -> str:
        return (
            f"{self.speed}; {self.exact_seconds / self.seconds:.2f} times as fast "
            f"({self.seconds:.2f} s a clip), {self.psnr:.1f} dB from the exact clip "
            f"(at most {self.largest} of 255)"
        )


def compare(model: DiffusersModel, shot: Shot, repeats: int = 3) -> Compared:
    """Measure what a model's speed gives and what it changes.

    >>> print(compare(bc.load(speed="fast"), bc.shot("a bee over a meadow")))

    Args:
        model: Loaded with a `speed`.
        shot: What is made, alone; what it leaves open is each model's own default.
        repeats: How often, after a first time that warms up; the quickest counts.
    """
    found = []
    for one in (model, model.at_speed("exact")):
        full = one.resolve(shot)
        made = one.generate([full])[0].frames
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            one.generate([full])
            times.append(time.perf_counter() - started)
        found.append((made, min(times)))
    (quick, seconds), (exact, exact_seconds) = found
    off = quick.astype(float) - exact
    error = float(np.mean(off**2))
    psnr = 10 * float(np.log10(255**2 / error)) if error else _ALIKE
    return Compared(model.speed, seconds, exact_seconds, psnr, int(np.abs(off).max()))
