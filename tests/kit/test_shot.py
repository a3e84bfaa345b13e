"""Shots: equal shots have equal keys, different shots different keys; values are checked."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import beecam as bc
from beecam.errors import BeecamError, CheckError
from beecam.shots.conditions import Condition
from beecam.shots.noise import MAX_SEED
from beecam.shots.shot import MAX_PROMPT, Shot
from beecam.shots.shot_checks import check_values, require_resolved
from helpers import error_message

noises = st.lists(
    st.tuples(st.integers(0, MAX_SEED), st.floats(0.1, 2.0)), min_size=1, max_size=3
).map(tuple)
shots = st.builds(
    Shot,
    prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    noise=noises,
    width=st.none() | st.integers(1, 4096),
    guidance_scale=st.none() | st.floats(0, 20),
    negative_prompt=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    extra=st.dictionaries(
        st.text("abc", min_size=1, max_size=4),
        st.integers(-MAX_SEED, MAX_SEED) | st.booleans() | st.text("xy"),
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


def test_a_shot_that_is_not_resolved_has_no_key_and_lists_what_is_not_set():
    with pytest.raises(BeecamError, match=r"num_frames.*model\.resolve"):
        _ = bc.shot("a bee", width=64).key


def test_a_shot_cannot_be_changed():
    shot = bc.shot("a bee")
    with pytest.raises(dataclasses.FrozenInstanceError):
        shot.prompt = "a moth"


@given(shots)
def test_its_code_builds_it_again(shot):
    assert eval(shot.code(), {"bc": bc}) == shot


def test_the_repr_has_only_what_differs_from_the_defaults():
    assert repr(bc.shot("a bee", seed=3)) == "bc.shot('a bee', seed=3)"
    assert repr(bc.shot("a bee")) == "bc.shot('a bee')"
    assert repr(bc.shot("a bee", negative_prompt="", width=64, eta=0.5)) == (
        "bc.shot('a bee', width=64, negative_prompt='', eta=0.5)"
    )
    assert repr(bc.shot("a bee", switch_at=0.5, then_prompt="a moth")) == (
        "bc.shot('a bee', switch_at=0.5, then_prompt='a moth')"
    )
    assert "model='pollen'" in repr(resolve(bc.shot("a bee")))
    assert "revision" not in repr(resolve(bc.shot("a bee"))), "bc.shot doesn't take it"


@given(shots)
def test_the_repr_can_be_evaluated_as_a_call_of_bc_shot(shot):
    assert eval(repr(shot), {"bc": bc}) == shot


def test_the_code_of_a_draft_builds_the_draft():
    draft = bc.shot("a bee", seed=3, draft_steps=2)
    assert draft.draft_steps == 2
    assert draft.extra == ()
    assert eval(draft.code(), {"bc": bc}) == eval(repr(draft), {"bc": bc}) == draft


@pytest.mark.parametrize("values", [{"prompt": None}, {"prompt": 3}, {"noise": 5}, {"noise": ()}])
def test_an_invalid_shot_has_a_repr(values):
    assert repr(Shot(**{"prompt": "a bee", **values})).startswith("bc.shot(")


# --- data from others -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest",
    ["../../x", "../" * 10 + "ab", "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "", 7, None],
)
def test_a_digest_that_could_name_another_file_is_refused(digest):
    with pytest.raises(BeecamError, match="32 hexadecimal digits are needed"):
        Condition.from_dict({"name": "image", "digest": digest})
    data = resolve(bc.shot("a bee")).to_dict()
    for more in (
        {"conditions": [{"name": "image", "digest": digest}]},
        {"adapters": [[digest, 1.0]]},
    ):
        with pytest.raises(BeecamError, match="32 hexadecimal digits are needed"):
            Shot.from_dict(data | more)


def test_digests_of_a_shot_come_back():
    data = {"name": "keyframes", "digest": "0123456789abcdef" * 2, "count": 9, "frame": -1}
    assert Condition.from_dict(data).to_dict() == data
    shot = resolve(bc.shot("a bee")).to_dict() | {
        "conditions": [data],
        "adapters": [["f" * 32, 0.5]],
    }
    assert Shot.from_dict(shot).to_dict() == shot


# --- what a model generates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shots", "words"),
    [
        (
            "a bee",
            "shots='a bee': a list of resolved shots is needed, as in model.generate([model.resolve(",
        ),
        (bc.shot("a bee", seed=3), "shots=bc.shot('a bee', seed=3): a list of resolved shots"),
        (bc.sweep("a bee", seed=range(2)), "as in model.generate(sweep.resolve(model))"),
        ([], "shots=[]: a list of resolved shots is needed"),
        (None, "shots=None: a list of resolved shots is needed"),
        (
            ["a moth"],
            "shots[0]='a moth': a resolved shot is needed, as in model.resolve(bc.shot('a",
        ),
        ([bc.shot("a bee", width=64)], "isn't resolved, height, num_frames"),
    ],
)
def test_what_a_model_cannot_generate_is_named(shots, words):
    assert words in error_message(lambda: require_resolved(shots))


def test_a_list_of_resolved_shots_can_be_generated():
    require_resolved([resolve(bc.shot("a bee"))])
    require_resolved(tuple(resolve(bc.shot("a bee", seed=i)) for i in range(2)))


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.5, "7", True])
def test_a_seed_out_of_range_is_reported(seed):
    with pytest.raises(CheckError, match=r"seed=.*integer from 0 to 9223372036854775807"):
        bc.shot("a bee", seed=seed)


def test_the_nearest_seed_is_suggested():
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
def test_values_of_the_wrong_type_are_reported(arguments, words):
    with pytest.raises(CheckError) as error:
        bc.shot("a bee", **arguments)
    assert words in str(error.value)


def test_all_problems_are_reported_at_once():
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


# --- copies with other values ------------------------------------------------------------------


def test_a_copy_takes_the_arguments_of_bc_shot(tmp_path):
    image, other = (np.full((4, 4, 3), value, np.uint8) for value in (1, 2))
    lora = tmp_path / "pencil.safetensors"
    save_file({"lora_A": np.zeros(1)}, lora)
    plain = bc.shot("a bee", seed=3, eta=0.5)
    for arguments in (
        {"image": image},
        {"last_image": other, "image": image},
        {"keyframes": {0: image, -1: other}},
        {"lora": lora, "lora_weight": 0.5},
        {"switch_at": 0.5, "then_prompt": "a moth"},
        {"max_sequence_length": 64, "eta": 1.0},
        {"seed": 5, "width": 64, "image": image},
    ):
        built = bc.shot("a bee", **({"seed": 3, "eta": 0.5} | arguments))
        assert plain.replace(**arguments) == built
        assert plain.replace(**arguments).to_dict() == built.to_dict()
    both = bc.shot("a bee", last_image=other).replace(image=image)
    assert both == bc.shot("a bee", image=image, last_image=other)
    assert both.replace(image=other, last_image=None) == bc.shot("a bee", image=other)
    assert bc.shot("a bee", switch_at=2, then_prompt="a moth").replace(then_prompt="a fly") == (
        bc.shot("a bee", switch_at=2, then_prompt="a fly")
    )
    with pytest.raises(CheckError, match="lora_weight=1: of which LoRA"):
        plain.replace(lora_weight=1)


# --- many shots that differ in the noise ---------------------------------------------------------


@pytest.mark.slow
@given(shots, noises)
def test_a_copy_with_another_noise_is_that_of_replace(shot, noise):
    copy, replaced = shot.with_noise(noise), shot.replace(noise=noise)
    assert copy == replaced
    assert hash(copy) == hash(replaced)
    assert (copy == shot) == (noise == shot.noise)
    assert copy.without_noise() == shot.without_noise()
    whole = resolve(shot)
    for one in (whole, whole.with_noise(noise), whole.with_noise(noise).replace(prompt="another")):
        text = json.dumps(one.to_dict(), sort_keys=True, separators=(",", ":"))
        assert one.key == hashlib.sha256(text.encode()).hexdigest()[:32]
