"""Faster with other pixels: on pollen, and on tiny pipelines that can and can't."""

import hashlib

import numpy as np
import pytest

import beecam as bc
from beecam.errors import Stopped
from beecam.models.speed.compare import compare
from helpers import frames, said
from tiny import make

SHOT = {"prompt": "a bee over a meadow", "seed": 4, "num_inference_steps": 12}


def shot(**more):
    return bc.shot(**{**SHOT, **more})


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.mark.slow
def test_it_is_quicker_alike_and_recorded(pollen, library):
    whole = shot(num_inference_steps=20)  # as it ships; what is continued from fewer is coarser
    quick = pollen.at_speed("balanced")
    assert str(quick.speed) == "balanced: taylorseer 2"
    exact = frames(pollen, [pollen.resolve(whole)])[0]
    full = quick.resolve(whole)
    assert full.speed == ("taylorseer 2",)
    assert full.key != pollen.resolve(whole).key
    made = frames(quick, [full])[0]
    error = np.mean((made.astype(float) - exact) ** 2)
    assert error > 0, "it is another clip"
    assert 10 * np.log10(255**2 / error) > 35, "which can't be told from the exact one"
    clip = bc.run(whole, quick, library=library).wait().clips[0]
    assert clip.shot.speed == ("taylorseer 2",)
    assert np.array_equal(clip.regenerate(quick), made)
    assert "this is exact" in said(lambda: bc.run(clip.shot, pollen, library=library))


@pytest.mark.slow
def test_the_pipeline_is_as_it_was_between_calls(pollen):
    exact = frames(pollen, [pollen.resolve(shot())])[0]
    quick = pollen.at_speed("balanced")

    def leave(step):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        quick.generate([quick.resolve(shot())], leave)
    assert not pollen.pipe.transformer.is_cache_enabled
    assert np.array_equal(frames(pollen, [pollen.resolve(shot())])[0], exact)
    assert np.array_equal(
        frames(quick, [quick.resolve(shot())])[0], frames(quick, [quick.resolve(shot())])[0]
    )


@pytest.mark.slow
def test_neighbours_change_nothing_and_two_models_of_one_pipeline_take_turns(pollen, library):
    quick = pollen.at_speed("balanced")
    sweep = bc.sweep(
        "a bee over {place}",
        place=["a meadow", "dunes", "the sea"],
        seed=[1, 2],
        num_inference_steps=6,
    )
    first = bc.run(sweep, quick, library=library, exact=True)
    second = bc.run(sweep, pollen, library=library)
    assert not first.wait().errors
    assert not second.wait().errors
    for clip in first.clips[::3]:
        assert digest(clip.regenerate(quick)) == clip.facts["digest"]
        alone = quick.generate([clip.shot], pad_to=clip.facts["batch"])[0].frames
        assert digest(alone) == clip.facts["digest"]
    for clip in second.clips[::3]:
        assert digest(clip.regenerate(pollen)) == clip.facts["digest"]


def test_fast_takes_half_the_steps_unless_they_are_given():
    fast = bc.wrap(make("WanPipeline"), name="wan", speed="fast")
    full = fast.resolve(bc.shot("a bee"))
    assert (full.num_inference_steps, full.scheduler) == (25, "UniPCMultistepScheduler")
    given = fast.resolve(bc.shot("a bee", num_inference_steps=9))
    assert given.num_inference_steps == 9


def test_what_a_pipeline_cannot_do_is_left_out():
    latte = bc.wrap(make("LattePipeline"), name="latte", speed="balanced")
    assert str(latte.speed) == "balanced: nothing that it can switch on"
    assert latte.resolve(bc.shot("a bee")).speed is None
    wrong = said(lambda: bc.wrap(make("LattePipeline"), speed="fsat"))
    assert "one of exact, balanced and fast. Did you mean fast?" in wrong


def test_what_a_cache_cannot_go_on_from_is_said(pollen):
    quick = pollen.at_speed("balanced")
    text = said(lambda: bc.sweep("a bee", switch_at=2, then_prompt="a moth").check(quick))
    assert "not at speed='balanced'" in text


def test_speeds_of_one_model_beside_each_other(pollen, library):
    speeds = {"exact": pollen, "quick": pollen.at_speed("balanced")}
    run = bc.run(bc.sweep("a bee", seed=[1, 2], num_inference_steps=6), speeds, library=library)
    assert not run.wait().errors
    assert [clip.shot.speed for clip in run.clips] == [None, None, *[("taylorseer 2",)] * 2]


@pytest.mark.slow
def test_compare_measures_both(pollen):
    found = compare(pollen.at_speed("balanced"), shot(num_inference_steps=8), repeats=1)
    assert 30 < found.psnr < 99
    assert found.largest > 0
    assert "times as fast" in str(found)
    same = compare(pollen, shot(num_inference_steps=2), repeats=1)
    assert same.largest == 0


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
