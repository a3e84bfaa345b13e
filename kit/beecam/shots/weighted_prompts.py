"""Weighted texts: a prompt that is a mix of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from beecam.errors import Problem, shorten

MAX_TEXTS = 16
_DIGITS = 6
# Weights that were rounded add up to 1 but for this.
_NEAR_ONE = MAX_TEXTS * 10.0**-_DIGITS
_EXAMPLE = '[("a bee", 0.7), ("a moth", 0.3)]'

WeightedPrompts = tuple[tuple[str, float], ...]
"""Texts with their weights, the heaviest first; the weights add up to 1."""


def is_weighted(value: Any) -> bool:
    """Return whether a value has the form of weighted texts: pairs of a text and a number."""
    return isinstance(value, (tuple, list)) and bool(value) and all(map(_is_pair, value))


def normalize_weights(value: Any) -> Any:
    """Bring weighted texts to one form: equal mixes are equal, and one text alone is that text.

    Weights are made to add up to 1, a text that is there twice is there once, and one without
    weight is none. What can't be mixed is left as it is, for `find_problems` to name.
    """
    if not is_weighted(value) or any(True for _ in _weight_problems(value)):
        return tuple(value) if isinstance(value, list) else value
    total: dict[str, float] = {}
    for text, weight in value:
        total[text] = total.get(text, 0.0) + float(weight)
    whole = math.fsum(total.values())
    # What was made to add up once stays as it is, so that it comes back from a file unchanged.
    share = 1.0 if abs(whole - 1) < _NEAR_ONE else whole
    parts = [(text, round(weight / share, _DIGITS)) for text, weight in total.items()]
    parts = sorted(
        ((text, weight) for text, weight in parts if weight), key=lambda p: (-p[1], p[0])
    )
    return parts[0][0] if len(parts) == 1 else tuple(parts)


def as_text(prompt: Any) -> str:
    """Return a prompt as one readable text: `0.7 a bee + 0.3 a moth`."""
    if isinstance(prompt, str):
        return prompt
    return " + ".join(f"{weight:g} {text}" for text, weight in prompt)


def parts_of(prompt: str | WeightedPrompts) -> WeightedPrompts:
    """Return a prompt as weighted texts: one text has all the weight."""
    return ((prompt, 1.0),) if isinstance(prompt, str) else prompt


def find_problems(prompt: Any) -> Iterator[Problem]:
    """Yield why a prompt is neither a text nor a mix of texts."""
    if isinstance(prompt, str) or (is_weighted(prompt) and not list(_weight_problems(prompt))):
        return
    if is_weighted(prompt):
        yield from _weight_problems(prompt)
        return
    near = _nearest(prompt)
    yield Problem(
        "prompt",
        f"prompt={shorten(prompt)}: a text is needed, or texts with their weights, as in "
        f"{near or _EXAMPLE}.",
    )


def _weight_problems(pairs: Sequence[Any]) -> Iterator[Problem]:
    if len(pairs) > MAX_TEXTS:
        yield Problem(
            "prompt", (f"prompt: {len(pairs)} weighted texts; at most {MAX_TEXTS} can be mixed.")
        )
    for text, weight in pairs:
        if not (math.isfinite(weight) and weight >= 0):
            yield Problem(
                "prompt",
                f"prompt weight {shorten(weight)} of {shorten(text)}: a number of 0 or more is "
                "needed; the nearest is 0. What to keep away from is said by negative_prompt=.",
            )
            return
    if not any(weight for _, weight in pairs):
        yield Problem(
            "prompt",
            "prompt: all its weights are 0; at least one text needs a weight over 0, as in "
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
    # numpy's numbers are as good, and are no int or float.
    return (
        hasattr(value, "__float__")
        and not isinstance(value, (str, bool))
        and (getattr(value, "ndim", 0) == 0)
    )


def _nearest(value: Any) -> str:
    """Return how weighted texts are written that somebody may have meant, or nothing."""
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
