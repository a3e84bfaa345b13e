"""Clips that change within their steps, and share what came before."""

import hashlib

import numpy as np
import pytest

import beecam as bc
from beecam.errors import Stopped
from helpers import frames, said


@pytest.fixture
def calls(ltx):
    """How many clips the network was called for, each step twice where there is guidance."""
    seen = []
    handle = ltx.pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["hidden_states"].shape[0]), with_kwargs=True
    )
    yield seen
    handle.remove()


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def made(model, **more):
    return frames(model, [model.resolve(bc.shot("a bee", seed=3, **more))])[0]


@pytest.mark.parametrize("scheduler", [None, "UniPCMultistepScheduler"])
def test_a_switch_to_the_same_changes_no_bit(ltx, scheduler):
    plain = made(ltx, scheduler=scheduler)
    assert np.array_equal(made(ltx, scheduler=scheduler, switch_at=2, then_prompt="a bee"), plain)
    other = made(ltx, scheduler=scheduler, switch_at=2, then_prompt="a moth over the sea")
    assert not np.array_equal(other, plain)
    late = made(ltx, scheduler=scheduler, switch_at=3, then_prompt="a moth over the sea")
    assert np.abs(late.astype(int) - plain).mean() < np.abs(other.astype(int) - plain).mean()


def test_what_is_the_same_is_made_once(ltx, calls, library):
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
    # Two steps for all six, and two for each: with guidance each is twice as large.
    assert sum(calls) == 2 * (2 + 6 * 2)
    for clip in run.clips:
        assert clip.shot.switch.at == 2
        assert digest(clip.regenerate(ltx)) == clip.facts["digest"]
    assert "switch_at=2, then_prompt='a moth'" in run.clips[0].shot.code()


def test_in_exact_mode_it_is_the_clip_that_is_made_alone(ltx, library, tmp_path):
    sweep = bc.sweep("a bee", seed=7, switch_at=2, then_prompt=["a moth", "a wasp", "a fly"])
    together = bc.run(sweep, ltx, library=library, exact=True).wait().clips
    with bc.library(tmp_path / "alone") as other:
        shot = sweep.cells[1].shot
        alone = bc.run(shot, ltx, library=other, exact=True).wait().clips[0]
        assert alone.facts["digest"] == together[1].facts["digest"]
        assert bc.Shot.from_dict(alone.shot.to_dict()).key == alone.key


def test_drafts_and_stops_after_the_switch(ltx, library):
    shot = bc.shot("a bee", switch_at=1, then_prompt="a moth", num_inference_steps=4)
    whole = made(ltx, switch_at=1, then_prompt="a moth", num_inference_steps=4)
    drafts = bc.run(shot.replace(seed=3), ltx, library=library, draft=0.5).wait()
    finished = bc.promote(drafts.clips).wait().clips[0]
    assert finished.facts["continued_from"] == 2
    assert np.array_equal(finished.regenerate(ltx), whole)
    steps = []

    def leave(step):
        steps.append(step.step)
        if len(steps) == 1:
            raise Stopped("enough")

    made_of = ltx.resolve(shot.replace(seed=11))
    with pytest.raises(Stopped):
        ltx.generate([made_of], leave)
    assert np.array_equal(frames(ltx, [made_of])[0], frames(ltx, [made_of])[0])
    text = said(lambda: bc.run(bc.shot("a bee", switch_at=3, then_prompt="a moth"), ltx, draft=0.5))
    assert "end before the switch at 3" in text


def test_what_cannot_be_switched_is_said(ltx):
    text = said(
        lambda: bc.sweep(
            "a bee", switch_at=[0.0, 4, "k", 2.5], then_prompt="a moth", num_inference_steps=4
        ).check(ltx)
    )
    for part in ("switch_at=0.0", "nearest is 3", "switch_at='k'", "switch_at=2.5"):
        assert part in text
    assert "what changes then?" in said(lambda: bc.shot("a bee", switch_at=0.5))
    assert "from which step on?" in said(lambda: bc.shot("a bee", then_prompt="a moth"))
    assert "then_prompt=3: a string" in said(lambda: bc.shot("a bee", switch_at=2, then_prompt=3))
