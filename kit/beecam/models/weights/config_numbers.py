"""Check the numbers in a component's configuration against its weights, before it is built.

diffusers and transformers build all layers, tables and buffers that a configuration asks for, and
only then compare them with the weights: a number in a text of a kilobyte would take hours, or fill
the memory. No component has more layers than its weights have tensors, and no vocabulary or width
beyond their dimensions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from beecam.errors import shorten

# Longest contexts are of some million tokens; nothing else comes near.
_MAX_NUMBER = 10_000_000
# Of the smallest models, whose configurations have defaults of larger ones.
_LAYERS_ANYWAY, _WIDTH_ANYWAY = 1_000, 16_384
_MAX_STEPS = 1_000_000  # of the training of a scheduler, which keeps several arrays of them
# What means "no limit" to transformers is a 1 with 30 zeros.
_UNLIMITED = 10**15
_LAYERS = re.compile(r"layers?(_per_\w+)?$|^num_\w*blocks$|depth$|^n_layers?$")
_WIDTHS = frozenset(
    {
        "vocab_size",
        "relative_attention_num_buckets",
        "hidden_size",
        "intermediate_size",
        "d_model",
        "d_ff",
    }
)
# Bases of frequencies, of which nothing is made one by one.
_BASES = re.compile(r"theta|base\b|_freq")
_SCHEDULER, _TOKENIZER = "scheduler_config.json", "tokenizer_config.json"
CONFIGS = ("config.json", _SCHEDULER, _TOKENIZER)


def number_problems(name: str, values: Mapping[str, Any], weights: Iterable[Path]) -> Iterator[str]:
    """Yield what is wrong with the numbers of a configuration, without the file's name.

    >>> list(number_problems("config.json", {"num_layers": 10**9}, []))
    ['has 1000000000 as its num_layers; at most 10,000,000 are possible.']

    Args:
        name: The file's name.
        values: What it holds.
        weights: The safetensors of the component, each of which is whole.
    """
    tensors, widest = _measure(weights)
    for key, value in _numbers_in(values):
        most = _MAX_NUMBER
        if name == _TOKENIZER and value >= _UNLIMITED:
            continue
        if name == _SCHEDULER:
            most = _MAX_STEPS
        elif _BASES.search(key):
            continue
        elif tensors and _LAYERS.search(key):
            most = max(tensors, _LAYERS_ANYWAY)
        elif tensors and key in _WIDTHS:
            most = max(widest, _WIDTH_ANYWAY)
        if value > most:
            yield f"has {value} as its {shorten(key)}; at most {most:,} are possible."


def _measure(weights: Iterable[Path]) -> tuple[int, int]:
    """Return how many tensors there are, and the largest of their dimensions."""
    from safetensors import safe_open

    count, widest = 0, 0
    for path in weights:
        with safe_open(path, "pt") as file:  # numpy has no bfloat16
            for name in file.keys():  # noqa: SIM118
                shape = file.get_slice(name).get_shape()
                count += 1
                if math.prod(shape):
                    widest = max(widest, *shape, 0)
    return count, widest


def _numbers_in(data: Any, key: str = "") -> Iterator[tuple[str, int]]:
    """Yield all integers in JSON data by the nearest name."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _numbers_in(value, str(name))
    elif isinstance(data, list):
        for value in data:
            yield from _numbers_in(value, key)
    elif isinstance(data, int) and not isinstance(data, bool):
        yield key, data
