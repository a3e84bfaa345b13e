"""The random numbers of a batch: a generator per clip, and mixes of several seeds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from beecam.shots.noise import Noise
from beecam.shots.shot import Shot


def generators_of(shots: Sequence[Shot]) -> list[Any]:
    """Return a generator per shot, on the CPU: the same noise on every device.

    For a mix of seeds it is that of the heaviest one.
    """
    return [_generator(shot.seed) for shot in shots]


def with_mixed_noise(
    original: Callable[..., Any], shots: Sequence[Shot], generators: Sequence[Any]
) -> Callable[..., Any]:
    """Return `prepare_latents` such that shots with several seeds draw the mix of their noise.

    The mix is sum(w * n) / sqrt(sum(w**2)), which is Gaussian noise again.

    Args:
        original: The pipeline's `prepare_latents`.
        shots: The shots of the batch.
        generators: The generator of each shot.
    """
    mixes = {
        id(generator): _NoiseMix(shot.noise)
        for shot, generator in zip(shots, generators, strict=True)
        if len(shot.noise) > 1 or shot.noise[0][1] != 1.0
    }
    if not mixes:
        return original

    @functools.wraps(original)
    def prepare(*args: Any, **kwargs: Any) -> Any:
        with _mode(mixes):
            return original(*args, **kwargs)

    return prepare


class _NoiseMix:
    """Weighted seeds, and their generators."""

    def __init__(self, noise: Noise) -> None:
        self._parts = [(_generator(seed), weight) for seed, weight in noise]

    def draw(self, randn: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Draw from each seed as `randn` would, and mix."""
        noises = [weight * randn(*args, **{**kwargs, "generator": g}) for g, weight in self._parts]
        total: Any = sum(noises[1:], noises[0])
        return total / sum(weight**2 for _, weight in self._parts) ** 0.5


def _generator(seed: int) -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def _mode(mixes: dict[int, _NoiseMix]) -> Any:
    """Return a context in which `torch.randn` draws mixes, in this thread."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Mixing(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            mix = mixes.get(id(kwargs.get("generator")))
            if func is torch.randn and mix is not None:
                return mix.draw(func, args, kwargs)
            return func(*args, **kwargs)

    return Mixing()
