"""The text encoder and its tokenizer: transformers' T5 encoder at a small size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.world import captions


def build_text_encoder() -> Any:
    """Return a text encoder, initialised at random: two layers, 128 wide."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(build_tokenizer()),
            d_model=shapes.TEXT_WIDTH,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def build_tokenizer() -> Any:
    """Return a tokenizer of the captions' words; it ignores letter case and punctuation.

    A word that no caption has is `<unk>`.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>"]
    vocabulary = {word: i for i, word in enumerate([*special, *captions.vocabulary()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\w\s]"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=shapes.TEXT_LENGTH,
    )


def empty_prompt() -> Tensor:
    """Return the tokens of an empty prompt: (TEXT_LENGTH,), int16."""
    found: Tensor = (
        build_tokenizer()(
            "", padding="max_length", max_length=shapes.TEXT_LENGTH, return_tensors="pt"
        )
        .input_ids[0]
        .short()
    )
    return found


def load_text_encoder(weights: Path) -> Any:
    """Load the text encoder of exported weights.

    Raises:
        ValueError: The weights have another vocabulary than the captions.
    """
    from transformers import T5EncoderModel

    stored = json.loads((weights / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    now = build_tokenizer().get_vocab()
    if stored != now:
        other = sorted(stored.keys() ^ now.keys())[:5]
        raise ValueError(
            f"{weights} has a vocabulary of {len(stored)} words, captions now have {len(now)}, and "
            f"not the same ({', '.join(other) or 'in another order'}): its text encoder would read "
            "other words."
        )
    return T5EncoderModel.from_pretrained(weights / "text_encoder", dtype=torch.float32).eval()
