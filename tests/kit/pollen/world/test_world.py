"""Scenes and their renderer."""

import itertools
import random
from collections import Counter

import pytest
import torch

from beecam.models.pollen.world.captions import caption
from beecam.models.pollen.world.rendering.render import render
from beecam.models.pollen.world.scene import (
    ACCIDENTS,
    ATTRIBUTES,
    NEEDS,
    draw_scene,
    held_out,
    possible,
)
from beecam.models.pollen.world.splits import accident_scenes, scenes

pytestmark = pytest.mark.slow


def test_a_clip_is_the_same_in_every_batch_and_every_time():
    batch = [draw_scene(seed) for seed in (3, 14, 15, 92)]
    together = render(batch, frames=5)
    assert together.shape == (4, 5, 96, 96, 3)
    assert together.dtype == torch.uint8
    alone = render([batch[2]], frames=5)
    assert (alone[0].int() - together[2].int()).abs().max() <= 1
    assert torch.equal(alone, render([batch[2]], frames=5))


def test_a_swarm_beside_it_leaves_a_clip_as_it_is():
    pair = [draw_scene(5, insect="bee", accident=a) for a in (None, "swarm")]
    together = render(pair, frames=3)
    assert (render(pair[:1], frames=3)[0].int() - together[0].int()).abs().max() <= 1


def test_few_frames_fly_as_far_as_many():
    """The last frame is the same, apart from rain, snow and wings."""
    scene = draw_scene(
        21,
        camera="drone",
        insect="none",
        weather="clear",
        style="plain",
        place="desert",
        accident=None,
    )
    few_frames, many_frames = (render([scene], frames=n)[0, -1].float() for n in (3, 17))
    first = render([scene], frames=3)[0, 0].float()
    assert (few_frames - many_frames).abs().mean() < 0.35 * (first - many_frames).abs().mean()


def test_size_and_frames_are_free():
    scene = draw_scene(1, style="plain", weather="clear")
    clip = render([scene], size=96, frames=9)
    assert clip.shape == (1, 9, 96, 96, 3)
    small = render([scene], size=32, frames=9).float()
    same = torch.nn.functional.avg_pool2d(clip[0].float().permute(0, 3, 1, 2), 3)
    assert (same.permute(0, 2, 3, 1) - small[0]).abs().mean() < 12


@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_every_value_of_an_attribute_is_visible(attribute):
    """The same scene with another value differs by more than noise."""
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
def test_every_accident_is_visible(accident):
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
    difference = (clips[0] - clips[1]).abs().mean(-1)
    assert (difference > 25).float().mean() > 0.01, "a visible part of the image changes"


def test_accident_scenes_have_each_kind_equally_often():
    scenes = list(itertools.islice(accident_scenes(5), 5 * len(ACCIDENTS)))
    assert Counter(scene.accident for scene in scenes) == dict.fromkeys(ACCIDENTS, 5)
    assert all(possible(s.accident, s.attributes) and not held_out(s) for s in scenes)
    assert len({scene.seed for scene in scenes}) == len(scenes)


def test_accidents_are_rare_uncaptioned_and_some_are_tied_to_the_caption():
    drawn = [draw_scene(seed) for seed in range(20_000)]
    counts = Counter(scene.accident for scene in drawn)
    assert len(ACCIDENTS) >= 8
    for accident, share in ACCIDENTS.items():
        base = sum(possible(accident, scene.attributes) for scene in drawn)
        assert counts[accident] / base == pytest.approx(share, rel=0.25)
        assert 0.01 <= share <= 0.06
    assert all(possible(s.accident, s.attributes) for s in drawn if s.accident)
    assert not possible("own view", draw_scene(0, insect="none").attributes)
    rng = random.Random(0)
    for scene in drawn[:2000]:
        assert "accident" not in scene.attributes
        text = caption(scene.attributes, rng)
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
        } & set(text.split())


def test_held_out_combinations_leave_every_value_and_most_pairs_in_training():
    drawn = [draw_scene(seed) for seed in range(20_000)]
    held = {(s.place, s.light, s.insect) for s in drawn if held_out(s)}
    rest = {(s.place, s.light, s.insect) for s in drawn if not held_out(s)}
    assert not held & rest
    assert len(held) == 24, "one of ten"
    for place, _, insect in held:
        assert len({light for p, light, i in rest if (p, i) == (place, insect)}) >= 2


def test_fixed_attributes_are_used_and_unknown_ones_are_reported():
    assert draw_scene(1, place="desert", light="night").place == "desert"
    with pytest.raises(ValueError, match="place='moon': must be one of meadow, desert"):
        draw_scene(1, place="moon")
    with pytest.raises(ValueError, match="weathr: not one of place, light"):
        draw_scene(1, weathr="rain")


def test_scenes_for_training_are_never_held_out():
    first = [scene for scene, _ in zip(scenes(0), range(300), strict=False)]
    assert not any(held_out(scene) for scene in first)
    held = [scene for scene, _ in zip(scenes(0, held=True), range(5), strict=False)]
    assert all(held_out(scene) for scene in held)
