"""Runs: clips are generated once, runs can be controlled, and finished clips are never lost."""

import threading
import time

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library
from beecam.errors import OutOfMemoryError
from beecam.models.model import Generated
from beecam.runs import progress
from beecam.runs.engines import local
from beecam.runs.progress import FINISHED, Status
from helpers import PATIENCE, Gate, generate_frames, statuses, sweep, use_size, wait_until


@pytest.fixture
def gate(ltx, monkeypatch):
    return Gate(ltx, monkeypatch)


def test_a_run_generates_every_clip_in_the_background(ltx, library, gate):
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    assert run.status == "running"
    assert len(run.clips) == 0
    gate.open.set()
    run.wait(PATIENCE)
    assert statuses(run) == [Status.DONE] * 4
    assert [run.clips.values(i) for i in (0, 3)] == [
        {"insect": "bee", "seed": 0},
        {"insect": "moth", "seed": 1},
    ]
    assert all(clip.facts["batch"] == 4 for clip in run.clips)
    assert "4 done" in repr(run)


def test_arguments_that_are_not_a_sweep_or_a_model_are_named(ltx, library):
    with pytest.raises(bc.CheckError, match=r"sweep='a bee': a sweep or a shot is needed"):
        bc.run("a bee", ltx, library=library)
    with pytest.raises(bc.CheckError, match=r"model='pollen': a loaded model is needed"):
        bc.run(bc.sweep("a bee"), "pollen", library=library)
    run = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE)
    with pytest.raises(IndexError, match=r"cell 1: this run has cells 0 to 0"):
        run.cancel(1)


def test_retry_generates_what_is_missing(ltx, library, gate):
    run = bc.run(sweep(8), ltx, library=library, exact=True)
    assert gate.reached.wait(PATIENCE)
    run.cancel()
    gate.open.set()
    regenerated = run.retry()
    assert regenerated is not run
    assert regenerated.exact
    assert len(regenerated.wait(PATIENCE).clips) == 8
    assert regenerated.sweep is run.sweep


def test_the_same_call_returns_the_active_run(ltx, library, gate):
    run = bc.run(sweep(), ltx, library=library)
    assert bc.run(sweep(), ltx, library=library) is run
    other = bc.run(sweep(6), ltx, library=library)
    assert other is not run
    gate.open.set()
    run.wait(PATIENCE)
    other.wait(PATIENCE)


def test_the_same_sweep_again_generates_nothing(ltx, library, monkeypatch):
    bc.run(sweep(), ltx, library=library).wait(PATIENCE)
    monkeypatch.setattr(ltx, "generate", lambda *a, **k: pytest.fail("a clip was generated twice"))
    run = bc.run(sweep(), ltx, library=library)
    assert run.finished
    assert statuses(run) == [Status.CACHED] * 4


@pytest.mark.slow
def test_parallel_batches_generate_every_clip_once(ltx, library, monkeypatch):
    ltx._workers.widen(3, threads=1)
    together, most, lock = [], [], threading.Lock()
    original = ltx.generate

    def generate(shots, *args, **kwargs):
        with lock:
            together.append(len(shots))
            most.append(len(together))
        time.sleep(0.05)
        generated = original(shots, *args, **kwargs)
        with lock:
            together.pop()
        return generated

    monkeypatch.setattr(ltx, "generate", generate)
    use_size(ltx, 2)
    run = bc.run(sweep(14), ltx, library=library).wait(PATIENCE)
    assert statuses(run) == [Status.DONE] * 14
    assert max(most) == 3
    assert sorted(clip.shot.seed for clip in run.clips) == sorted([*range(7)] * 2)
    alone = {c.key: generate_frames(ltx, [c.shot] * c.facts["batch"])[0] for c in run.clips[:3]}
    for clip in run.clips[:3]:
        assert np.abs(alone[clip.key].astype(int) - clip.regenerate(ltx)).max() <= 1


