"""The random numbers of a call: a generator for each clip, and recipes of several seeds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from beecam.shots.noise import Noise
from beecam.shots.shot import Shot


def generators(shots: Sequence[Shot]) -> list[Any]:
    """Return a generator for each shot, on the CPU: the same noise on every device.

    A recipe's generator is that of its heaviest seed.
    """
    return [_generator(shot.seed) for shot in shots]


def with_mixed_noise(
    original: Callable[..., Any], shots: Sequence[Shot], drawn_from: Sequence[Any]
) -> Callable[..., Any]:
    """Return a function in which shots with several seeds draw the mix of all seeds' noise.

    The mix is sum(w * n) / sqrt(sum(w**2)), which is Gaussian noise again.

    Args:
        original: Prepares a pipeline's latents.
        shots: Of the call.
        drawn_from: The generator of each shot.
    """
    recipes = {
        id(generator): _Recipe(shot.noise)
        for shot, generator in zip(shots, drawn_from, strict=True)
        if len(shot.noise) > 1 or shot.noise[0][1] != 1.0
    }
    if not recipes:
        return original

    @functools.wraps(original)
    def prepare(*args: Any, **kwargs: Any) -> Any:
        with _mode(recipes):
            return original(*args, **kwargs)

    return prepare


class _Recipe:
    """Weighted seeds, and the generators that were begun with them."""

    def __init__(self, noise: Noise) -> None:
        self._parts = [(_generator(seed), weight) for seed, weight in noise]

    def draw(self, randn: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Draw from each seed as `randn` would, and mix."""
        drawn = [weight * randn(*args, **{**kwargs, "generator": g}) for g, weight in self._parts]
        total: Any = sum(drawn[1:], drawn[0])
        return total / sum(weight**2 for _, weight in self._parts) ** 0.5


def _generator(seed: int) -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def _mode(recipes: dict[int, _Recipe]) -> Any:
    """Return a context in which, in this thread, `torch.randn` knows the recipes."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Mixing(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            recipe = recipes.get(id(kwargs.get("generator")))
            if func is torch.randn and recipe is not None:
                return recipe.draw(func, args, kwargs)
            return func(*args, **kwargs)

    return Mixing()
