"""Teach the text encoder to read; then it stays as it is, and the denoiser learns to listen.

What words of small things (a place's, an insect's) decide is a hundredth of the denoiser's loss.
Here each token's state learns to say all that a caption says, which takes minutes, so that from
the first step on the denoiser can look at any of them. Whether that beats learning both at once
was not measured by itself; see docs/training.md.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import ATTRIBUTES

_BATCH = 96
_LENGTHS = (*[nets.SHORT_TEXT] * 3, nets.TEXT_LENGTH)


def loop(folder: Path, device: str = "cpu") -> Loop:
    """Make or resume the training of the text encoder alone.

    Args:
        folder: Keeps the checkpoint.
        device: Where to train.
    """
    words = len(nets.tokenizer(captions.vocabulary()))
    made = Loop(
        {"text_encoder": nets.text_encoder(words), "heads": heads()},
        folder / "reading.pt",
        rate=2e-3,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
    )
    made.resume()
    return made


def encoder(folder: Path, start: Path | None = None) -> Any:
    """Return a text encoder that has learnt to read.

    Args:
        folder: Of the training.
        start: Exported weights, of which it is taken then: their denoiser listens to no other.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The weights are of other words than the captions have now.
    """
    made = loop(folder)
    reader: Any = made.modules["text_encoder"]
    if start is not None:
        _check_words(start)
        reader = type(reader).from_pretrained(start / "text_encoder", dtype=torch.float32)
    elif not made.step:
        raise FileNotFoundError(
            f"{made.path} is not there: run the stage `reading` first, or give exported "
            "weights with --from-weights."
        )
    else:
        made.settle()
    return reader.eval()


def _check_words(start: Path) -> None:
    kept = json.loads((start / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    now = nets.tokenizer(captions.vocabulary()).get_vocab()
    if kept != now:
        other = sorted(kept.keys() ^ now.keys())[:5]
        raise ValueError(
            f"{start} has learnt {len(kept)} words, captions have {len(now)} now, and not the same "
            f"({', '.join(other) or 'in another order'}): its text encoder would read others."
        )


def heads() -> nn.Linear:
    """Make what reads the attributes off a token's state; each has one value more: not said."""
    return nn.Linear(nets.TEXT_WIDTH, sum(len(values) + 1 for values in ATTRIBUTES.values()))


def said(attributes: Mapping[str, str], text: str) -> list[int]:
    """Return the index of each attribute's value, or one past the last where a text leaves it out.

    Words that the tokenizer doesn't know change nothing, wherever they stand.

    Args:
        attributes: As in `Scene.attributes`.
        text: A caption of them.
    """
    known = " ".join(re.findall(r"[\w-]+", text.replace(captions.UNKNOWN, " ")))
    return [
        values.index(attributes[name])
        if any(f" {words} " in f" {known} " for words in captions.WORDS[name][attributes[name]])
        else len(values)
        for name, values in ATTRIBUTES.items()
    ]


def draw(lot: random.Random) -> dict[str, str]:
    """Draw attributes by lot."""
    return {name: lot.choice(values) for name, values in ATTRIBUTES.items()}


class ReadingLoss:
    """How wrong the states of a caption's tokens are about what it says."""

    def __init__(self) -> None:
        self._tokenizer = nets.tokenizer(captions.vocabulary())

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        lot = random.Random(int(torch.randint(0, 2**31, (1,), generator=loop.generator)))  # noqa: S311
        truth = [draw(lot) for _ in range(_BATCH)]
        texts = [captions.caption(one, lot) for one in truth]
        scores, known = self.read(loop, texts, lot.choice(_LENGTHS))
        wanted = torch.tensor([said(*pair) for pair in zip(truth, texts, strict=True)])
        return losses(scores, wanted.to(loop.device), known)

    def read(self, loop: Loop, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Return what each token says, and which tokens are no padding."""
        text: Any = self._tokenizer(
            list(texts),
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        )
        states = loop.modules["text_encoder"](text.input_ids.to(loop.device))[0]
        return loop.modules["heads"](states), text.attention_mask.bool().to(loop.device)


def losses(scores: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Return the mean cross entropy over attributes and known tokens.

    Args:
        scores: texts x tokens x all attributes' values.
        wanted: texts x attributes, indices of values.
        known: texts x tokens, False for padding.
    """
    sizes = [len(values) + 1 for values in ATTRIBUTES.values()]
    parts = torch.split(scores, sizes, -1)
    total = torch.zeros((), device=scores.device)
    for i, part in enumerate(parts):
        goal = wanted[:, i, None].expand(-1, scores.shape[1])
        total = total + F.cross_entropy(part[known], goal[known])
    return total / len(parts)
