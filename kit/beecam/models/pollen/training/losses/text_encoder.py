"""Pretraining of the text encoder, which is frozen while the denoiser is trained.

Words of small things (a place, an insect) account for a hundredth of the denoiser's loss. Here each
token's state learns to predict everything that its caption names, which takes minutes, so that the
denoiser can use any of them from its first step. Whether that beats joint training was not measured
by itself; see docs/training.md.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.text_encoder import (
    build_text_encoder,
    build_tokenizer,
    load_text_encoder,
)
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import ATTRIBUTES

_BATCH = 96
_LENGTHS = (*[shapes.SHORT_TEXT] * 3, shapes.TEXT_LENGTH)


def text_encoder_loop(folder: Path, device: str = "cpu") -> Loop:
    """Return the training of the text encoder, resumed if it has a checkpoint.

    Args:
        folder: Folder of the checkpoint.
        device: Device to train on.
    """
    # The heads predict the value of each attribute, or that the caption doesn't name it.
    values = sum(len(values) + 1 for values in ATTRIBUTES.values())
    loop = Loop(
        {"text_encoder": build_text_encoder(), "heads": nn.Linear(shapes.TEXT_WIDTH, values)},
        folder / "text_encoder.pt",
        rate=2e-3,
        betas=(0.9, 0.99),
        decay=0.98,
        device=device,
    )
    loop.resume()
    return loop


def trained_text_encoder(folder: Path, start: Path | None = None) -> Any:
    """Return a trained text encoder.

    Args:
        folder: Folder of the training.
        start: Exported weights to take it from instead: their denoiser was trained with it.

    Raises:
        FileNotFoundError: It was not trained.
        ValueError: The weights have another vocabulary than the captions.
    """
    if start is not None:
        return load_text_encoder(start)
    loop = text_encoder_loop(folder)
    if not loop.step:
        raise FileNotFoundError(
            f"{loop.path} does not exist: run the stage `text-encoder` first, or give exported "
            "weights with --from-weights."
        )
    loop.use_average()
    encoder: Any = loop.modules["text_encoder"]
    return encoder.eval()


def random_attributes(rng: random.Random) -> dict[str, str]:
    """Return random attributes."""
    return {name: rng.choice(values) for name, values in ATTRIBUTES.items()}


class TextEncoderLoss:
    """Cross entropy of what the states of a caption's tokens predict that it names."""

    def __init__(self) -> None:
        self._tokenizer = build_tokenizer()

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        rng = random.Random(int(torch.randint(0, 2**31, (1,), generator=loop.generator)))
        truth = [random_attributes(rng) for _ in range(_BATCH)]
        texts = [captions.caption(one, rng) for one in truth]
        logits, mask = self.predict(loop, texts, rng.choice(_LENGTHS))
        targets = torch.tensor(
            [captions.named_values(*pair) for pair in zip(truth, texts, strict=True)]
        )
        return cross_entropy(logits, targets.to(loop.device), mask)

    def predict(self, loop: Loop, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Return the logits of each token, and which tokens are not padding.

        Args:
            loop: The training.
            texts: Captions.
            length: Tokens per text.

        Returns:
            (texts, tokens, values of all attributes), and (texts, tokens).
        """
        text: Any = self._tokenizer(
            list(texts),
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        )
        states = loop.modules["text_encoder"](text.input_ids.to(loop.device))[0]
        return loop.modules["heads"](states), text.attention_mask.bool().to(loop.device)


def cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross entropy over attributes and tokens.

    Args:
        logits: (texts, tokens, values of all attributes).
        targets: Indices of values, (texts, attributes).
        mask: (texts, tokens), False for padding.
    """
    sizes = [len(values) + 1 for values in ATTRIBUTES.values()]
    parts = torch.split(logits, sizes, -1)
    total = torch.zeros((), device=logits.device)
    for i, part in enumerate(parts):
        target = targets[:, i, None].expand(-1, logits.shape[1])
        total = total + F.cross_entropy(part[mask], target[mask])
    return total / len(parts)
