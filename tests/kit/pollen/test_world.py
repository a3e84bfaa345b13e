"""The world and what is said about it."""

import itertools
import random
import re
from collections import Counter
from itertools import islice

import pytest
import torch

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.rendering.render import render
from beecam.models.pollen.world.scene import (
    ACCIDENTS,
    ATTRIBUTES,
    NEEDS,
    draw_scene,
    held_out,
    possible,
)


def test_a_clip_is_the_same_in_every_batch_and_every_time():
    scenes = [draw_scene(seed) for seed in (3, 14, 15, 92)]
    together = render(scenes, frames=5)
    assert together.shape == (4, 5, 96, 96, 3)
    assert together.dtype == torch.uint8
    alone = render([scenes[2]], frames=5)
    assert (alone[0].int() - together[2].int()).abs().max() <= 1
    assert torch.equal(alone, render([scenes[2]], frames=5))


def test_a_swarm_beside_it_leaves_a_clip_as_it_is():
    scenes = [draw_scene(5, insect="bee", accident=a) for a in (None, "swarm")]
    together = render(scenes, frames=3)
    assert (render(scenes[:1], frames=3)[0].int() - together[0].int()).abs().max() <= 1


def test_few_frames_fly_as_far_as_many():
    """The last frame is the same, but for what falls and flutters."""
    scene = draw_scene(
        21,
        camera="drone",
        insect="none",
        weather="clear",
        style="plain",
        place="desert",
        accident=None,
    )
    few, many = (render([scene], frames=n)[0, -1].float() for n in (3, 17))
    first = render([scene], frames=3)[0, 0].float()
    assert (few - many).abs().mean() < 0.35 * (first - many).abs().mean()


def test_size_and_frames_are_free():
    scene = draw_scene(1, style="plain", weather="clear")
    clip = render([scene], size=96, frames=9)
    assert clip.shape == (1, 9, 96, 96, 3)
    small = render([scene], size=32, frames=9).float()
    same = torch.nn.functional.avg_pool2d(clip[0].float().permute(0, 3, 1, 2), 3)
    assert (same.permute(0, 2, 3, 1) - small[0]).abs().mean() < 12


@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_every_value_of_an_attribute_is_seen(attribute):
    """The same scene with another value looks otherwise, by more than noise."""
    values = ATTRIBUTES[attribute]
    start = {
        "insect": "bee",
        "camera": "static",
        "place": "meadow",
        "light": "noon",
        "weather": "clear",
        "style": "plain",
        "speed": "normal",
    }
    clips = render(
        [draw_scene(7, accident=None, **{**start, attribute: v}) for v in values], frames=9
    )
    for i in range(len(values)):
        for j in range(i):
            assert (clips[i].float() - clips[j].float()).abs().mean() > 1.5, (values[i], values[j])


@pytest.mark.parametrize("accident", list(ACCIDENTS))
def test_every_accident_is_seen(accident):
    fixed = {
        "insect": "bee",
        "light": "sunset",
        "weather": "clear",
        "style": "plain",
        "camera": "static",
    }
    for name, values in NEEDS.get(accident, {}).items():
        fixed[name] = fixed[name] if fixed[name] in values else values[0]
    pair = [draw_scene(11, **fixed, accident=a) for a in (accident, None)]
    clips = render(pair, frames=5).float()
    apart = (clips[0] - clips[1]).abs().mean(-1)
    assert (apart > 25).float().mean() > 0.01, "a visible part of the picture is another"


def test_odd_scenes_have_each_kind_of_accident_as_often():
    some = list(itertools.islice(data.odd_scenes(5), 5 * len(ACCIDENTS)))
    assert Counter(scene.accident for scene in some) == dict.fromkeys(ACCIDENTS, 5)
    assert all(possible(s.accident, s.attributes) and not held_out(s) for s in some)
    assert len({scene.seed for scene in some}) == len(some)


def test_accidents_are_rare_uncaptioned_and_some_are_tied_to_the_caption():
    scenes = [draw_scene(seed) for seed in range(20_000)]
    counts = Counter(scene.accident for scene in scenes)
    assert len(ACCIDENTS) >= 8
    for accident, share in ACCIDENTS.items():
        base = sum(possible(accident, scene.attributes) for scene in scenes)
        assert counts[accident] / base == pytest.approx(share, rel=0.25)
        assert 0.01 <= share <= 0.06
    assert all(possible(s.accident, s.attributes) for s in scenes if s.accident)
    assert not possible("own view", draw_scene(0, insect="none").attributes)
    lot = random.Random(0)
    for scene in scenes[:2000]:
        assert "accident" not in scene.attributes
        said = captions.caption(scene.attributes, lot)
        assert not {
            "upside",
            "petal",
            "mirror",
            "giant",
            "swarm",
            "strapped",
            "balloon",
            "bird",
            "leak",
            "suns",
            "rainbow",
        } & set(said.split())


def test_held_out_combinations_leave_every_value_and_most_pairs_in_training():
    scenes = [draw_scene(seed) for seed in range(20_000)]
    held = {(s.place, s.light, s.insect) for s in scenes if held_out(s)}
    rest = {(s.place, s.light, s.insect) for s in scenes if not held_out(s)}
    assert not held & rest
    assert len(held) == 24, "one of ten"
    for place, _, insect in held:
        assert len({light for p, light, i in rest if (p, i) == (place, insect)}) >= 2


def test_a_fixed_attribute_is_kept_and_an_unknown_one_is_named():
    assert draw_scene(1, place="desert", light="night").place == "desert"
    with pytest.raises(ValueError, match="place='moon': one of meadow, desert"):
        draw_scene(1, place="moon")
    with pytest.raises(ValueError, match="weathr: none of place, light"):
        draw_scene(1, weathr="rain")


def test_captions_vary_and_use_only_known_words():
    attributes = draw_scene(
        4, insect="bee", place="meadow", light="noon", camera="drone", weather="rain"
    ).attributes
    lot = random.Random(0)
    said = [captions.caption(attributes, lot) for _ in range(500)]
    assert len(set(said)) > 300
    known = {*captions.vocabulary(), "qx"}
    for text in said:
        assert set(text.replace(",", " ").replace(":", " ").split()) <= known, text
        assert text == text.strip(" ,:")
    assert sum("bee" in t or "bumblebee" in t for t in said) > 400


def test_captions_read_as_a_person_would_write_them():
    lot = random.Random(1)
    odd = re.compile(
        r"(\b(of|with) (at|in|on|under|by|while|with|of|painted|drawn|hand drawn)\b"
        r"|(insects?|nobody|nothing flying|view) (hover|flies|flying over)"
        r"|(of|with) (a|an|one|the) [a-z ]+ (hovers over|flies across))"
    )
    for scene in islice(data.scenes(5), 3000):
        text = captions.caption(scene.attributes, lot).replace("qx ", "")
        assert not odd.search(text.replace("field of", "field")), text


def test_the_tokenizer_takes_any_text():
    tokenizer = nets.tokenizer(captions.vocabulary())
    ids = lambda text: tokenizer(text).input_ids  # noqa: E731
    assert ids("A BEE, over the meadow!") == ids("a bee over the meadow")
    assert ids("") == [1]
    assert ids("zzz <b>") == [2, 2, 1]
    assert ids("🐝") == [1]
    padded = tokenizer(["a bee"], padding="max_length", max_length=128, truncation=True)
    assert len(padded.input_ids[0]) == 128
    assert sum(padded.attention_mask[0]) == 3
