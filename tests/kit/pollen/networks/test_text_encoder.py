"""The text encoder, its tokenizer and its training."""

import random

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks.text_encoder import build_tokenizer
from beecam.models.pollen.training.losses import text_encoder
from beecam.models.pollen.training.losses.text_encoder import (
    TextEncoderLoss,
    cross_entropy,
    random_attributes,
    text_encoder_loop,
    trained_text_encoder,
)
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.captions import caption, named_values
from beecam.models.pollen.world.scene import ATTRIBUTES


def test_the_tokenizer_takes_any_text():
    tokenizer = build_tokenizer()

    def ids(text):
        return tokenizer(text).input_ids

    assert ids("A BEE, over the meadow!") == ids("a bee over the meadow")
    assert ids("") == [1]
    assert ids("zzz <b>") == [2, 2, 1]
    assert ids("🐝") == [1]
    padded = tokenizer(["a bee"], padding="max_length", max_length=128, truncation=True)
    assert len(padded.input_ids[0]) == 128
    assert sum(padded.attention_mask[0]) == 3


def test_tokens_are_scored_by_the_named_values_and_padding_is_ignored():
    sizes = [len(values) + 1 for values in ATTRIBUTES.values()]
    expected = torch.tensor([[size - 1 for size in sizes], [0] * len(sizes)])
    known = torch.tensor([[True, True, False], [True, False, False]])
    right = torch.cat(
        [
            torch.nn.functional.one_hot(expected[:, i, None].expand(-1, 3), size).float() * 50
            for i, size in enumerate(sizes)
        ],
        -1,
    )
    assert float(cross_entropy(right, expected, known)) < 1e-6
    wrong = right.clone()
    wrong[~known] = -right[~known]
    assert float(cross_entropy(wrong, expected, known)) < 1e-6, "padding"
    wrong[0, 1] = right[1, 0]
    assert float(cross_entropy(wrong, expected, known)) > 10


@pytest.mark.slow
def test_it_learns_and_is_used_by_the_denoiser(tmp_path, monkeypatch):
    monkeypatch.setattr(text_encoder, "_BATCH", 32)
    with pytest.raises(FileNotFoundError, match="run the stage `text-encoder` first"):
        trained_text_encoder(tmp_path)
    loop = text_encoder_loop(tmp_path)
    before = {k: v.clone() for k, v in loop.modules["text_encoder"].state_dict().items()}
    loop.run(TextEncoderLoss(), steps=60, finish=True)
    rng = random.Random(1)
    truth = [random_attributes(rng) for _ in range(100)]
    texts = [caption(one, rng) for one in truth]
    expected = torch.tensor([named_values(*pair) for pair in zip(truth, texts, strict=True)])
    loop.use_average()
    with torch.no_grad():
        learned = float(
            cross_entropy(*_swapped(TextEncoderLoss().predict(loop, texts, 48), expected))
        )
        fresh = text_encoder_loop(tmp_path / "other")
        new = float(cross_entropy(*_swapped(TextEncoderLoss().predict(fresh, texts, 48), expected)))
    assert learned < 0.93 * new
    reloaded = trained_text_encoder(tmp_path).state_dict()
    trained = loop.modules["text_encoder"].state_dict()
    assert all(torch.equal(reloaded[name], trained[name]) for name in trained)
    assert not all(torch.equal(reloaded[name], before[name]) for name in trained)


def _swapped(predicted, expected):
    scores, known = predicted
    return scores, expected, known


def test_weights_with_another_vocabulary_are_refused(tmp_path, monkeypatch):
    assert trained_text_encoder(tmp_path, POLLEN) is not None
    words = captions.vocabulary()
    monkeypatch.setattr(captions, "vocabulary", lambda: [*words, "hovercraft"])
    with pytest.raises(ValueError, match=r"not the same \(hovercraft\)"):
        trained_text_encoder(tmp_path, POLLEN)
