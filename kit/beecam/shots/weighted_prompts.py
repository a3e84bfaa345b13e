"""Weighted prompts: several prompts whose embeddings a model mixes to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from beecam.errors import Problem, shorten

MAX_TEXTS = 16
_DECIMALS = 6
# The sum of weights that were rounded may differ from 1 by this much.
_TOLERANCE = MAX_TEXTS * 10.0**-_DECIMALS
_EXAMPLE = '[("a bee", 0.7), ("a moth", 0.3)]'

WeightedPrompts = tuple[tuple[str, float], ...]
"""Prompts with their weights, the heaviest first; the weights add up to 1."""


def is_weighted(value: Any) -> bool:
    """Return whether a value has the form of weighted prompts: pairs of a string and a number.

    >>> is_weighted([("a bee", 0.7), ("a moth", 0.3)])
    True
    """
    return isinstance(value, (tuple, list)) and bool(value) and all(map(_is_pair, value))


def normalize_weights(value: Any) -> Any:
    """Return weighted prompts in their canonical form, so that equal mixes compare equal.

    Weights are scaled to add up to 1, equal prompts are merged, and prompts of weight 0 are
    dropped. A single prompt becomes a plain string. A value that can't be mixed is returned
    unchanged, for `find_problems` to report.

    >>> normalize_weights([("a moth", 1), ("a bee", 3)])
    (('a bee', 0.75), ('a moth', 0.25))
    """
    if not is_weighted(value) or any(True for _ in _weight_problems(value)):
        return tuple(value) if isinstance(value, list) else value
    weights: dict[str, float] = {}
    for text, weight in value:
        weights[text] = weights.get(text, 0.0) + float(weight)
    total = math.fsum(weights.values())
    # Weights that were normalized before are not scaled again: the round trip through a file
    # would change their last digit, and with it the shot's key.
    divisor = 1.0 if abs(total - 1) < _TOLERANCE else total
    parts = [(text, round(weight / divisor, _DECIMALS)) for text, weight in weights.items()]
    parts = sorted(
        ((text, weight) for text, weight in parts if weight), key=lambda p: (-p[1], p[0])
    )
    return parts[0][0] if len(parts) == 1 else tuple(parts)


def as_text(prompt: Any) -> str:
    """Return a prompt as one readable line.

    >>> as_text([("a bee", 0.7), ("a moth", 0.3)])
    '0.7 a bee + 0.3 a moth'
    """
    if isinstance(prompt, str):
        return prompt
    return " + ".join(f"{weight:g} {text}" for text, weight in prompt)


def parts_of(prompt: str | WeightedPrompts) -> WeightedPrompts:
    """Return a prompt as weighted prompts; a plain string has weight 1.

    >>> parts_of("a bee")
    (('a bee', 1.0),)
    """
    return ((prompt, 1.0),) if isinstance(prompt, str) else prompt


def find_problems(prompt: Any) -> Iterator[Problem]:
    """Yield why a value is neither a prompt nor weighted prompts.

    >>> [problem.argument for problem in find_problems(7)]
    ['prompt']
    """
    if isinstance(prompt, str):
        return
    if is_weighted(prompt):
        yield from _weight_problems(prompt)
        return
    yield Problem(
        "prompt",
        f"prompt={shorten(prompt)}: a string is needed, or strings with their weights, as in "
        f"{_likely_pairs(prompt) or _EXAMPLE}.",
    )


def _weight_problems(pairs: Sequence[Any]) -> Iterator[Problem]:
    if len(pairs) > MAX_TEXTS:
        yield Problem(
            "prompt", f"prompt: {len(pairs)} weighted prompts; at most {MAX_TEXTS} can be mixed."
        )
    for text, weight in pairs:
        if not (math.isfinite(weight) and weight >= 0):
            yield Problem(
                "prompt",
                f"prompt weight {shorten(weight)} of {shorten(text)}: a number of 0 or more is "
                "needed; the nearest is 0. Use negative_prompt= for what to avoid.",
            )
            return
    if not any(weight for _, weight in pairs):
        yield Problem(
            "prompt",
            "prompt: all its weights are 0; at least one prompt needs a weight over 0, as in "
            f"{_EXAMPLE}.",
        )


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 2  # noqa: PLR2004
        and isinstance(value[0], str)
        and _is_number(value[1])
    )


def _is_number(value: Any) -> bool:
    # Duck-typed, as numpy's scalars are allowed but are neither int nor float.
    return (
        hasattr(value, "__float__")
        and not isinstance(value, (str, bool))
        and (getattr(value, "ndim", 0) == 0)
    )


def _likely_pairs(value: Any) -> str:
    """Return code for the weighted prompts that the user probably meant, or an empty string."""
    if isinstance(value, Mapping):
        pairs: Any = list(value.items())
    elif isinstance(value, (tuple, list)) and value and all(isinstance(v, str) for v in value):
        pairs = [(text, 1) for text in value]
    elif isinstance(value, Iterable) and isinstance(value, (tuple, list)):
        pairs = [(v[1], v[0]) if _is_swapped(v) else v for v in value]
    else:
        return ""
    return shorten(pairs, 120) if is_weighted(pairs) else ""


def _is_swapped(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and _is_pair(value[::-1])  # noqa: PLR2004
