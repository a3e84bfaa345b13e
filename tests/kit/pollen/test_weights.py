"""The weights that ship: they load everywhere, and generate what the prompt asks for."""

import json
import re
import subprocess
import sys

import pytest
import torch

import beecam as bc
from beecam.models.loading.load import POLLEN
from beecam.models.pollen.evaluation.classifiers import classify, labels
from beecam.models.pollen.evaluation.classifiers import load as load_classifiers
from beecam.models.pollen.evaluation.score import score_classifiers
from beecam.models.pollen.evaluation.table import SCORES, table
from beecam.models.pollen.networks.pipeline import generate
from beecam.models.pollen.world.captions import plain_caption
from beecam.models.pollen.world.scene import ATTRIBUTES, draw_scene
from helpers import generate_frames

pytestmark = pytest.mark.slow

CARD = POLLEN.parent / "CARD.md"


@pytest.fixture(scope="module")
def model():
    return bc.load()


def test_loading_gives_pollen_with_a_license_and_defaults(model):
    shot = model.resolve(bc.shot("a bee"))
    assert (shot.width, shot.height, shot.num_frames, shot.fps) == (96, 96, 17, 8.0)
    assert (shot.num_inference_steps, shot.guidance_scale) == (20, 3.0)
    assert model.license == "Apache-2.0"


def test_loading_imports_neither_training_nor_evaluation_nor_renderer():
    code = (
        "import sys, beecam as bc; bc.load(); "
        "print([n for n in sys.modules if n.startswith('beecam.models.pollen.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = re.findall(r"'beecam\.models\.pollen\.(\w+)(?:\.(\w+))?'", done.stdout)
    assert {room for room, _ in rooms} == {"networks", "world"}
    assert {module for room, module in rooms if room == "world"} == {"", "scene"}


def test_the_same_seed_gives_the_same_bits_and_another_one_another_clip(model):
    a, b = (model.resolve(bc.shot("a bee over a meadow at noon", seed=s)) for s in (1, 2))
    one, two = generate_frames(model, [a, b])
    again, _ = generate_frames(model, [a, b])
    assert (one == again).all()
    assert abs(one.astype(float) - two).mean() > 8


def test_previews_approach_the_clip(model):
    shot = model.resolve(bc.shot("a ladybug over a desert at noon", seed=3))
    seen = []
    clip = generate_frames(model, [shot], lambda step: seen.append(step.preview()[0]))[0]
    small = torch.nn.functional.avg_pool2d(torch.from_numpy(clip).permute(0, 3, 1, 2).float(), 2)
    far = [
        float((torch.from_numpy(s).permute(0, 3, 1, 2).float() - small).abs().mean()) for s in seen
    ]
    assert seen[-1].shape == (17, 48, 48, 3)
    assert far[-1] < 14
    assert far[-1] < far[len(far) // 2] <= far[0]


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
        num_inference_steps=4,
        guidance_scale=3,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).frames
    assert frames.shape == (1, 17, 3, 96, 96)
    assert float(frames.std()) > 0.05


def test_place_and_light_of_most_clips_are_what_the_prompt_says(model):
    each = load_classifiers()
    requested = [
        draw_scene(9000 + i, place=place, light=light, insect="bee", camera="static")
        for i, (place, light) in enumerate(
            (p, t) for p in ATTRIBUTES["place"] for t in ("noon", "night")
        )
    ]
    clips = generate(model.pipe, [plain_caption(s.attributes) for s in requested], 4)
    for name in ("place", "light"):
        correct = classify(each[name], clips) == labels(requested, name)
        assert int(correct.sum()) >= 14, name


def test_the_classifiers_recognise_rendered_clips():
    each = load_classifiers()
    for name, (correct, count) in score_classifiers(each, 12).items():
        assert correct / count >= 0.9, name


def test_the_card_quotes_the_scores_as_they_were_measured():
    scores = json.loads(SCORES.read_text())
    card = CARD.read_text()
    assert table(scores) in card
    assert scores["command"] in card
    assert scores["date"] in card
    assert not re.search(r"\bTODO\b|\bTBD\b|@[A-Z]+@", card)
