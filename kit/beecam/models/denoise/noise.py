"""The random numbers of a batch: a generator per clip, and mixes of several seeds.

Nothing that decides a pixel may come from torch's global generator: other batches, and everything
else in the process, draw from it too. Within `own_draws`, what is drawn without a generator comes
from those of the clips.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from beecam.errors import ModelError
from beecam.shots.noise import Noise
from beecam.shots.shot import Shot


def generators_of(shots: Sequence[Shot]) -> list[Any]:
    """Return a generator per shot, on the CPU: the same noise on every device.

    For a mix of seeds it is that of the heaviest one.
    """
    return [_generator(shot.seed) for shot in shots]


def with_mixed_noise(
    original: Callable[..., Any], shots: Sequence[Shot], generators: Sequence[Any], *, own: bool
) -> Callable[..., Any]:
    """Return `prepare_latents` such that shots with several seeds draw the mix of their noise.

    Args:
        original: The pipeline's `prepare_latents`.
        shots: The shots of the batch.
        generators: The generator of each shot.
        own: Whether what is drawn without a generator comes from these.
    """

    @functools.wraps(original)
    def prepare(*args: Any, **kwargs: Any) -> Any:
        # The last one is asked first: it fills in the generators of which noise is mixed.
        with (
            mixed_noise(shots, generators),
            own_draws(generators) if own else contextlib.nullcontext(),
        ):
            return original(*args, **kwargs)

    return prepare


def mixed_noise(shots: Sequence[Shot], generators: Sequence[Any]) -> Any:
    """Return a context in which shots with several seeds draw the mix of their noise.

    The mix is sum(w * n) / sqrt(sum(w**2)), which is Gaussian noise again.

    Args:
        shots: The shots of the batch.
        generators: The generator of each shot.
    """
    mixes = {
        id(generator): _NoiseMix(shot.noise)
        for shot, generator in zip(shots, generators, strict=True)
        if len(shot.noise) > 1 or shot.noise[0][1] != 1.0
    }
    return _mode(mixes) if mixes else contextlib.nullcontext()


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

    def draw(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        mix = mixes.get(id(kwargs.get("generator")))
        if func is torch.randn and mix is not None:
            return mix.draw(func, args, kwargs)
        return func(*args, **kwargs)

    return _mode_class()(draw)


@functools.cache
def _mode_class() -> Any:
    """Return the class of contexts in which functions of torch are called by a function.

    One class for all: a compiled network that is called within one is compiled for it, and would
    be again for another class.
    """
    from torch.overrides import TorchFunctionMode

    class Calling(TorchFunctionMode):
        def __init__(self, call: Callable[..., Any]) -> None:
            super().__init__()
            self._call = call

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return self._call(func, args, kwargs or {})

    return Calling


@contextlib.contextmanager
def not_watched() -> Iterator[None]:
    """Leave the contexts of this module, in this thread: nothing is drawn for a clip within it."""
    from torch.overrides import _get_current_function_mode_stack, _pop_mode_temporarily

    stack = cast(Any, _get_current_function_mode_stack)()
    first = next((i for i, one in enumerate(stack) if isinstance(one, _mode_class())), len(stack))
    with contextlib.ExitStack() as left:
        for _ in stack[first:]:
            left.enter_context(_pop_mode_temporarily())
        yield


def own_draws(generators: Sequence[Any]) -> Any:
    """Return a context in which what is drawn without a generator comes from the clips' own.

    A tensor with a row per clip, or several, gets each from the generator of its clip, so that
    neighbours change nothing. Only this thread is affected.

    Args:
        generators: The generator of each clip, on the CPU.

    Raises:
        ModelError: Raised within it, if a value of no single clip is drawn for several clips.
    """
    draws = _Draws(generators)

    def draw(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if _is_unseeded(func, args, kwargs):
            raise ModelError(_NO_GENERATOR.format(func.__name__))
        if func not in draws.kinds or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        return draws(func, args, kwargs)

    return _mode_class()(draw)


class _Draws:
    """Random functions of torch without a generator, drawn from those of some clips.

    Attributes:
        kinds: How each of the functions is called with a generator.
    """

    def __init__(self, generators: Sequence[Any]) -> None:
        import torch

        self._generators = list(generators)
        new, like, rows, fill = self._new, self._like, self._rows, self._fill
        self.kinds: dict[Any, Callable[..., Any]] = {
            torch.randn: new,
            torch.rand: new,
            torch.randint: new,
            torch.randperm: new,
            torch.randn_like: functools.partial(like, torch.randn),
            torch.rand_like: functools.partial(like, torch.rand),
            torch.randint_like: functools.partial(like, torch.randint),
            torch.normal: rows,
            torch.bernoulli: rows,
            torch.poisson: rows,
            torch.multinomial: rows,
            torch.Tensor.bernoulli: rows,
            torch.Tensor.multinomial: rows,
            **{getattr(torch.Tensor, name): fill for name in _FILLING},
        }

    def __call__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Draw what `func` would."""
        named = {name: value for name, value in kwargs.items() if name != "generator"}
        return self.kinds[func](func, args, named)

    def _new(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Create a tensor of a size, which is the last positional argument, or several."""
        import torch

        limits, size = _size_in(func, args, kwargs)
        device, out = kwargs.pop("device", None), kwargs.pop("out", None)
        kwargs.pop("size", None)
        if func is torch.randperm:
            found = func(*args, generator=self._one(), **kwargs)
        else:
            parts = [
                func(*limits, (count, *size[1:]), generator=generator, **kwargs)
                for generator, count in self._shares(size)
            ]
            found = torch.cat(parts) if size else parts[0].reshape(())
        if out is not None:
            return out.copy_(found)
        return found if device is None else found.to(device)

    def _like(self, creating: Any, _func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        first, *limits = args or (kwargs.pop("input"),)
        kwargs.pop("memory_format", None)
        chosen = {"dtype": first.dtype, "device": first.device} | {
            name: value for name, value in kwargs.items() if value is not None
        }
        return self._new(creating, (*limits, tuple(first.shape)), chosen)

    def _rows(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Draw for each row of the tensors among the arguments."""
        import torch

        names = _NAMES.get(getattr(func, "__name__", ""), ())
        named = dict(zip(names, args, strict=False)) | kwargs
        tensors = [one for one in named.values() if isinstance(one, torch.Tensor)]
        if not tensors:  # torch.normal of two numbers and a size
            mean, std = named.pop("mean", 0.0), named.pop("std", 1.0)
            device = named.pop("device", None)
            found = std * self._new(torch.randn, (), named) + mean
            return found if device is None else found.to(device)
        if func is torch.normal:  # each may have the rows
            mean, std = named.get("mean", 0.0), named.get("std", 1.0)
            both = [torch.as_tensor(one, device=tensors[0].device) for one in (mean, std)]
            named |= dict(
                zip(("mean", "std"), cast(Any, torch.broadcast_tensors)(*both), strict=True)
            )
            tensors = [named["mean"]]
        rest = {name: value for name, value in named.items() if name not in names}
        given = [named[name] for name in names if name in named]
        device, parts, start = tensors[0].device, [], 0
        for generator, count in self._shares(tensors[0].shape):
            own = [_part(one, start, count) for one in given]
            parts.append(func(*own, generator=generator, **rest))
            start += count
        return (torch.cat(parts) if tensors[0].ndim else parts[0]).to(device)

    def _fill(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Fill a tensor in place."""
        import torch

        tensor, *others = args
        filled, start = torch.empty_like(tensor, device="cpu"), 0
        for generator, count in self._shares(tensor.shape):
            part = filled[start : start + count] if tensor.ndim else filled
            own = [_part(one, start, count) for one in others]
            named = {name: _part(one, start, count) for name, one in kwargs.items()}
            func(part, *own, generator=generator, **named)
            start += count
        return tensor.copy_(filled)

    def _shares(self, size: Sequence[int]) -> list[tuple[Any, int]]:
        """Return each generator with its number of rows of a tensor."""
        rows, clips = (size[0] if size else 1), len(self._generators)
        if rows % clips:
            raise ModelError(_SHARED)
        return [(generator, rows // clips) for generator in self._generators]

    def _one(self) -> Any:
        if len(self._generators) > 1:
            raise ModelError(_SHARED)
        return self._generators[0]


def _part(value: Any, start: int, count: int) -> Any:
    """Return the rows of some clips of a tensor, on the CPU; anything else as it is."""
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    return (value[start : start + count] if value.ndim else value).cpu()


def _is_unseeded(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether a function draws random numbers that no generator decides."""
    name = getattr(func, "__name__", "")
    if name not in _UNSEEDED:
        return False
    position, switch = _UNSEEDED[name]
    if not switch:
        return True
    share = kwargs.get("p", args[1] if len(args) > 1 else None)
    if "dropout" in name and share == 0:
        return False
    value = kwargs.get(switch, args[position] if len(args) > position else "dropout" in name)
    return bool(value)


# What draws without taking a generator, with the argument that switches it on: its position, name.
_UNSEEDED = {
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_alpha_dropout"), (2, "training")),
    **dict.fromkeys(("dropout1d", "dropout2d", "dropout3d"), (2, "training")),
    "rrelu": (3, "training"),
    "scaled_dot_product_attention": (4, "dropout_p"),
    **dict.fromkeys(
        ("gumbel_softmax", "_standard_gamma", "binomial", "_sample_dirichlet"), (0, "")
    ),
}
# The names of arguments by position.
_NAMES = {
    "normal": ("mean", "std", "size"),
    "bernoulli": ("input", "p"),
    "poisson": ("input",),
    "multinomial": ("input", "num_samples", "replacement"),
}
_FILLING = (
    "normal_",
    "uniform_",
    "random_",
    "bernoulli_",
    "exponential_",
    "log_normal_",
    "geometric_",
    "cauchy_",
)
_NO_GENERATOR = (
    "this pipeline or scheduler draws random numbers with torch's {}, which no seed of a clip can "
    "decide: switch that off, or draw with torch.rand or torch.randn."
)
_SHARED = (
    "this pipeline or scheduler draws a random number for its whole batch, so that clips would "
    "change each other: load the model with batch_size=1."
)


def _size_in(func: Any, args: Any, kwargs: dict[str, Any]) -> tuple[list[Any], tuple[int, ...]]:
    """Return the arguments before a size, and the size."""
    import torch

    if func is torch.randint:
        limits = list(args)
        size = kwargs.get("size")
        if size is None:
            size = limits.pop()
        limits += [kwargs.pop(name) for name in ("low", "high") if name in kwargs]
        return limits, tuple(size)
    size = kwargs.get("size", args)
    nested = len(size) == 1 and not isinstance(size[0], int) and hasattr(size[0], "__len__")
    return [], tuple(size[0] if nested else size)
