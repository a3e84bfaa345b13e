"""numpy's numbers in place of Python's, and names of what is read already."""

import json
from fractions import Fraction

import numpy as np
import pytest
from safetensors.numpy import save_file

import beecam as bc
from beecam._util import checks
from beecam.errors import CheckError
from helpers import error_message, fill


@pytest.fixture
def clips(library):
    return fill(library)


def problems(found):
    return [str(problem) for problem in found]


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.array])
def test_integers_of_any_type_are_integers(kind):
    assert problems(checks.integer("stars", kind(4), 0, 5)) == []
    assert "The nearest is 5." in problems(checks.integer("stars", kind(9), 0, 5))[0]


@pytest.mark.parametrize("value", [True, np.True_, 1.0, np.float64(1), "1", None, [1]])
def test_other_values_are_not_integers(value):
    assert "an integer from 0 to 5 is needed." in problems(checks.integer("stars", value, 0, 5))[0]


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(1), np.float64(1)])
def test_finite_numbers_of_any_type_are_numbers(value):
    assert problems(checks.number("x", value, low=0, high=1, above=0)) == []


@pytest.mark.parametrize("value", [True, np.True_, np.nan, np.inf, 10**400, "1", None, 1j, 0, 2])
def test_other_values_are_not_numbers(value):
    assert problems(checks.number("x", value, "no", low=0, high=1, above=0))[0].endswith(": no")


def test_ratings_of_numpy_survive_in_the_library(clips, library):
    clips[0].stars = np.int64(4)
    clips[1].rejected = np.True_
    clips[2].tags = np.array(["keep"])
    assert clips[0].stars == 4
    assert library.clips(stars=np.int64(3), limit=np.int64(5)).keys == (clips.keys[0],)
    lines = (library.folder / "annotations.jsonl").read_text().splitlines()
    assert [json.loads(line).get("stars") for line in lines] == [4, None, None]


def test_a_frame_is_picked_by_a_numpy_integer(clips):
    assert clips[0].image(np.int64(1)).size == (48, 32)
    assert len(clips.contact_sheet(columns=np.int64(2), frames=np.int64(1)).axes) == 6


def test_variations_take_numpy_numbers(clips):
    numbers = bc.vary(clips[0], n=np.int64(3), strength=np.float32(0.5), seed=np.int64(1))
    assert numbers.key == bc.vary(clips[0], n=3, strength=0.5, seed=1).key


def test_shots_of_numpy_numbers_are_those_of_plain_numbers():
    image = np.zeros((4, 4, 3), np.uint8)
    one, other = (
        bc.shot(
            "a bee",
            seed=whole(3),
            width=whole(64),
            fps=real(8),
            guidance_scale=real(1.5),
            switch_at=whole(2),
            then_guidance_scale=real(2),
            keyframes={whole(0): image},
        )
        for whole, real in ((int, float), (np.int64, np.float32))
    )
    assert one == other
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_a_sample_takes_numpy_integers():
    drawn = bc.sweep("a bee", bc.sample(np.int64(2), seed=np.int64(5)), seed=range(9))
    assert len(drawn) == 2
    assert drawn.key == bc.sweep("a bee", bc.sample(2, seed=5), seed=range(9)).key


# --- names -----------------------------------------------------------------------------------------


def test_an_input_can_be_named_again():
    plain = bc.read_media(np.zeros((4, 4, 3), np.uint8))
    named = bc.read_media(plain, name="meadow")
    assert (str(named), named) == ("meadow", plain)
    assert named.frames is plain.frames
    assert str(bc.read_media(named)) == "meadow"
    assert "name=3: a string" in error_message(lambda: bc.read_media(plain, name=3), CheckError)


def test_an_adapter_can_be_named_again(tmp_path):
    path = tmp_path / "pencil.safetensors"
    save_file({"lora_A": np.zeros(1)}, path)
    plain = bc.lora(path, np.float32(0.5))
    named = bc.lora(plain, name="soft")
    assert (named.name, named.weight, str(bc.lora(named))) == ("soft", 0.5, "soft 0.5")
    assert "weight='x': a finite number" in error_message(lambda: bc.lora(plain, "x"))
    assert "name=3: a string" in error_message(lambda: bc.lora(path, name=3))
    assert bc.shot("a bee", lora=(path, np.float32(0.5))).adapters == (plain,)


@pytest.mark.parametrize("name", ["fps", "guidance_scale"])
def test_a_fraction_is_the_number_that_it_is(name):
    one, other = (bc.shot("a bee", **{name: value}) for value in (Fraction(25, 2), 12.5))
    assert one == other
    assert type(getattr(one, name)) is float
