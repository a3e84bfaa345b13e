"""The weights that ship: they load everywhere, and show what they are asked for."""

import json
import re
from pathlib import Path

import pytest
import torch

import beecam as bc
from beecam.models.loading.load import POLLEN
from beecam.models.pollen import captions, evaluate, judges, sampling
from beecam.models.pollen.scene import ATTRIBUTES, draw_scene
from helpers import frames

CARD = Path(judges.__file__).parent / "CARD.md"


@pytest.fixture(scope="module")
def model():
    return bc.load()


def test_loading_gives_pollen_with_a_licence_and_defaults(model):
    shot = model.resolve(bc.shot("a bee"))
    assert (shot.width, shot.height, shot.num_frames, shot.fps) == (96, 96, 17, 8.0)
    assert (shot.num_inference_steps, shot.guidance_scale) == (20, 3.0)
    assert model.licence == "Apache-2.0"


def test_the_same_seed_gives_the_same_bits_and_another_one_another_clip(model):
    a, b = (model.resolve(bc.shot("a bee over a meadow at noon", seed=s)) for s in (1, 2))
    one, two = frames(model, [a, b])
    again, _ = frames(model, [a, b])
    assert (one == again).all()
    assert abs(one.astype(float) - two).mean() > 8


def test_previews_come_near_the_clip_as_the_steps_go_on(model):
    shot = model.resolve(bc.shot("a ladybug over a desert at noon", seed=3))
    seen = []
    made = frames(model, [shot], lambda step: seen.append(step.preview()[0]))[0]
    small = torch.nn.functional.avg_pool2d(torch.from_numpy(made).permute(0, 3, 1, 2).float(), 2)
    far = [
        float((torch.from_numpy(s).permute(0, 3, 1, 2).float() - small).abs().mean()) for s in seen
    ]
    assert seen[-1].shape == (17, 48, 48, 3)
    assert far[-1] < 14
    assert far[-1] < far[len(far) // 2] <= far[0]


@pytest.mark.slow
def test_other_classes_of_diffusers_load_it_too():
    from diffusers import LTXConditionPipeline

    pipe = LTXConditionPipeline.from_pretrained(POLLEN, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    frames = pipe(
        prompt="a bee over a meadow at noon",
        width=96,
        height=96,
        num_frames=17,
        frame_rate=8,
        num_inference_steps=8,
        guidance_scale=3,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).frames
    assert frames.shape == (1, 17, 3, 96, 96)
    assert float(frames.std()) > 0.05


@pytest.mark.slow
def test_place_and_light_of_most_clips_are_what_the_prompt_says(model):
    each = judges.load()
    scenes = [
        draw_scene(9000 + i, place=place, light=light, insect="bee", camera="static")
        for i, (place, light) in enumerate(
            (p, t) for p in ATTRIBUTES["place"] for t in ("noon", "night")
        )
    ]
    made = sampling.make(model.pipe, [captions.plain(s.attributes) for s in scenes], steps=10)
    for name in ("place", "light"):
        right = judges.judge_all(each[name], made) == judges.truth(scenes, name)
        assert int(right.sum()) >= 14, name


@pytest.mark.slow
def test_the_judges_know_rendered_clips():
    each = judges.load()
    for name, (right, many) in evaluate.judge_the_judges(each, 30).items():
        assert right / many >= 0.9, name


def test_the_card_quotes_the_scores_as_they_were_measured():
    scores = json.loads(evaluate.SCORES.read_text())
    card = CARD.read_text()
    assert evaluate.table(scores) in card
    assert scores["command"] in card
    assert scores["date"] in card
    assert not re.search(r"\bTODO\b|\bTBD\b|@[A-Z]+@", card)
