"""Speeds that change pixels: on pollen, and on tiny pipelines that support them or not."""

import hashlib

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import Stopped, join_words
from beecam.models.batching import device
from beecam.models.diffusers.checking import problems
from beecam.models.speed import onednn
from beecam.models.speed.compare import compare
from helpers import error_message, generate_frames
from tiny import make

pytestmark = pytest.mark.slow

# What balanced switches on for pollen depends on the processor.
BALANCED = ("taylorseer 2", *(["bfloat16 products"] if onednn.multiplies_bfloat16() else []))
SHOT = {"prompt": "a bee over a meadow", "seed": 4, "num_inference_steps": 6}


def shot(**more):
    return bc.shot(**{**SHOT, **more})


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


def test_balanced_is_close_to_exact_and_recorded(pollen, library):
    # The default number of steps: with fewer the cache is coarser.
    long_shot = shot(num_inference_steps=20)
    balanced = pollen.at_speed("balanced")
    assert str(balanced.speed) == f"balanced: {join_words(list(BALANCED))}"
    exact = generate_frames(pollen, [pollen.resolve(long_shot)])[0]
    resolved = balanced.resolve(long_shot)
    assert resolved.speed == BALANCED
    assert resolved.key != pollen.resolve(long_shot).key
    generated = generate_frames(balanced, [resolved])[0]
    error = np.mean((generated.astype(float) - exact) ** 2)
    assert error > 0, "the pixels differ"
    assert 10 * np.log10(255**2 / error) > 35, "without a visible difference"
    clip = bc.run(long_shot, balanced, library=library).wait().clips[0]
    assert clip.shot.speed == BALANCED
    assert np.array_equal(clip.regenerate(balanced), generated)
    assert "this is exact" in error_message(lambda: bc.run(clip.shot, pollen, library=library))


def test_the_cache_is_disabled_between_batches(pollen):
    exact = generate_frames(pollen, [pollen.resolve(shot())])[0]
    balanced = pollen.at_speed("balanced")

    def stop(step):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        balanced.generate([balanced.resolve(shot())], stop)
    assert not pollen.pipe.transformer.is_cache_enabled
    assert np.array_equal(generate_frames(pollen, [pollen.resolve(shot())])[0], exact)
    assert np.array_equal(
        generate_frames(balanced, [balanced.resolve(shot())])[0],
        generate_frames(balanced, [balanced.resolve(shot())])[0],
    )


def test_clips_do_not_depend_on_their_batch_or_on_another_speed(pollen, library):
    balanced = pollen.at_speed("balanced")
    sweep = bc.sweep(
        "a bee over {place}",
        place=["a meadow", "the sea"],
        seed=[1, 2],
        num_inference_steps=6,
    )
    balanced_run = bc.run(sweep, balanced, library=library, exact=True)
    exact_run = bc.run(sweep, pollen, library=library)
    assert not balanced_run.wait().errors
    assert not exact_run.wait().errors
    for clip in balanced_run.clips[::3]:
        assert digest(clip.regenerate(balanced)) == clip.facts["digest"]
        alone = balanced.generate([clip.shot], pad_to=clip.facts["batch"])[0].frames
        assert digest(alone) == clip.facts["digest"]
    for clip in exact_run.clips[::3]:
        assert digest(clip.regenerate(pollen)) == clip.facts["digest"]


def test_fast_halves_the_steps_unless_they_are_set():
    fast = bc.wrap(make("WanPipeline"), name="wan", speed="fast")
    resolved = fast.resolve(bc.shot("a bee"))
    assert (resolved.num_inference_steps, resolved.scheduler) == (25, "UniPCMultistepScheduler")
    explicit = fast.resolve(bc.shot("a bee", num_inference_steps=9))
    assert explicit.num_inference_steps == 9


def test_unsupported_optimizations_are_left_out(monkeypatch):
    monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda: False)
    latte = bc.wrap(make("LattePipeline"), name="latte", speed="balanced")
    assert str(latte.speed) == "balanced: nothing that it can switch on"
    assert latte.resolve(bc.shot("a bee")).speed is None
    wrong = error_message(lambda: bc.wrap(make("LattePipeline"), speed="fsat"))
    assert "one of exact, balanced and fast. Did you mean fast?" in wrong


@pytest.fixture
def balanced_elsewhere(pollen, monkeypatch):
    """The balanced pollen of a processor without products in bfloat16."""
    for module in (onednn, problems):
        monkeypatch.setattr(module, "multiplies_bfloat16", lambda: False)
    return pollen.at_speed("balanced")


def test_a_processor_without_bfloat16_leaves_it_out_and_says_so(pollen, balanced_elsewhere):
    assert balanced_elsewhere.resolve(shot()).speed == ("taylorseer 2",)
    there = balanced_elsewhere.resolve(shot()).replace(speed=("taylorseer 2", "bfloat16 products"))
    text = error_message(lambda: bc.run(there, balanced_elsewhere))
    assert "no instructions for products in bfloat16; shot.replace(speed=None)" in text
    assert not list(balanced_elsewhere.check(there.replace(speed=None)))


@pytest.mark.skipif(not onednn.multiplies_bfloat16(), reason="no instructions for bfloat16 here")
def test_only_small_networks_that_belong_to_nobody_else_multiply_in_bfloat16(pollen, monkeypatch):
    pipe = make("WanPipeline")
    assert "bfloat16 products" in bc.wrap(pipe, speed="balanced").resolve(shot()).speed
    pipe.transformer.register_forward_hook(lambda *_: None)
    assert bc.wrap(pipe, speed="balanced").resolve(shot()).speed is None
    half = make("WanPipeline").to(torch.bfloat16)
    assert "bfloat16" not in str(bc.wrap(half, speed="balanced").speed)
    monkeypatch.setattr(device, "_SMALL", 1)
    assert "bfloat16" not in str(bc.wrap(make("WanPipeline"), speed="balanced").speed)
    assert pollen.speed.labels == ()
    assert pollen.pipe.transformer.dtype == torch.float32


def test_prompt_switches_are_refused_with_a_cache(pollen):
    balanced = pollen.at_speed("balanced")
    text = error_message(
        lambda: bc.sweep("a bee", switch_at=2, then_prompt="a moth").check(balanced)
    )
    assert "not at speed='balanced'" in text


def test_speeds_of_one_model_are_an_axis(pollen, library):
    speeds = {"exact": pollen, "quick": pollen.at_speed("balanced")}
    run = bc.run(bc.sweep("a bee", seed=[1, 2], num_inference_steps=6), speeds, library=library)
    assert not run.wait().errors
    assert [clip.shot.speed for clip in run.clips] == [None, None, BALANCED, BALANCED]


def test_compare_measures_both_models(pollen):
    result = compare(pollen.at_speed("balanced"), shot(num_inference_steps=8), repeats=1)
    assert 30 < result.psnr < 99
    assert result.largest > 0
    assert "times as fast" in str(result)
    identical = compare(pollen, shot(num_inference_steps=2), repeats=1)
    assert identical.largest == 0


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
