"""The noise of a shot: weighted seeds, their canonical form and their checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from beecam._util.plain import to_float, to_int, to_plain
from beecam.errors import Problem, shorten

MAX_SEED = 2**63 - 1
MAX_SEEDS = 1_000

Noise = tuple[tuple[int, float], ...]
"""Seeds with their weights; one seed with weight 1 is plain noise."""


def is_noise(value: Any, *, strict: bool = True) -> bool:
    """Return whether a value has the form of a noise: pairs of a seed and a weight.

    >>> is_noise(((3, 0.8), (9, 0.2))), is_noise([((3, 0.8),), ((9, 1.0),)])
    (True, False)

    Args:
        value: What the user provided; a list of noises is an axis.
        strict: Also require that seeds and weights are numbers.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    return (
        isinstance(value, (tuple, list))
        and all(
            isinstance(pair, (tuple, list))
            and len(pair) == 2  # noqa: PLR2004
            and (not strict or all(isinstance(to_plain(one), (int, float)) for one in pair))
            for pair in value
        )
        and bool(value)
    )


def normalize_noise(noise: Any) -> Any:
    """Return a noise in its canonical form: a tuple of (int, float).

    A value that is not a noise is returned unchanged, for `check_noise` to report.

    >>> normalize_noise([[4, 1]])
    ((4, 1.0),)
    """
    if type(noise) is tuple and all(_is_canonical(pair) for pair in noise):
        return noise
    if isinstance(noise, Iterable) and not isinstance(noise, (str, bytes)):
        noise = tuple(to_plain(noise))
    if not is_noise(noise, strict=False):
        return noise
    return tuple((to_int(seed), to_float(weight)) for seed, weight in noise)


def seed_of(noise: Iterable[Sequence[Any]]) -> int:
    """Return the seed of a noise with the largest weight.

    >>> seed_of(((3, 0.8), (9, 0.2)))
    3

    Raises:
        TypeError: It isn't a noise; ValueError and LookupError likewise.
    """
    seed: int = max(noise, key=lambda pair: abs(pair[1]))[0]
    return seed


def check_noise(noise: Any) -> Iterator[Problem]:
    """Yield the problems of a noise.

    >>> [problem.argument for problem in check_noise(((-1, 1.0),))]
    ['seed']
    """
    if type(noise) is tuple and 0 < len(noise) <= MAX_SEEDS and all(map(_is_valid, noise)):
        return
    if noise == ():
        yield Problem("noise", "noise=(): at least one seed with its weight is needed.")
    elif not is_noise(noise, strict=False):
        hint = f" seed={noise} is one plain seed." if isinstance(noise, int) else ""
        yield Problem(
            "noise",
            f"noise={shorten(noise)}: pairs of a seed and its weight are needed, as in "
            f"((3, 0.8), (9, 0.2)).{hint}",
        )
        return
    if len(noise) > MAX_SEEDS:
        yield Problem("noise", f"noise: {len(noise):,} seeds; at most {MAX_SEEDS:,} are allowed.")
    for seed, weight in noise:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            yield Problem(
                "seed",
                f"seed={shorten(seed)}: an integer from 0 to {MAX_SEED} is needed."
                f"{_nearest_seed(seed)}",
            )
        if not (isinstance(weight, float) and math.isfinite(weight) and weight != 0):
            yield Problem(
                "noise", f"noise weight {shorten(weight)}: a finite number other than 0 is needed."
            )


def _is_valid(pair: Any) -> bool:
    """Return whether a pair is canonical and in its limits: a quick test, for thousands."""
    return (
        _is_canonical(pair) and 0 <= pair[0] <= MAX_SEED and math.isfinite(pair[1]) and pair[1] != 0
    )


def _is_canonical(pair: Any) -> bool:
    return (
        type(pair) is tuple
        and len(pair) == 2  # noqa: PLR2004
        and type(pair[0]) is int
        and type(pair[1]) is float
    )


def _nearest_seed(seed: Any) -> str:
    if isinstance(seed, str) and seed.isdecimal():
        return f" Did you mean {seed} without quotes?"
    if isinstance(seed, bool) or not isinstance(seed, (int, float)) or math.isnan(seed):
        return ""
    return f" The nearest is {int(min(max(seed, 0), MAX_SEED))}."
