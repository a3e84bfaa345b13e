"""Prompt switches: clips that change during denoising, and share the steps before."""

import hashlib

import numpy as np
import pytest

import beecam as bc
from beecam.errors import Stopped
from beecam.models.denoise.shared_prefix import SharedPrefixes
from helpers import error_message, generate_frames

pytestmark = pytest.mark.slow


@pytest.fixture
def calls(ltx, monkeypatch):
    """Return the batch sizes of the network's forward passes; guidance doubles them."""
    seen = []
    kind = type(ltx.pipe.transformer)
    original = kind.forward

    def forward(self, hidden_states, *args, **kwargs):
        seen.append(hidden_states.shape[0])
        return original(self, hidden_states, *args, **kwargs)

    # Not a hook, with which each clip would get a call of its own.
    monkeypatch.setattr(kind, "forward", forward)
    return seen


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def generate(model, **more):
    return generate_frames(model, [model.resolve(bc.shot("a bee", seed=3, **more))])[0]


@pytest.mark.parametrize("scheduler", [None, "UniPCMultistepScheduler"])
def test_a_switch_to_the_same_prompt_changes_no_bit(ltx, scheduler):
    plain = generate(ltx, scheduler=scheduler)
    assert np.array_equal(
        generate(ltx, scheduler=scheduler, switch_at=2, then_prompt="a bee"), plain
    )
    switched = generate(ltx, scheduler=scheduler, switch_at=2, then_prompt="a moth over the sea")
    assert not np.array_equal(switched, plain)
    switched_late = generate(
        ltx, scheduler=scheduler, switch_at=3, then_prompt="a moth over the sea"
    )
    assert (
        np.abs(switched_late.astype(int) - plain).mean()
        < np.abs(switched.astype(int) - plain).mean()
    )


def test_shared_steps_are_denoised_once(ltx, calls, library):
    sweep = bc.sweep(
        "a bee",
        seed=7,
        switch_at=0.5,
        num_inference_steps=4,
        then_prompt=["a moth", "a wasp", "a fly"],
        then_guidance_scale=[2.0, 5.0],
    )
    run = bc.run(sweep, ltx, library=library).wait()
    assert not run.errors
    assert len({clip.facts["digest"] for clip in run.clips}) == 6
    # Two steps shared by all six clips, and two for each; guidance doubles the batch.
    assert sum(calls) == 2 * (2 + 6 * 2)
    for clip in run.clips:
        assert clip.shot.switch.at == 2
        assert digest(clip.regenerate(ltx)) == clip.facts["digest"]
    assert "switch_at=2, then_prompt='a moth'" in run.clips[0].shot.code()


def test_a_beginning_that_was_stopped_leaves_no_lock(ltx):
    prefixes = SharedPrefixes()
    shot = ltx.resolve(bc.shot("a bee", then_prompt="a moth", switch_at=0.5))

    def stopped(_shot, _on_step):
        raise Stopped("cancelled")

    for _ in range(2):
        with pytest.raises(Stopped):
            prefixes.checkpoints([shot], stopped, None)
    assert prefixes._generating == {}


def test_in_exact_mode_a_clip_equals_the_one_generated_alone(ltx, library, tmp_path):
    sweep = bc.sweep("a bee", seed=7, switch_at=2, then_prompt=["a moth", "a wasp", "a fly"])
    together = bc.run(sweep, ltx, library=library, exact=True).wait().clips
    with bc.library(tmp_path / "alone") as other:
        shot = sweep.cells[1].shot
        alone = bc.run(shot, ltx, library=other, exact=True).wait().clips[0]
        assert alone.facts["digest"] == together[1].facts["digest"]
        assert bc.Shot.from_dict(alone.shot.to_dict()).key == alone.key


def test_drafts_and_cancellation_after_the_switch(ltx, library):
    shot = bc.shot("a bee", switch_at=1, then_prompt="a moth", num_inference_steps=4)
    plain = generate(ltx, switch_at=1, then_prompt="a moth", num_inference_steps=4)
    drafts = bc.run(shot.replace(seed=3), ltx, library=library, draft=0.5).wait()
    finished = bc.promote(drafts.clips).wait().clips[0]
    assert finished.facts["resumed_from"] == 2
    assert np.array_equal(finished.regenerate(ltx), plain)
    steps = []

    def stop(step):
        steps.append(step.step)
        if len(steps) == 1:
            raise Stopped("enough")

    resolved = ltx.resolve(shot.replace(seed=11))
    with pytest.raises(Stopped):
        ltx.generate([resolved], stop)
    assert np.array_equal(generate_frames(ltx, [resolved])[0], generate_frames(ltx, [resolved])[0])
    text = error_message(
        lambda: bc.run(bc.shot("a bee", switch_at=3, then_prompt="a moth"), ltx, draft=0.5)
    )
    assert "end before the switch at 3" in text


def test_a_switch_at_one_as_a_fraction_is_refused_since_it_reads_as_all_steps(ltx):
    sweep = bc.sweep("a bee", switch_at=[0.5, 1.0], then_prompt="a moth", num_inference_steps=4)
    assert "all steps, after which nothing would change" in error_message(lambda: sweep.check(ltx))
    assert "switch_at=1.0" in error_message(lambda: bc.sweep("[a:b:1.0]").check(ltx))
    bc.sweep("a bee", switch_at=1, then_prompt="a moth", num_inference_steps=4).check(ltx)


@pytest.mark.parametrize(
    ("prompt", "more"),
    [
        ("a [bee:bee:0.5]", {}),
        ("a bee", {"switch_at": 0.5, "then_prompt": "a bee"}),
        ("a bee", {"switch_at": 2, "then_guidance_scale": 3.0, "guidance_scale": 3.0}),
    ],
)
def test_a_switch_that_changes_nothing_is_noted(ltx, prompt, more):
    (note,) = bc.sweep(prompt, num_inference_steps=4, **more).check(ltx)
    assert note.argument == "switch_at"
    assert "no effect" in str(note)
    other = {**more, "then_prompt": "a moth"} if more else {}
    assert not bc.sweep(prompt.replace("bee:bee", "bee:fly"), num_inference_steps=4, **other).check(
        ltx
    )


def test_invalid_switches_are_reported(ltx):
    text = error_message(
        lambda: bc.sweep(
            "a bee", switch_at=[0.0, 4, "k", 2.5], then_prompt="a moth", num_inference_steps=4
        ).check(ltx)
    )
    for part in ("switch_at=0.0", "nearest is 3", "switch_at='k'", "switch_at=2.5"):
        assert part in text
    assert "what changes then?" in error_message(lambda: bc.shot("a bee", switch_at=0.5))
    assert "from which step on?" in error_message(lambda: bc.shot("a bee", then_prompt="a moth"))
    assert "then_prompt=3: a string" in error_message(
        lambda: bc.shot("a bee", switch_at=2, then_prompt=3)
    )
