"""Mix the embeddings of several prompts by weight.

The mix is linear, sum(w * e) with weights that add up to 1, as in `.blend()` of compel and the
"prompt blending" of other tools: the denoiser reads one text between the prompts, not one after
another. Pooled embeddings are mixed in the same way, and attention masks are united.

A prompt with fewer tokens is padded with its own tokens again, which attention reads as the same
text. Zeros would act as words: with them, 1 % of a longer prompt changed LTX's clips as much as
50 % did. Where a model encodes the positions of tokens (LTX-2, HunyuanVideo 1.5, Kandinsky),
repeated tokens aren't quite the same, and a clip jumps where the longer prompt comes in.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Self

from beecam.shots.weighted_prompts import WeightedPrompts, as_text

_TOKENS = 2  # dimensions of a mask: clips x tokens


class MixedPrompt(str):
    """A placeholder for weighted prompts where a pipeline expects one string, until it is encoded.

    A pipeline that alters it passes a plain string to its encoder, which
    `PromptEncoder.check_all_read` detects.

    Attributes:
        parts: The prompts and their weights.
    """

    __slots__ = ("parts",)
    parts: WeightedPrompts

    def __new__(cls, parts: WeightedPrompts) -> Self:
        """Create the string, which reads as all parts in one line."""
        mixed = super().__new__(cls, as_text(parts))
        mixed.parts = parts
        return mixed


def prompt_text(prompt: str | WeightedPrompts) -> str:
    """Return the string that a pipeline is called with."""
    return prompt if isinstance(prompt, str) else MixedPrompt(prompt)


def mix_embeddings(each: Sequence[Any], weights: Sequence[float]) -> Any:
    """Mix an encoder's outputs for several prompts; what is equal in all stays unchanged.

    Args:
        each: The outputs, all of the same structure: tensors, None and plain values.
        weights: The weight of each; they add up to 1.
    """
    first = each[0]
    if isinstance(first, dict):
        names = list(first)
        values = mix_embeddings([tuple(one[n] for n in names) for one in each], weights)
        return dict(zip(names, values, strict=True))
    if isinstance(first, (list, tuple)):
        columns = [[one[i] for one in each] for i in range(len(first))]
        mixed = [_column(column, _masks(columns, i), weights) for i, column in enumerate(columns)]
        return type(first)(mixed)
    return _column(list(each), None, weights)


def _column(column: list[Any], masks: list[Any] | None, weights: Sequence[float]) -> Any:
    """Mix one part of the outputs.

    Args:
        column: That part for each prompt.
        masks: The attention mask of each prompt; None if the output has none.
        weights: The weights of the prompts.
    """
    import torch

    first = column[0]
    if isinstance(first, (dict, list, tuple)):
        return mix_embeddings(column, weights)
    if not isinstance(first, torch.Tensor):
        return first
    same = all(one.shape == first.shape and torch.equal(one, first) for one in column)
    if same and (masks is None or all(torch.equal(m, masks[0]) for m in masks)):
        # The negative prompt is the same for all: not a bit of it may change.
        return first
    if _is_mask(column):
        return functools.reduce(torch.maximum, _padded(column))
    if first.ndim == _TOKENS + 1:
        column = _filled(column, masks)
    total: Any = 0.0
    for one, weight in zip(column, weights, strict=True):
        total = total + weight * (one if one.dtype == torch.float64 else one.float())
    return total.to(first.dtype)


def _masks(columns: Sequence[list[Any]], index: int) -> list[Any] | None:
    """Return the masks that belong to a part: the next ones after it with its tokens."""
    import torch

    part = columns[index][0]
    if not isinstance(part, torch.Tensor) or part.ndim != _TOKENS + 1:
        return None
    for column in columns[index + 1 :]:
        mask = column[0]
        if isinstance(mask, torch.Tensor):
            if mask.ndim == _TOKENS and mask.shape == part.shape[:_TOKENS] and _is_mask(column):
                return column
            if mask.ndim > _TOKENS:
                return None
    return None


def _is_mask(column: Sequence[Any]) -> bool:
    """Return whether these tensors are attention masks: ones and zeros, or counts."""
    first = column[0]
    if not first.is_floating_point():
        return True
    return first.ndim == _TOKENS and all(bool(((one == 0) | (one == 1)).all()) for one in column)


def _filled(column: Sequence[Any], masks: Sequence[Any] | None) -> list[Any]:
    """Return embeddings of one length, each padded with its own tokens.

    Args:
        column: For each prompt a tensor of shape `(clips, tokens, channels)`.
        masks: The attention mask of each; None if all tokens count.
    """
    import torch

    own = masks or [torch.ones(one.shape[:_TOKENS], device=one.device) for one in column]
    own_tokens = [one.bool() for one in _padded(own)]
    all_tokens = functools.reduce(torch.logical_or, own_tokens)
    filled = []
    for one, present in zip(_padded(column), own_tokens, strict=True):
        full = one.clone()
        for clip in range(len(full)):
            tokens = one[clip, present[clip]]
            missing = (all_tokens[clip] & ~present[clip]).nonzero()[:, 0]
            if len(tokens):
                full[clip, missing] = tokens[torch.arange(len(missing)) % len(tokens)]
        filled.append(full)
    return filled


def _padded(column: Sequence[Any]) -> list[Any]:
    """Return tensors of one size: those with fewer tokens get zeros at the end."""
    import torch

    if len({one.shape for one in column}) == 1:
        return list(column)
    size = [max(lengths) for lengths in zip(*(one.shape for one in column), strict=True)]
    padded = []
    for one in column:
        larger = torch.zeros(size, dtype=one.dtype, device=one.device)
        larger[tuple(slice(length) for length in one.shape)] = one
        padded.append(larger)
    return padded