def test_two_runs_with_common_cells_generate_each_clip_once(ltx, library, monkeypatch):
    generated = []
    original = ltx.generate

    def generate(shots, *args, **kwargs):
        generated.extend(shot.key for shot in shots)
        return original(shots, *args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    use_size(ltx, 1)
    one = bc.run(bc.sweep("a bee", seed=range(4)), ltx, library=library).wait(PATIENCE)
    two = bc.run(bc.sweep("a bee", seed=range(6)), ltx, library=library).wait(PATIENCE)
    assert len(generated) == len(set(generated)) == 6
    assert statuses(one) == [Status.DONE] * 4
    assert statuses(two)[4:] == [Status.DONE] * 2


def test_changes_have_only_what_changed_and_every_final_state(ltx, library):
    run = bc.run(sweep(8), ltx, library=library)
    version, seen = 0, {}
    while True:
        changes = run.changes(version, timeout=5)
        assert changes.version >= version
        version = changes.version
        for cell in changes.cells:
            earlier = seen.get(cell.index)
            assert earlier not in FINISHED or earlier == cell.status
            seen[cell.index] = cell.status
        if changes.run.status == "done":
            break
    assert run.changes(version).cells == ()
    assert set(seen.values()) == {Status.DONE}
    assert changes.run.counts["done"] == 8
    assert changes.run.seconds_left is None


def test_previews_are_generated_only_while_changes_are_read(ltx, library, monkeypatch):
    bc.run(bc.sweep("night"), ltx, library=library).wait(PATIENCE)  # which fits the preview
    monkeypatch.setattr(local, "_PREVIEW_EVERY", 0.0)
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    run.changes()
    gate.open.set()
    previews, version = [], 0
    while not run.finished:
        changes = run.changes(version, timeout=1)
        version = changes.version
        previews += [c for c in changes.cells if c.preview]
    assert previews
    assert previews[0].preview[:2] == b"\xff\xd8"
    assert 0 < previews[0].step <= previews[0].steps == 4
    monkeypatch.setattr(progress, "_WATCHED_SECONDS", -1.0)
    generated = []
    monkeypatch.setattr(ltx._resources.preview, "frames", lambda *a: generated.append(1))
    bc.run(bc.sweep("the sea"), ltx, library=library).wait(PATIENCE)
    assert generated == []


def test_a_failing_preview_loses_no_clip(ltx, library, monkeypatch):
    bc.run(bc.sweep("night"), ltx, library=library).wait(PATIENCE)
    monkeypatch.setattr(local, "_PREVIEW_EVERY", 0.0)

    def broken(*args):
        raise ValueError("no preview today")

    monkeypatch.setattr(ltx._resources.preview, "frames", broken)
    run = bc.run(sweep(), ltx, library=library)
    run.changes()
    assert len(run.wait(PATIENCE).clips) == 4


def test_a_run_resumes_after_a_pause_to_the_same_bits(ltx, library, monkeypatch):
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    run.pause()
    assert run.status == "pausing"
    gate.open.set()
    wait_until(lambda: run.status == "paused")
    version = run.changes().version
    time.sleep(0.3)
    assert run.changes(version).cells == ()
    run.resume()
    run.wait(PATIENCE)
    generated = {c.key: c.facts["digest"] for c in run.clips}
    monkeypatch.undo()
    regenerated = generate_frames(ltx, [c.shot for c in run.clips])
    import hashlib

    assert set(generated.values()) == {hashlib.sha256(f.tobytes()).hexdigest() for f in regenerated}


@pytest.mark.slow
def test_cancel_keeps_finished_clips_and_leaves_the_model_usable(ltx, library, monkeypatch):
    use_size(ltx, 1)
    run = bc.run(sweep(40), ltx, library=library)
    while run.changes().run.counts["done"] < 2:
        run.changes(run.changes().version, timeout=1)
    run.cancel()
    run.wait(PATIENCE)
    assert run.status == "cancelled"
    counts = run.changes().run.counts
    assert counts["cancelled"] > 0
    assert counts["done"] + counts["cancelled"] == 40
    assert len(library) >= counts["done"] >= 2
    regenerated = bc.run(sweep(40), ltx, library=library)
    assert regenerated is not run
    assert len(regenerated.wait(PATIENCE).clips) == 40


def test_one_cell_can_be_cancelled_before_and_while_it_is_generated(ltx, library, monkeypatch):
    use_size(ltx, 2)
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(8), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    run.cancel(0)  # being generated
    run.cancel(5)  # waiting
    gate.open.set()
    run.wait(PATIENCE)
    assert [i for i, s in enumerate(statuses(run)) if s == Status.CANCELLED] == [0, 5]
    assert len(run.clips) == 6
    assert len(library) == 6
    run.cancel(5)
    assert run.status == "done"


def test_cancelling_every_cell_of_a_batch_stops_it_immediately(ltx, library, gate, monkeypatch):
    decoded = []
    original = ltx.pipe.vae.decode
    monkeypatch.setattr(
        ltx.pipe.vae, "decode", lambda *a, **k: decoded.append(1) or original(*a, **k)
    )
    run = bc.run(sweep(2), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    run.cancel(0)
    run.cancel(1)
    gate.open.set()
    run.wait(PATIENCE)
    assert decoded == []


def test_a_failed_batch_is_named_and_the_run_continues(ltx, library, monkeypatch):
    use_size(ltx, 1)
    original = ltx.generate

    def generate(shots, *args, **kwargs):
        if shots[0].seed == 1:
            raise ValueError("<b>step 7 went wrong</b>")
        return original(shots, *args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee", seed=range(3)), ltx, library=library).wait(PATIENCE)
    assert statuses(run) == [Status.DONE, Status.FAILED, Status.DONE]
    assert "ValueError: <b>step 7 went wrong</b>" in run.errors[1]
    monkeypatch.undo()
    regenerated = bc.run(bc.sweep("a bee", seed=range(3)), ltx, library=library).wait(PATIENCE)
    assert regenerated.changes().run.counts["done"] == 1


def test_a_failing_clip_fails_no_other_clip_of_its_batch(ltx, library, monkeypatch):
    use_size(ltx, 4)
    original = ltx.generate
    calls = []

    def generate(shots, *args, **kwargs):
        calls.append([shot.seed for shot in shots])
        if 1 in calls[-1]:
            raise ValueError("no clip of this seed")
        return original(shots, *args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee", seed=range(4)), ltx, library=library).wait(PATIENCE)
    assert statuses(run) == [Status.DONE, Status.FAILED, Status.DONE, Status.DONE]
    assert calls == [[0, 1, 2, 3], [0], [1], [2], [3]]
    assert "no clip of this seed" in run.errors[1]


def test_out_of_memory_halves_the_batch_and_tries_again(ltx, library, monkeypatch):
    sizes = []
    original = ltx.generate

    def generate(shots, *args, **kwargs):
        sizes.append(len(shots))
        if len(shots) > 2:
            raise OutOfMemoryError("does not fit.")
        return original(shots, *args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(sweep(8), ltx, library=library).wait(PATIENCE)
    assert statuses(run) == [Status.DONE] * 8
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert run.clips[0].facts["batch"] == 2


def test_out_of_memory_for_one_clip_is_that_cells_error(ltx, library, monkeypatch):
    def generate(*args, **kwargs):
        raise OutOfMemoryError("1 clips of 32x32x9 don't fit.")

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE)
    assert "don't fit" in run.errors[0]


@pytest.mark.slow
def test_exact_mode_gives_each_clip_the_same_bits_as_alone(ltx, library, tmp_path, monkeypatch):
    use_size(ltx, 4)
    run = bc.run(sweep(6), ltx, library=library, exact=True).wait(PATIENCE)
    assert {c.facts["batch"] for c in run.clips} == {4}
    with Library(tmp_path / "other") as other:
        for clip in run.clips:
            plain = clip.shot.replace(model=None, revision=None)
            alone = bc.run(plain, ltx, library=other, exact=True).wait(PATIENCE).clips[0]
            assert alone.facts["digest"] == clip.facts["digest"]


def test_exact_mode_reuses_only_exact_clips(ltx, library, monkeypatch):
    use_size(ltx, 3)
    loose = bc.run(sweep(6), ltx, library=library).wait(PATIENCE)
    loose.clips[0].stars = 4
    use_size(ltx, 4)
    run = bc.run(sweep(6), ltx, library=library, exact=True).wait(PATIENCE)
    assert statuses(run) == [Status.DONE] * 6
    assert {(c.facts["batch"], c.facts["exact"]) for c in run.clips} == {(4, True)}
    assert run.clips[0].stars == 4
    for regenerated in (True, False):
        assert (
            statuses(bc.run(sweep(6), ltx, library=library, exact=regenerated))
            == [Status.CACHED] * 6
        )


def test_regenerate_gives_the_same_bits(ltx, library, monkeypatch):
    import hashlib

    use_size(ltx, 3)  # in an odd batch the position decides the last bits
    for clip in bc.run(sweep(4), ltx, library=library).wait(PATIENCE).clips:
        generated = clip.regenerate(ltx)
        assert hashlib.sha256(generated.tobytes()).hexdigest() == clip.facts["digest"]


def test_regenerate_with_another_model_is_refused(ltx, wan, library):
    clip = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE).clips[0]
    with pytest.raises(bc.LibraryError, match=r"was generated by tiny-ltx .*this is tiny-wan"):
        clip.regenerate(wan)


def test_a_clip_of_one_colour_is_marked(ltx, library, monkeypatch):
    black = np.zeros((9, 32, 32, 3), np.uint8)
    monkeypatch.setattr(ltx, "generate", lambda shots, *a, **k: [Generated(black) for _ in shots])
    clip = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE).clips[0]
    assert clip.facts["broken"] == "every pixel is the same"


def test_waiting_can_time_out_and_be_interrupted(ltx, library, gate, monkeypatch):
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    with pytest.raises(TimeoutError, match=r"not finished after 0\.1 s"):
        run.wait(0.1)
    assert run.status == "running"

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(run._progress._news, "wait_for", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    monkeypatch.undo()
    assert run.status == "cancelled"
    gate.open.set()
