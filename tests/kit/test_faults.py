"""Faults around a run and a library: finished clips are never lost, hidden or damaged."""

import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library, open_library
from beecam.errors import LibraryError
from beecam.models.model import Generated
from beecam.runs.progress import Progress, Status
from helpers import PATIENCE, use_size, wait_until


def sweep(n=8, steps=1, insects=("bee", "moth")):
    return bc.sweep(
        "a {insect}", insect=list(insects), seed=range(n // 2), num_inference_steps=steps
    )


def counted(model, monkeypatch):
    """Count the clips that a model generates."""
    generated, original = [], model.generate

    def generate(shots, *args, **kwargs):
        generated.extend(shot.key for shot in shots)
        return original(shots, *args, **kwargs)

    monkeypatch.setattr(model, "generate", generate)
    return generated


def test_parallel_runs_generate_common_clips_once(ltx, library, monkeypatch):
    ltx._workers.widen(2, threads=1)
    generated = counted(ltx, monkeypatch)
    runs = [
        bc.run(sweep(8, insects=insects_of_run), ltx, library=library)
        for insects_of_run in (("bee", "moth"), ("bee", "drone"), ("moth", "bee", "drone"))
    ]
    for run in runs:
        run.wait(PATIENCE)
        assert not run.errors
        assert {cell.status for cell in run.changes().cells} <= {Status.DONE, Status.CACHED}
    assert len(generated) == len(set(generated)) == 12
    assert all(len(clip.frames()) == 9 for clip in library.clips())
    assert not list((library.folder / "media").glob("*/.*"))


def test_a_run_generates_what_another_run_failed_to_generate(ltx, library, monkeypatch):
    reached, leave = threading.Event(), threading.Event()
    calls = []
    original = ltx.generate

    def fails(shots, *args, **kwargs):
        calls.append(len(shots))
        if len(calls) > 1 + 4:  # the first run's call, and each of its clips alone
            return original(shots, *args, **kwargs)
        reached.set()
        assert leave.wait(PATIENCE)
        raise ValueError("no")

    monkeypatch.setattr(ltx, "generate", fails)
    first = bc.run(sweep(4), ltx, library=library)
    assert reached.wait(PATIENCE)
    second = bc.run(sweep(4), ltx, library=library, exact=True)
    assert not second.finished
    leave.set()
    assert len(first.wait(PATIENCE).errors) == 4
    assert len(second.wait(PATIENCE).clips) == 4


def test_clips_that_are_generated_when_a_run_is_cancelled_are_stored(ltx, library, monkeypatch):
    use_size(ltx, 8)
    written, add = threading.Event(), library.store
    monkeypatch.setattr(library, "store", lambda *a: written.wait(PATIENCE) and add(*a))
    run = bc.run(sweep(8), ltx, library=library)
    wait_until(lambda: run._progress._generated)
    run.cancel()
    assert not run.finished, "generated clips have to be written"
    written.set()
    run.wait(PATIENCE)
    assert len(run.clips) == len(library) == 8
    assert {cell.status for cell in run.changes().cells} == {Status.DONE}


def test_a_pause_after_the_last_clip_does_not_delay_the_end(ltx, library, monkeypatch):
    original = ltx.generate

    def generate(shots, *args, **kwargs):
        generated = original(shots, *args, **kwargs)
        run.pause()
        return generated

    monkeypatch.setattr(ltx, "generate", generate)
    started = threading.Event()
    monkeypatch.setattr(ltx, "resolve", ltx.resolve)
    run = bc.run(bc.shot("a bee", num_inference_steps=1), ltx, library=library)
    started.set()
    assert len(run.wait(PATIENCE).clips) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_pipeline_that_exits_fails_its_cells(ltx, library, monkeypatch, error):
    def generate(*_args, **_kwargs):
        raise error("out")

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(sweep(4), ltx, library=library).wait(PATIENCE)
    assert len(run.errors) == 4
    assert error.__name__ in run.errors[0]


def test_nan_values_and_black_clips_are_marked(ltx, library, monkeypatch):
    decode = type(ltx.pipe.vae).decode

    def poisoned(self, *args, **kwargs):
        (video,) = decode(self, *args, **kwargs)
        video[0, :, :4] = float("nan")
        video[1] = -1
        video[1, 0, 0, 0, 0] = -1 + 2 / 255
        return (video,)

    monkeypatch.setattr(type(ltx.pipe.vae), "decode", poisoned)
    run = bc.run(sweep(4), ltx, library=library).wait(PATIENCE)
    broken = [clip.facts.get("broken") for clip in run.clips]
    assert "not numbers" in broken[0]
    assert "black" in broken[1]
    assert broken[2] is None
    assert "broken" in run.clips.to_frame()


def test_closing_a_library_waits_for_its_runs(ltx, tmp_path, monkeypatch):
    finish = Progress.finish
    # As if another thread had the core in the meantime.
    monkeypatch.setattr(Progress, "finish", lambda self: (time.sleep(0.2), finish(self)))
    with open_library(tmp_path / "a") as opened:
        run = bc.run(sweep(8), ltx, library=opened)
    assert run.finished
    assert not run.errors
    with open_library(tmp_path / "a") as opened:
        assert len(opened) == 8
        paused = bc.run(sweep(20, steps=4), ltx, library=opened)
        paused.pause()
    assert paused.status == "cancelled"


def test_a_folder_that_is_missing_for_a_while_loses_no_clip(ltx, library, monkeypatch):
    add, lost = library.store, threading.Event()

    def add_or_not(*args):
        if not lost.is_set():
            raise FileNotFoundError(2, "No such file or directory", str(library.folder))
        return add(*args)

    monkeypatch.setattr(library, "store", add_or_not)
    run = bc.run(sweep(4), ltx, library=library)
    wait_until(lambda: run.status == "paused")
    assert "can't be written" in run.changes().run.message
    lost.set()
    run.resume()
    assert len(run.wait(PATIENCE).clips) == 4


def test_a_clip_is_not_regenerated_by_changed_weights(ltx, library):
    import torch

    clip = bc.run(sweep(2), ltx, library=library).wait(PATIENCE).clips[0]
    weight = ltx.pipe.transformer.proj_out.weight
    with torch.no_grad():
        weight[0, 0] += 0.5
    try:
        with pytest.raises(LibraryError, match="would generate another one"):
            clip.regenerate(ltx)
    finally:
        with torch.no_grad():
            weight[0, 0] -= 0.5


@pytest.mark.slow
def test_every_row_of_a_small_models_weights_counts(ltx):
    import torch

    weight = ltx.pipe.text_encoder.shared.weight
    seen = set()
    for row in range(len(weight)):
        with torch.no_grad():
            row_before = weight[row].clone()
            weight[row] += 1
        ltx.refresh()
        seen.add(ltx.revision)
        with torch.no_grad():
            weight[row].copy_(row_before)
    ltx.refresh()
    assert len(seen | {ltx.revision}) == len(weight) + 1


def test_a_generated_clip_is_not_broken_by_default():
    assert Generated(np.zeros((1, 2, 2, 3), np.uint8)).broken is None


@pytest.mark.slow
def test_a_run_without_references_is_found_again(ltx, library, monkeypatch):
    reached, leave = threading.Event(), threading.Event()
    original = ltx.generate

    def generate(*args, **kwargs):
        reached.set()
        assert leave.wait(PATIENCE)
        return original(*args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(sweep(4), ltx, library=library)
    assert reached.wait(PATIENCE)
    engine = run._engine
    del run
    gc.collect()
    again = bc.run(sweep(4), ltx, library=library)
    assert again._engine is engine
    leave.set()
    again.wait(PATIENCE)


@pytest.mark.slow
def test_a_script_that_ends_writes_generated_clips(tmp_path):
    script = f"""
import time
import beecam as bc
from beecam.clips.library import Library
add = Library.add
def slow(self, *args):
    time.sleep(0.3)
    return add(self, *args)
Library.add = slow
model = bc.load()
run = bc.run(bc.sweep("a bee", seed=range(400), num_inference_steps=1, guidance_scale=1.0,
                      num_frames=9), model,
             library=bc.library({str(tmp_path / "library")!r}))
while len(run._progress._generated) < 4:
    time.sleep(0.01)
print(len(run._progress._generated), len(run.clips))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    generated, written = map(int, done.stdout.split())
    assert generated > written
    opened = Library(tmp_path / "library")
    assert len(opened) >= generated
    assert opened.healed == []
    opened.close()


def test_a_negative_prompt_has_its_limits_too(ltx):
    with pytest.raises(bc.CheckError, match="negative_prompt has 5,000 characters"):
        bc.sweep("a bee", negative_prompt="x" * 5_000).check(ltx)


def test_the_time_left_is_estimated_from_measurements():
    progress = Progress(["a", "b", "c", "d"])
    assert progress.changes(0, None).run.seconds_left is None
    progress.set(0, status=Status.DONE, seconds=2.0)
    progress.set(1, status=Status.RUNNING, step=5, steps=20)
    assert progress.changes(0, None).run.seconds_left == pytest.approx(2.0 * (0.75 + 2))
    progress.set(2, status=Status.CACHED)
    progress.set(3, status=Status.DONE, seconds=4.0)
    assert progress.changes(0, None).run.seconds_left == pytest.approx(4.0 * 0.75)


def test_a_cancelled_cell_stays_cancelled_unless_its_clip_was_generated():
    progress = Progress(["a", "b", "c"])
    progress.mark_generated(2)
    progress.cancel()
    assert [cell.status for cell in progress.changes(0, None).cells] == [
        Status.CANCELLED,
        Status.CANCELLED,
        Status.QUEUED,
    ]
    progress.set(0, status=Status.RUNNING, step=3)
    assert progress[0].status == Status.CANCELLED
    progress.set(2, status=Status.DONE)
    assert progress[2].status == Status.DONE
    assert not progress.finished
    progress.finish()
    assert progress.finished
    assert progress.status == "cancelled"


def test_an_exception_in_a_preview_only_turns_previews_off(ltx, library, monkeypatch):
    def broken(latents):
        raise ValueError("no colours left")

    bc.run(bc.shot("a warm-up"), ltx, library=library).wait()  # which fits the previews
    monkeypatch.setattr(ltx._resources.preview, "frames", broken)
    monkeypatch.setattr("beecam.runs.progress.Progress.watched", True)
    messages = []
    monkeypatch.setattr(
        "beecam.runs.progress.Progress.show_message", lambda self, text: messages.append(text)
    )
    run = bc.run(bc.sweep("a bee", seed=[1, 2, 3]), ltx, library=library)
    assert not run.wait().errors
    assert len(run.clips) == 3
    assert "previews are off: no colours left" in messages
