"""Clips that resume from within their steps, to the same bits as complete ones."""

import threading
import time

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import open_library
from beecam.errors import CheckError, ModelError, Stopped
from beecam.runs.engines import local
from beecam.runs.progress import Progress, Status
from helpers import frames

STEPS = 6


def shots(model, **more):
    arguments = {"num_inference_steps": STEPS, **more}
    return [
        model.resolve(bc.shot(text, seed=i, **arguments))
        for i, text in enumerate(("a bee", "a moth over the sea"))
    ]


def tiny(model):
    """What a model without defaults of its own needs."""
    return {"width": 32, "height": 32, "num_frames": 5} if "unipc" in model.name else {}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(params=["ltx", "wan", "wan-unipc"])
def model(request):
    if request.param != "wan-unipc":
        return request.getfixturevalue(request.param)
    from diffusers import UniPCMultistepScheduler, WanPipeline

    pipe = request.getfixturevalue("wan_pipe")
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return bc.wrap(WanPipeline(**{**pipe.components, "scheduler": scheduler}), name="wan-unipc")


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_draft_resumes_to_the_bits_of_a_complete_run(model, after):
    some = shots(model, **tiny(model))
    whole = frames(model, some)
    drafts = model.generate([shot.replace(draft_steps=after) for shot in some])
    assert [made.checkpoint.step for made in drafts] == [after, after]
    assert not same([made.frames for made in drafts], whole)
    seen = []
    finished = model.generate(
        some, lambda step: seen.append(step.step), starts=[made.checkpoint for made in drafts]
    )
    assert same([made.frames for made in finished], whole)
    assert seen == list(range(after + 1, STEPS + 1)), "no step is done twice"


def test_one_of_several_drafts_resumes_in_a_batch_of_the_same_size(model):
    some = shots(model, **tiny(model))
    whole = frames(model, some)
    drafts = model.generate([shot.replace(draft_steps=2) for shot in some])
    second = model.generate(some[1:], starts=[drafts[1].checkpoint], pad_to=2)
    assert np.array_equal(second[0].frames, whole[1])
    assert second[0].position == 1


def test_checkpoints_of_different_steps_are_refused(ltx):
    some = shots(ltx)
    starts = [
        ltx.generate([shot.replace(draft_steps=k)])[0].checkpoint
        for shot, k in zip(some, (1, 2), strict=True)
    ]
    with pytest.raises(ModelError, match="same step"):
        ltx.generate(some, starts=starts)


def test_a_batch_can_be_left_and_resumed_at_any_step(model):
    some = shots(model, **tiny(model))
    whole = frames(model, some)
    kept = []

    def leave(step):
        if step.step == 4:
            kept.extend(step.checkpoints())
            raise Stopped("a pause")

    with pytest.raises(Stopped):
        model.generate(some, leave)
    assert same(frames(model, some, starts=kept), whole)


# --- runs ----------------------------------------------------------------------------------------


