"""The text encoder learns to read captions before the denoiser learns to listen to it."""

import random

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen import captions, reading
from beecam.models.pollen.scene import ATTRIBUTES


def test_what_a_caption_says_is_known_and_what_it_leaves_out_is_not():
    one = {
        "place": "city",
        "light": "night",
        "weather": "rain",
        "insect": "beetle",
        "camera": "orbit",
        "style": "neon",
        "speed": "fast",
    }
    found = reading.said(one, "a stag beetle above skyscrapers by night, cyberpunk neon")
    by_name = dict(zip(ATTRIBUTES, found, strict=True))
    for name in ("place", "light", "insect", "style"):
        assert ATTRIBUTES[name][by_name[name]] == one[name]
    for name in ("weather", "camera", "speed"):
        assert by_name[name] == len(ATTRIBUTES[name])
    # Everything that the plainest caption names.
    assert reading.said(one, captions.plain(one)) == [
        values.index(one[name]) for name, values in ATTRIBUTES.items()
    ]


def test_unknown_words_unsay_nothing_and_a_beetle_is_no_bee():
    one = {
        "place": "city",
        "light": "night",
        "weather": "rain",
        "insect": "bee",
        "camera": "orbit",
        "style": "neon",
        "speed": "fast",
    }
    for text, name, known in (
        ("a qx bee over a city", "insect", True),
        ("qx qx a city qx", "place", True),
        ("a beetle over a city", "insect", False),
        ("a bee, at qx night", "light", True),
    ):
        value = dict(zip(ATTRIBUTES, reading.said(one, text), strict=True))[name]
        assert (value < len(ATTRIBUTES[name])) is known, text


def test_every_word_of_the_grammar_is_heard():
    for name, kinds in captions.WORDS.items():
        for value, texts in kinds.items():
            one = {key: values[0] for key, values in ATTRIBUTES.items()} | {name: value}
            for text in texts:
                heard = dict(zip(ATTRIBUTES, reading.said(one, f"qx, {text}: qx"), strict=True))
                assert heard[name] == ATTRIBUTES[name].index(value), text


def test_tokens_are_judged_by_what_is_said_and_padding_by_nothing():
    sizes = [len(values) + 1 for values in ATTRIBUTES.values()]
    wanted = torch.tensor([[size - 1 for size in sizes], [0] * len(sizes)])
    known = torch.tensor([[True, True, False], [True, False, False]])
    right = torch.cat(
        [
            torch.nn.functional.one_hot(wanted[:, i, None].expand(-1, 3), size).float() * 50
            for i, size in enumerate(sizes)
        ],
        -1,
    )
    assert float(reading.losses(right, wanted, known)) < 1e-6
    wrong = right.clone()
    wrong[~known] = -right[~known]
    assert float(reading.losses(wrong, wanted, known)) < 1e-6, "padding"
    wrong[0, 1] = right[1, 0]
    assert float(reading.losses(wrong, wanted, known)) > 10


@pytest.mark.slow
def test_it_learns_and_is_what_the_denoiser_listens_to(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the stage `reading` first"):
        reading.encoder(tmp_path)
    loop = reading.loop(tmp_path)
    before = {k: v.clone() for k, v in loop.modules["text_encoder"].state_dict().items()}
    loop.run(reading.ReadingLoss(), steps=60, finish=True)
    lot = random.Random(1)
    truth = [reading.draw(lot) for _ in range(100)]
    texts = [captions.caption(one, lot) for one in truth]
    wanted = torch.tensor([reading.said(*pair) for pair in zip(truth, texts, strict=True)])
    loop.settle()
    with torch.no_grad():
        learned = float(
            reading.losses(*_swapped(reading.ReadingLoss().read(loop, texts, 48), wanted))
        )
        fresh = reading.loop(tmp_path / "other")
        new = float(reading.losses(*_swapped(reading.ReadingLoss().read(fresh, texts, 48), wanted)))
    assert learned < 0.9 * new
    begun = reading.encoder(tmp_path).state_dict()
    kept = loop.modules["text_encoder"].state_dict()
    assert all(torch.equal(begun[name], kept[name]) for name in kept)
    assert not all(torch.equal(begun[name], before[name]) for name in kept)


def _swapped(found, wanted):
    scores, known = found
    return scores, wanted, known


def test_weights_that_have_learnt_other_words_are_refused(tmp_path, monkeypatch):
    assert reading.encoder(tmp_path, POLLEN) is not None
    words = captions.vocabulary()
    monkeypatch.setattr(captions, "vocabulary", lambda: [*words, "hovercraft"])
    with pytest.raises(ValueError, match=r"not the same \(hovercraft\)"):
        reading.encoder(tmp_path, POLLEN)
