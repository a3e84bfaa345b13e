"""Several encoded texts as one: what the encoder made of them is mixed by weight.

The mix is linear, sum(w * e) with weights that add up to 1, as `.blend()` of compel and the
"prompt blending" of other tools have it: what is given to the denoiser lies between the texts, and
not beside one another. Pooled embeddings are mixed alike and attention masks are united.

A text with fewer tokens is filled up with its own ones again, which attention reads as the same
text. Zeros would be words of their own: with them, 1 % of a longer text changed the clips of LTX as
much as 50 % did. Where a model numbers the words of its text (LTX-2, HunyuanVideo 1.5, Kandinsky)
they aren't quite the same, and a clip jumps where the longer text comes in.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Self

from beecam.shots.weighted_prompts import WeightedPrompts, as_text

_TOKENS = 2  # dimensions of a mask: clips x tokens


class MixedPrompt(str):
    """Stands for weighted texts where a pipeline wants one text, until it is encoded.

    One that is altered on its way to the encoder is a plain text again, which
    `WeightedPrompts.need_all_read` notices.

    Attributes:
        parts: The texts and their weights.
    """

    __slots__ = ("parts",)
    parts: WeightedPrompts

    def __new__(cls, parts: WeightedPrompts) -> Self:
        """Read as the parts do, in one line."""
        made = super().__new__(cls, as_text(parts))
        made.parts = parts
        return made


def prompt_text(prompt: str | WeightedPrompts) -> str:
    """Return what a pipeline is given as a prompt."""
    return prompt if isinstance(prompt, str) else MixedPrompt(prompt)


def mix_embeddings(each: Sequence[Any], weights: Sequence[float]) -> Any:
    """Mix what an encoder returned for several texts; what is equal in all stays as it is.

    Args:
        each: For each text the same structure: tensors, with None and plain values between.
        weights: Of each; they add up to 1.
    """
    first = each[0]
    if isinstance(first, dict):
        names = list(first)
        values = mix_embeddings([tuple(one[n] for n in names) for one in each], weights)
        return dict(zip(names, values, strict=True))
    if isinstance(first, (list, tuple)):
        columns = [[one[i] for one in each] for i in range(len(first))]
        made = [_column(column, _masks(columns, i), weights) for i, column in enumerate(columns)]
        return type(first)(made)
    return _column(list(each), None, weights)


def _column(column: list[Any], masks: list[Any] | None, weights: Sequence[float]) -> Any:
    """Mix one part of what the encoder returned.

    Args:
        column: That part of each text.
        masks: Which of its tokens are there, for each text; None where nothing says so.
        weights: Of the texts.
    """
    import torch

    first = column[0]
    if isinstance(first, (dict, list, tuple)):
        return mix_embeddings(column, weights)
    if not isinstance(first, torch.Tensor):
        return first
    same = all(one.shape == first.shape and torch.equal(one, first) for one in column)
    if same and (masks is None or all(torch.equal(m, masks[0]) for m in masks)):
        # What to keep away from is the same for all: not a bit of it may change.
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
    """Return the masks that belong to a part: the next ones behind it, token by token."""
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
    """Return whether these tensors say which tokens are there: ones and zeros, or counts."""
    first = column[0]
    if not first.is_floating_point():
        return True
    return first.ndim == _TOKENS and all(bool(((one == 0) | (one == 1)).all()) for one in column)


def _filled(column: Sequence[Any], masks: Sequence[Any] | None) -> list[Any]:
    """Return embeddings (clips x tokens x numbers) of one length, each filled with its own tokens.

    Args:
        column: Those of each text.
        masks: Which of their tokens are there; None for all.
    """
    import torch

    own = masks or [torch.ones(one.shape[:_TOKENS], device=one.device) for one in column]
    known = [one.bool() for one in _padded(own)]
    wanted = functools.reduce(torch.logical_or, known)
    made = []
    for one, there in zip(_padded(column), known, strict=True):
        full = one.clone()
        for clip in range(len(full)):
            tokens = one[clip, there[clip]]
            missing = (wanted[clip] & ~there[clip]).nonzero()[:, 0]
            if len(tokens):
                full[clip, missing] = tokens[torch.arange(len(missing)) % len(tokens)]
        made.append(full)
    return made


def _padded(column: Sequence[Any]) -> list[Any]:
    """Return tensors of one size: those with fewer tokens get zeros at their end."""
    import torch

    if len({one.shape for one in column}) == 1:
        return list(column)
    size = [max(lengths) for lengths in zip(*(one.shape for one in column), strict=True)]
    made = []
    for one in column:
        larger = torch.zeros(size, dtype=one.dtype, device=one.device)
        larger[tuple(slice(length) for length in one.shape)] = one
        made.append(larger)
    return made