def sweep(n=4):
    return bc.sweep(
        "a {insect}", insect=["bee", "moth"], seed=range(n // 2), num_inference_steps=STEPS
    )


def made(clips):
    return {clip.shot.code(): clip.facts["digest"] for clip in clips}


def test_drafts_are_clips_of_their_own_and_promoting_finishes_them(ltx, library, tmp_path):
    other = open_library(tmp_path / "other")
    whole = made(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    drafts = bc.run(sweep(), ltx, library=library, exact=True, draft=0.3).wait()
    assert len(drafts.clips) == 4
    assert {clip.shot.draft_steps for clip in drafts.clips} == {2}
    assert made(drafts.clips) != whole
    drafts.clips[1].stars = 4
    drafts.clips[1].tags = ["odd"]
    drafts.clips[3].stars = 1
    steps = []
    original = ltx.generate

    def counted(shots, on_step, **more):
        return original(shots, lambda step: steps.append(step.step) or on_step(step), **more)

    ltx.generate = counted
    try:
        run = bc.promote(drafts.clips.starred, exact=True).wait()
    finally:
        del ltx.generate
    assert min(steps) == 3, "the steps of the draft are not done again"
    assert [clip.shot.draft_steps for clip in run.clips] == [None, None]
    assert made(run.clips).items() <= whole.items(), "the bits of the full run"
    assert [clip.stars for clip in run.clips] == [4, 1]
    assert run.clips[0].tags == ("odd",)
    assert run.clips[0].facts["resumed_from"] == 2
    assert "bee" in run.clips.label(0)
    # What is finished is not begun any more; the other drafts can still be finished.
    rest = bc.promote(drafts.clips, exact=True).wait()
    assert made(rest.clips) == whole
    assert not list((library.folder / "checkpoints").glob("*"))
    assert bc.run(sweep(), ltx, library=library, exact=True).wait().status == "done"
    other.close()


def test_promoting_works_after_the_kernel_has_gone(ltx, wrap_ltx, library):
    expected = made(bc.run(sweep(), ltx, library=library, exact=True).wait().clips)
    folder = library.folder.with_name("tomorrow")
    today = open_library(folder)
    bc.run(sweep(), ltx, library=today, exact=True, draft=0.5).wait()
    today.close()
    again = wrap_ltx()
    tomorrow = open_library(folder)
    drafts = tomorrow.clips(sort="created")
    with pytest.raises(CheckError, match=r"promote\(clips, model\)"):
        bc.promote(drafts)
    run = bc.promote(drafts, again, exact=True).wait()
    assert made(run.clips) == expected
    assert {clip.facts["resumed_from"] for clip in run.clips} == {3}
    tomorrow.close()


def test_a_draft_whose_state_was_lost_is_made_from_the_beginning(ltx, library):
    drafts = bc.run(sweep(), ltx, library=library, exact=True, draft=0.5).wait()
    states = sorted((library.folder / "checkpoints").glob("*.safetensors"))
    assert len(states) == 4
    states[0].write_bytes(b"damaged")
    states[1].unlink()
    run = bc.promote(drafts.clips, exact=True).wait()
    assert len(run.clips) == 4
    assert not run.errors
    assert sum("resumed_from" in clip.facts for clip in run.clips) == 2


def test_without_exact_mode_a_promoted_clip_differs_by_rounding_at_most(wan, library, tmp_path):
    other = open_library(tmp_path / "other")
    whole = {c.shot.code(): c.frames() for c in bc.run(sweep(), wan, library=other).wait().clips}
    drafts = bc.run(sweep(), wan, library=library, draft=0.5).wait()
    for clip in bc.promote(drafts.clips[1:2]).wait().clips:
        far = np.abs(clip.frames().astype(int) - whole[clip.shot.code()])
        assert far.mean() < 4, "only the mp4's own loss, which rounding may tip"
    other.close()


@pytest.mark.parametrize("draft", [0, 1, -0.2, 1.5, "half", True])
def test_a_draft_is_a_share_of_the_steps(ltx, library, draft):
    with pytest.raises(CheckError, match=r"draft=.*between 0 and 1 is needed"):
        bc.run(sweep(), ltx, library=library, draft=draft)


def test_promoting_nothing_or_with_another_model_says_so(ltx, wan, library):
    drafts = bc.run(sweep(), ltx, library=library, draft=0.5).wait()
    with pytest.raises(CheckError, match="no clips"):
        bc.promote(drafts.clips.starred)
    with pytest.raises(CheckError, match="load the other one"):
        bc.promote(drafts.clips, wan)


def test_a_pause_leaves_the_model_to_others_and_goes_on_to_the_same_bits(
    ltx, library, tmp_path, monkeypatch
):
    other = open_library(tmp_path / "other")
    whole = made(bc.run(sweep(8), ltx, library=other, exact=True).wait().clips)
    told, asked = Progress.set, threading.Event()

    def told_and_pressed(progress, index, **new):
        told(progress, index, **new)
        # Pressed within a step: from beside it, so short a call may be over before the press.
        if new.get("step", 0) >= 2 and not asked.is_set():
            asked.set()
            progress.pause()

    monkeypatch.setattr(Progress, "set", told_and_pressed)
    run = bc.run(sweep(8), ltx, library=library, exact=True)
    deadline = time.monotonic() + 60
    while run.status != "paused":
        assert time.monotonic() < deadline
        time.sleep(0.001)
    begun = [c for c in run.changes().cells if c.status == Status.QUEUED and c.step]
    assert begun
    states = list((library.folder / "checkpoints").glob("*.safetensors"))
    assert len(states) == len(begun)
    # No worker is held: another run of the same model is made meanwhile.
    assert bc.run(bc.shot("a drone", num_inference_steps=2), ltx, library=other).wait(30).finished
    run.resume()
    run.wait(60)
    assert made(run.clips) == whole
    assert not list((library.folder / "checkpoints").glob("*.safetensors"))
    assert any("resumed_from" in clip.facts for clip in run.clips)
    other.close()


def test_a_run_that_was_cut_off_goes_on_from_what_was_kept(
    ltx, wrap_ltx, library, tmp_path, monkeypatch
):
    other = open_library(tmp_path / "other")
    whole = made(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    other.close()
    monkeypatch.setattr(local, "_CHECKPOINT_EVERY", -1.0)
    original, reached, leave = ltx.generate, threading.Event(), threading.Event()

    def generate(shots, on_step, **more):
        def dies(step):
            on_step(step)
            if step.step == 4:
                reached.set()
                assert leave.wait(30)
                raise Stopped("the process was killed")

        return original(shots, dies, **more)

    monkeypatch.setattr(ltx, "generate", generate)
    cut = bc.run(sweep(), ltx, library=library, exact=True)
    assert reached.wait(30)
    cut.cancel()
    leave.set()
    assert len(cut.wait(30).clips) == 0
    run = bc.run(sweep(), wrap_ltx(), library=library, exact=True).wait(60)
    assert made(run.clips) == whole
    assert {clip.facts["resumed_from"] for clip in run.clips} == {4}


def test_states_of_a_call_of_another_size_are_not_used_in_exact_mode(ltx, library, tmp_path):
    other = open_library(tmp_path / "other")
    whole = made(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    other.close()
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.5).wait()
    assert {clip.facts["batch"] for clip in drafts.clips} != {
        clip.facts["batch"]
        for clip in bc.run(sweep(), ltx, library=library, exact=True).wait().clips
    }
    run = bc.run(sweep(), ltx, library=library, exact=True).wait()
    assert made(run.clips) == whole
