"""Drafts and checkpoints: clips resume within their steps, to the same bits as complete ones."""

import threading

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import open_library
from beecam.errors import CheckError, Stopped
from beecam.runs.engines import local
from beecam.runs.progress import Progress, Status
from beecam.sweeps.expand import with_new_seeds
from helpers import PATIENCE, generate_frames, wait_until

pytestmark = pytest.mark.slow

STEPS = 6


def shots(model, **more):
    arguments = {"num_inference_steps": STEPS, **more}
    return [
        model.resolve(bc.shot(text, seed=i, **arguments))
        for i, text in enumerate(("a bee", "a moth over the sea"))
    ]


def shape_of(model):
    """Return the shape that a model without defaults needs."""
    return {"width": 32, "height": 32, "num_frames": 5} if "unipc" in model.name else {}


def equal(one, other):
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


@pytest.mark.parametrize("draft_steps", [1, 3, 5])
def test_a_draft_resumes_to_the_bits_of_a_complete_run(model, draft_steps):
    batch = shots(model, **shape_of(model))
    full = generate_frames(model, batch)
    drafts = model.generate([shot.replace(draft_steps=draft_steps) for shot in batch])
    assert [digests.checkpoint.step for digests in drafts] == [draft_steps, draft_steps]
    assert not equal([draft.frames for draft in drafts], full)
    seen = []
    finished = model.generate(
        batch,
        lambda step: seen.append(step.step),
        starts=[draft.checkpoint for draft in drafts],
    )
    assert equal([clip.frames for clip in finished], full)
    assert seen == list(range(draft_steps + 1, STEPS + 1)), "no step is repeated"


def test_one_of_several_drafts_resumes_in_a_batch_of_the_same_size(model):
    batch = shots(model, **shape_of(model))
    full = generate_frames(model, batch)
    drafts = model.generate([shot.replace(draft_steps=2) for shot in batch])
    second = model.generate(batch[1:], starts=[drafts[1].checkpoint], pad_to=2)
    assert np.array_equal(second[0].frames, full[1])
    assert second[0].position == 1


def test_checkpoints_of_different_steps_are_refused(ltx):
    batch = shots(ltx)
    starts = [
        ltx.generate([shot.replace(draft_steps=k)])[0].checkpoint
        for shot, k in zip(batch, (1, 2), strict=True)
    ]
    with pytest.raises(CheckError, match="same step"):
        ltx.generate(batch, starts=starts)


def test_a_batch_can_be_stopped_and_resumed_at_any_step(model):
    batch = shots(model, **shape_of(model))
    full = generate_frames(model, batch)
    checkpoints = []

    def stop(step):
        if step.step == 4:
            checkpoints.extend(step.checkpoints())
            raise Stopped("a pause")

    with pytest.raises(Stopped):
        model.generate(batch, stop)
    assert equal(generate_frames(model, batch, starts=checkpoints), full)


# --- runs ----------------------------------------------------------------------------------------


