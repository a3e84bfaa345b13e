"""Shots: equal pixels have equal keys, and other pixels have other keys."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import BeecamError, CheckError
from beecam.shots.noise import MAX_SEED
from beecam.shots.shot import MAX_PROMPT, Shot
from beecam.shots.shot_checks import check_values

shots = st.builds(
    Shot,
    prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    noise=st.lists(
        st.tuples(st.integers(0, MAX_SEED), st.floats(0.1, 2.0)), min_size=1, max_size=3
    ).map(tuple),
    width=st.none() | st.integers(1, 4096),
    guidance_scale=st.none() | st.floats(0, 20),
    negative_prompt=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    extra=st.dictionaries(
        st.text("abc", min_size=1, max_size=4), st.integers() | st.booleans() | st.text("xy")
    ),
)

RESOLVED = {
    "negative_prompt": "",
    "width": 64,
    "height": 64,
    "num_frames": 17,
    "fps": 8.0,
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
    "scheduler": "Euler",
    "model": "pollen",
    "revision": "0",
}


def resolve(shot):
    return shot.replace(**{k: v for k, v in RESOLVED.items() if getattr(shot, k) is None})


@given(shots)
def test_a_shot_comes_back_from_json_with_the_same_key(shot):
    shot = resolve(shot)
    back = Shot.from_dict(json.loads(json.dumps(shot.to_dict())))
    assert back == shot
    assert back.key == shot.key


@given(shots, st.sampled_from(["prompt", "seed", "width", "guidance_scale", "scheduler", "fps"]))
def test_every_field_that_changes_pixels_changes_the_key(shot, name):
    shot = resolve(shot)
    other = {
        "prompt": shot.prompt + "!",
        "seed": (shot.seed + 1) % MAX_SEED,
        "width": (shot.width or 0) + 32,
        "guidance_scale": (shot.guidance_scale or 0) + 1.5,
        "scheduler": "UniPCMultistepScheduler",
        "fps": 12.5,
    }[name]
    assert shot.replace(**{name: other}).key != shot.key


def test_spelling_does_not_matter():
    a = bc.shot("a bee", seed=np.int64(3), guidance_scale=2, eta=np.float32(0.5), b=[1, 2])
    b = bc.shot("a bee", seed=3, guidance_scale=2.0, b=(1, 2), eta=0.5)
    assert a == b
    assert resolve(a).key == resolve(b).key
    assert hash(a) == hash(b)


def test_an_open_shot_has_no_key_and_says_what_is_open():
    with pytest.raises(BeecamError, match=r"num_frames.*model\.resolve"):
        _ = bc.shot("a bee", width=64).key


def test_a_shot_can_not_be_changed():
    shot = bc.shot("a bee")
    with pytest.raises(dataclasses.FrozenInstanceError):
        shot.prompt = "a moth"


@given(shots)
def test_its_code_makes_it_again(shot):
    plain = shot.replace(negative_prompt=shot.negative_prompt or None)
    assert eval(shot.code(), {"bc": bc}) == plain


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.5, "7", True])
def test_a_seed_out_of_range_is_named(seed):
    with pytest.raises(CheckError, match=r"seed=.*integer from 0 to 9223372036854775807"):
        bc.shot("a bee", seed=seed)


def test_the_nearest_seed_is_named():
    with pytest.raises(CheckError, match="nearest is 0"):
        bc.shot("a bee", seed=-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"width": 0}, "width=0: an integer from 1 to 16,384"),
        ({"width": "64"}, "width='64'"),
        ({"num_frames": 2.5}, "num_frames=2.5"),
        ({"guidance_scale": float("nan")}, "guidance_scale=nan: a finite number"),
        ({"guidance_scale": -1}, "guidance_scale=-1: 0 or more is needed"),
        ({"switch_at": 2, "then_guidance_scale": -1.0}, "then_guidance_scale=-1.0: a finite"),
        ({"fps": 0}, "fps=0: between 0 and 240"),
        ({"negative_prompt": 3}, "negative_prompt=3: a string"),
        ({"scheduler": 1}, "scheduler=1: a string"),
    ],
)
def test_values_of_the_wrong_kind_are_named(arguments, words):
    with pytest.raises(CheckError) as error:
        bc.shot("a bee", **arguments)
    assert words in str(error.value)


def test_all_problems_are_named_at_once():
    with pytest.raises(CheckError) as error:
        bc.shot("x" * 10_000, seed=-1, width=0)
    assert {p.argument for p in error.value.problems} == {"prompt", "seed", "width"}


def test_a_prompt_of_ten_thousand_characters_is_too_long():
    problem = next(check_values(Shot(prompt="x" * 10_000)))
    assert "10,000 characters" in str(problem)
    assert f"{MAX_PROMPT:,}" in str(problem)
    assert not list(check_values(Shot(prompt="x" * MAX_PROMPT)))


@pytest.mark.parametrize(
    "prompt", ["<b>bee</b><script>", "🐝 over 🏔️", "نحلة فوق المرج", "\u202ebee"]
)
def test_html_emoji_and_right_to_left_text_are_plain_text(prompt):
    assert Shot.from_dict(bc.shot(prompt).to_dict()).prompt == prompt
    assert "surrogate" in str(next(check_values(Shot(prompt="a\ud83d"))))
