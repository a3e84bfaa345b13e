"""Captions: their grammar, and which attributes they name."""

import random
import re
from itertools import islice

import torch

from beecam.models.pollen.networks import shapes
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.captions import caption, named_values, plain_caption
from beecam.models.pollen.world.scene import ATTRIBUTES, draw_scene
from beecam.models.pollen.world.splits import scenes


def test_captions_vary_and_use_only_known_words():
    attributes = draw_scene(
        4, insect="bee", place="meadow", light="noon", camera="drone", weather="rain"
    ).attributes
    rng = random.Random(0)
    texts = [caption(attributes, rng) for _ in range(500)]
    assert len(set(texts)) > 300
    known = {*captions.vocabulary(), "qx"}
    for text in texts:
        assert set(text.replace(",", " ").replace(":", " ").split()) <= known, text
        assert text == text.strip(" ,:")
    assert sum("bee" in t or "bumblebee" in t for t in texts) > 400


def test_captions_read_as_a_person_would_write_them():
    rng = random.Random(1)
    wrong = re.compile(
        r"(\b(of|with) (at|in|on|under|by|while|with|of|painted|drawn|hand drawn)\b"
        r"|(insects?|nobody|nothing flying|view) (hover|flies|flying over)"
        r"|(of|with) (a|an|one|the) [a-z ]+ (hovers over|flies across))"
    )
    for scene in islice(scenes(5), 3000):
        text = caption(scene.attributes, rng).replace("qx ", "")
        assert not wrong.search(text.replace("field of", "field")), text


def test_named_and_omitted_attributes_are_told_apart():
    one = {
        "place": "city",
        "light": "night",
        "weather": "rain",
        "insect": "beetle",
        "camera": "orbit",
        "style": "neon",
        "speed": "fast",
    }
    found = named_values(one, "a stag beetle above skyscrapers by night, cyberpunk neon")
    by_name = dict(zip(ATTRIBUTES, found, strict=True))
    for name in ("place", "light", "insect", "style"):
        assert ATTRIBUTES[name][by_name[name]] == one[name]
    for name in ("weather", "camera", "speed"):
        assert by_name[name] == len(ATTRIBUTES[name])
    # Everything that the plainest caption names.
    assert named_values(one, plain_caption(one)) == [
        values.index(one[name]) for name, values in ATTRIBUTES.items()
    ]


def test_unknown_words_change_nothing_and_a_beetle_is_not_a_bee():
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
        value = dict(zip(ATTRIBUTES, named_values(one, text), strict=True))[name]
        assert (value < len(ATTRIBUTES[name])) is known, text


def test_every_phrase_of_the_grammar_is_recognised():
    for name, values_of in captions.PHRASES.items():
        for value, texts in values_of.items():
            one = {key: values[0] for key, values in ATTRIBUTES.items()} | {name: value}
            for text in texts:
                found = dict(zip(ATTRIBUTES, named_values(one, f"qx, {text}: qx"), strict=True))
                assert found[name] == ATTRIBUTES[name].index(value), text


def test_captions_of_mirror_images_name_the_other_pan():
    scene = draw_scene(3, camera="pan left")
    assert scene.mirrored_attributes["camera"] == "pan right"
    assert draw_scene(3, camera="orbit").mirrored_attributes["camera"] == "orbit"
    tokens = latents.caption_tokens([scene.attributes], "a")
    assert tokens.shape == (1, latents.CAPTIONS, shapes.TEXT_LENGTH)
    assert torch.equal(tokens, latents.caption_tokens([scene.attributes], "a"))
    assert not torch.equal(tokens, latents.caption_tokens([scene.attributes], "b"))