def sweep(n=4):
    return bc.sweep(
        "a {insect}", insect=["bee", "moth"], seed=range(n // 2), num_inference_steps=STEPS
    )


def digests(clips):
    return {clip.shot.code(): clip.facts["digest"] for clip in clips}


def test_drafts_are_separate_clips_and_promoting_finishes_them(ltx, library, tmp_path):
    other = open_library(tmp_path / "other")
    full = digests(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    drafts = bc.run(sweep(), ltx, library=library, exact=True, draft=0.3).wait()
    assert len(drafts.clips) == 4
    assert {clip.shot.draft_steps for clip in drafts.clips} == {2}
    assert digests(drafts.clips) != full
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
    assert min(steps) == 3, "the steps of the draft are not repeated"
    assert [clip.shot.draft_steps for clip in run.clips] == [None, None]
    assert digests(run.clips).items() <= full.items(), "the bits of the full run"
    assert [clip.stars for clip in run.clips] == [4, 1]
    assert run.clips[0].tags == ("odd",)
    assert run.clips[0].facts["resumed_from"] == 2
    assert "bee" in run.clips.label(0)
    # Finished clips are not generated again; the other drafts can still be promoted.
    rest = bc.promote(drafts.clips, exact=True).wait()
    assert digests(rest.clips) == full
    assert not list((library.folder / "checkpoints").glob("*"))
    assert bc.run(sweep(), ltx, library=library, exact=True).wait().status == "done"
    other.close()


def test_drafts_of_an_earlier_kernel_can_be_promoted(ltx, wrap_ltx, library):
    expected = digests(bc.run(sweep(), ltx, library=library, exact=True).wait().clips)
    folder = library.folder.with_name("tomorrow")
    first = open_library(folder)
    bc.run(sweep(), ltx, library=first, exact=True, draft=0.5).wait()
    first.close()
    restarted = wrap_ltx()
    second = open_library(folder)
    drafts = second.clips(sort="created")
    with pytest.raises(CheckError, match=r"promote\(clips, model\)"):
        bc.promote(drafts)
    run = bc.promote(drafts, restarted, exact=True).wait()
    assert digests(run.clips) == expected
    assert {clip.facts["resumed_from"] for clip in run.clips} == {3}
    second.close()


def test_a_draft_without_its_checkpoint_is_generated_from_the_start(ltx, library):
    drafts = bc.run(sweep(), ltx, library=library, exact=True, draft=0.5).wait()
    files = sorted((library.folder / "checkpoints").glob("*.safetensors"))
    assert len(files) == 4
    files[0].write_bytes(b"damaged")
    files[1].unlink()
    run = bc.promote(drafts.clips, exact=True).wait()
    assert len(run.clips) == 4
    assert not run.errors
    assert sum("resumed_from" in clip.facts for clip in run.clips) == 2


def test_without_exact_mode_a_promoted_clip_differs_by_rounding_at_most(wan, library, tmp_path):
    other = open_library(tmp_path / "other")
    full = {c.shot.code(): c.frames() for c in bc.run(sweep(), wan, library=other).wait().clips}
    drafts = bc.run(sweep(), wan, library=library, draft=0.5).wait()
    for clip in bc.promote(drafts.clips[1:2]).wait().clips:
        difference = np.abs(clip.frames().astype(int) - full[clip.shot.code()])
        assert difference.mean() < 4, "only the loss of mp4"
    other.close()


@pytest.mark.parametrize("draft", [0, 1, -0.2, 1.5, "half", True])
def test_an_invalid_draft_share_is_reported(ltx, library, draft):
    with pytest.raises(CheckError, match=r"draft=.*between 0 and 1 is needed"):
        bc.run(sweep(), ltx, library=library, draft=draft)


def test_promoting_nothing_or_with_another_model_is_reported(ltx, wan, library):
    drafts = bc.run(sweep(), ltx, library=library, draft=0.5).wait()
    with pytest.raises(CheckError, match="no clips"):
        bc.promote(drafts.clips.starred)
    with pytest.raises(CheckError, match="load the other one"):
        bc.promote(drafts.clips, wan)


def test_a_paused_run_frees_the_model_and_resumes_to_the_same_bits(
    ltx, library, tmp_path, monkeypatch
):
    other = open_library(tmp_path / "other")
    full = digests(bc.run(sweep(8), ltx, library=other, exact=True).wait().clips)
    original_set, requested = Progress.set, threading.Event()

    def set_and_pause(progress, index, **new):
        original_set(progress, index, **new)
        # Pause from within a step: from another thread, such a short batch could end first.
        if new.get("step", 0) >= 2 and not requested.is_set():
            requested.set()
            progress.pause()

    monkeypatch.setattr(Progress, "set", set_and_pause)
    run = bc.run(sweep(8), ltx, library=library, exact=True)
    wait_until(lambda: run.status == "paused")
    started = [c for c in run.changes().cells if c.status == Status.QUEUED and c.step]
    assert started
    files = list((library.folder / "checkpoints").glob("*.safetensors"))
    assert len(files) == len(started)
    # The worker is free: another run of the same model is done meanwhile.
    assert (
        bc.run(bc.shot("a drone", num_inference_steps=2), ltx, library=other)
        .wait(PATIENCE)
        .finished
    )
    run.resume()
    run.wait(PATIENCE)
    assert digests(run.clips) == full
    assert not list((library.folder / "checkpoints").glob("*.safetensors"))
    assert any("resumed_from" in clip.facts for clip in run.clips)
    other.close()


def test_an_interrupted_run_resumes_from_its_checkpoints(
    ltx, wrap_ltx, library, tmp_path, monkeypatch
):
    other = open_library(tmp_path / "other")
    full = digests(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    other.close()
    monkeypatch.setattr(local, "_CHECKPOINT_EVERY", -1.0)
    original, reached, release = ltx.generate, threading.Event(), threading.Event()

    def generate(shots, on_step, **more):
        def stop(step):
            on_step(step)
            if step.step == 4:
                reached.set()
                assert release.wait(PATIENCE)
                raise Stopped("the process was killed")

        return original(shots, stop, **more)

    monkeypatch.setattr(ltx, "generate", generate)
    interrupted = bc.run(sweep(), ltx, library=library, exact=True)
    assert reached.wait(PATIENCE)
    interrupted.cancel()
    release.set()
    assert len(interrupted.wait(PATIENCE).clips) == 0
    run = bc.run(sweep(), wrap_ltx(), library=library, exact=True).wait(PATIENCE)
    assert digests(run.clips) == full
    assert {clip.facts["resumed_from"] for clip in run.clips} == {4}


def test_checkpoints_of_another_batch_size_are_not_used_in_exact_mode(ltx, library, tmp_path):
    other = open_library(tmp_path / "other")
    full = digests(bc.run(sweep(), ltx, library=other, exact=True).wait().clips)
    other.close()
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.5).wait()
    assert {clip.facts["batch"] for clip in drafts.clips} != {
        clip.facts["batch"]
        for clip in bc.run(sweep(), ltx, library=library, exact=True).wait().clips
    }
    run = bc.run(sweep(), ltx, library=library, exact=True).wait()
    assert digests(run.clips) == full


def test_promoted_drafts_keep_their_axes(ltx, library):
    sweep = bc.sweep(
        "a {insect}", insect=["bee", "moth", "fly"], seed=range(2), num_inference_steps=STEPS
    )
    drafts = bc.run(sweep, ltx, library=library, draft=0.5).wait(PATIENCE)
    run = bc.promote(drafts.clips.where(insect=["bee", "fly"], seed=1)).wait(PATIENCE)
    assert [run.clips.values(i) for i in range(2)] == [
        {"insect": "bee", "seed": 1},
        {"insect": "fly", "seed": 1},
    ]
    assert run.clips.title == drafts.clips.title == "a {insect}"
    assert [clip.facts["resumed_from"] for clip in run.clips] == [3, 3]
    # As the library has them later: the axes of the record.
    again = bc.promote(library.sweeps()[-1].clips, ltx).wait(PATIENCE)
    assert [axis.name for axis in again.sweep.axes] == ["insect", "seed"]


def test_clips_without_axes_are_promoted_along_one(ltx, library):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], num_inference_steps=STEPS)
    bc.run(sweep, ltx, library=library, draft=0.5).wait(PATIENCE)
    run = bc.promote(library.clips(), ltx).wait(PATIENCE)
    assert [axis.name for axis in run.sweep.axes] == ["draft"]


def test_promoted_drafts_of_several_axes_take_more_seeds(ltx, library):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(2), num_inference_steps=STEPS)
    drafts = bc.run(sweep, ltx, library=library, draft=0.5).wait(PATIENCE)
    more = with_new_seeds(bc.promote(drafts).wait(PATIENCE).sweep, [2], seed=2)
    assert more.axes[0].labels[-1] == "moth, 0, seed 2"
