"""Failures beside a run: full disks, missing folders, failing queries, models that raise."""

import contextlib
import errno
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from safetensors import SafetensorError

import beecam as bc
from beecam.clips.library import Library
from beecam.errors import LibraryError
from beecam.models.batching.threads import WorkerPool
from beecam.models.weights.lora import LoraLoader
from beecam.runs.engines import local
from beecam.runs.progress import Status
from helpers import (
    PATIENCE,
    Gate,
    PlainModel,
    error_message,
    statuses,
    sweep,
    use_size,
    wait_until,
)
from tiny import make
from tiny.loras import write_lora


@pytest.fixture(autouse=True)
def retry_immediately(monkeypatch):
    """Repeat failed writes immediately."""
    monkeypatch.setattr("beecam.runs.engines.persistence._TRY_AGAIN", 0.05)


@pytest.fixture
def full_disk(monkeypatch):
    """Return an event; while it is set, no mp4 can be written."""
    from beecam.media import mp4

    full = threading.Event()
    full.set()
    original = mp4.write_mp4

    def write(path, *args):
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, *args)

    monkeypatch.setattr(mp4, "write_mp4", write)
    return full


def wait_until_paused(run):
    wait_until(lambda: run.status == "paused")


def test_a_full_disk_pauses_with_a_reason_and_loses_nothing(ltx, library, full_disk):
    use_size(ltx, 1)
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)
    assert "the disk is full" in run.changes().run.message
    assert "the disk is full" in repr(run)
    full_disk.clear()
    run.resume()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4
    assert len(library) == 4


def test_a_run_waits_while_its_media_folder_is_elsewhere(ltx, library, tmp_path):
    media = library.folder / "media"
    media.rename(tmp_path / "elsewhere")
    media.symlink_to(tmp_path / "elsewhere")
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)
    assert "links are not followed" in run.changes().run.message
    assert list((tmp_path / "elsewhere").iterdir()) == []
    media.unlink()
    (tmp_path / "elsewhere").rename(media)
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4


@pytest.mark.parametrize("error", [LibraryError("another clip"), ValueError("a key")])
def test_another_error_after_a_full_disk_ends_the_pause(
    ltx, library, full_disk, monkeypatch, error
):
    from beecam.media import mp4

    use_size(ltx, 1)
    errors = [error]
    write_when_there_is_space = mp4.write_mp4
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)

    def write(*args):
        if errors:
            full_disk.clear()
            raise errors.pop()
        return write_when_there_is_space(*args)

    monkeypatch.setattr(mp4, "write_mp4", write)
    with pytest.warns(bc.BeecamWarning, match="1 of 4 cells failed"):
        run.wait(PATIENCE)
    assert sorted(statuses(run)) == [Status.DONE] * 3 + [Status.FAILED]


def test_a_run_goes_on_after_its_media_folder_was_removed(ltx, library):
    (library.folder / "media").rmdir()
    assert statuses(bc.run(sweep(), ltx, library=library).wait(PATIENCE)) == [Status.DONE] * 4
    assert len(library.clips()) == 4


def test_a_run_resumes_automatically_once_there_is_space(ltx, library, full_disk):
    use_size(ltx, 1)
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)
    time.sleep(0.2)
    assert run.status == "paused"
    full_disk.clear()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4
    assert run.changes().run.message is None


@pytest.mark.parametrize("before", [True, False])
def test_a_pause_by_the_user_outlasts_a_full_disk(ltx, library, full_disk, before):
    use_size(ltx, 1)
    run = bc.run(sweep(), ltx, library=library)
    if before:
        run.pause()
    wait_until_paused(run)
    if not before:
        run.pause()
    full_disk.clear()
    wait_until(lambda: run.changes().run.message is None)  # the disk isn't full any more
    time.sleep(0.3)
    assert run.status == "paused"
    run.resume()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4


def test_calling_run_again_while_the_disk_is_full_keeps_the_pause(
    ltx, library, full_disk, monkeypatch
):
    use_size(ltx, 1)
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)
    with monkeypatch.context() as patch:
        patch.setattr(library.sweep_files, "write", no_space)
        assert bc.run(sweep(), ltx, library=library) is run
    assert "the disk is full" in run.changes().run.message
    full_disk.clear()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_with_another_message_each_time_is_one_pause(ltx, library, monkeypatch):
    from beecam.media import mp4

    locked, tries = threading.Event(), []
    locked.set()
    original = mp4.write_mp4

    def write(path, *args):
        if locked.is_set():
            tries.append(path)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path, *args)

    monkeypatch.setattr(mp4, "write_mp4", write)
    run = bc.run(sweep(), ltx, library=library)
    wait_until_paused(run)
    while len(tries) < 4:
        time.sleep(0.02)
    assert len(set(tries)) > 2
    assert "(Permission denied)" in run.changes().run.message
    locked.clear()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4
    assert library._index.unfinished() == {}


_LIMITED_WRITES = """
import resource, sys
import numpy as np
from pathlib import Path
from beecam.media import formats, mp4

frames = np.random.default_rng(0).integers(0, 255, (9, 96, 96, 3), np.uint8)
complete = Path(sys.argv[1]) / "complete.mp4"
mp4.write_mp4(complete, frames, 8, {})
size = complete.stat().st_size
for share in (0.0, 0.3, 0.6, 0.9, 0.99):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), resource.RLIM_INFINITY))
    for write in (
        lambda path: mp4.write_mp4(path, frames, 8, {}),
        lambda path: formats.write_lossless(path, frames),
        lambda path: formats.write_lossless(path, frames[:1]),
    ):
        try:
            write(Path(sys.argv[1]) / "cut")
        except OSError as error:
            print(type(error).__name__, error.errno)
        else:
            print("written")
"""


def test_a_file_that_cannot_grow_raises_the_error_of_the_system(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", _LIMITED_WRITES, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert len(lines) == 15
    assert set(lines) <= {f"OSError {errno.EFBIG}", "written"}
    assert lines.count(f"OSError {errno.EFBIG}") >= 7


def test_checkpoints_that_cannot_be_written_lose_no_clip(ltx, library, monkeypatch):
    def fail(*_, **__):
        raise SafetensorError("I/O error: Disk quota exceeded (os error 122)")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    monkeypatch.setattr(local, "_CHECKPOINT_EVERY", 0.0)
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    run.pause()
    gate.open.set()
    wait_until_paused(run)
    run.resume()
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4


def test_a_query_that_fails_once_leaves_no_claims(ltx, library, monkeypatch):
    original, calls = library.known, []

    def fail_once(keys):
        calls.append(1)
        if len(calls) == 2:
            raise sqlite3.OperationalError("disk I/O error")
        return original(keys)

    monkeypatch.setattr(library, "known", fail_once)
    run = bc.run(sweep(), ltx, library=library).wait(PATIENCE)
    assert Status.FAILED in statuses(run)
    assert statuses(run.retry().wait(PATIENCE)).count(Status.FAILED) == 0
    assert len(library) == 4


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_fails_to_release_does_not_stop_a_run_from_ending(ltx, library, monkeypatch):
    def fail():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(ltx, "release", fail)
    run = bc.run(sweep(), ltx, library=library).wait(PATIENCE)
    assert statuses(run) == [Status.DONE] * 4
    assert not library.writers


@pytest.mark.parametrize("first", ["paused", "waiting"])
def test_a_library_closes_although_a_run_waits_for_a_paused_one(ltx, library, monkeypatch, first):
    monkeypatch.setattr(ltx, "_workers", WorkerPool())
    # As for a pipeline that can't resume within a clip: the batch waits at its step.
    monkeypatch.setattr(local.LocalEngine, "_store_checkpoints", lambda *_: False)
    gate = Gate(ltx, monkeypatch)
    paused = bc.run(sweep(prompt="a {insect} is paused"), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    paused.pause()
    gate.open.set()
    wait_until_paused(paused)
    waiting = bc.run(sweep(prompt="a {insect} waits"), ltx, library=library)
    users = [paused._engine, waiting._engine]
    library.writers = InOrder(users if first == "paused" else users[::-1])
    closing = threading.Thread(target=library.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert paused.status == "cancelled"
    assert waiting.finished


class InOrder(set):
    """A set that is iterated in a fixed order."""

    def __init__(self, users):
        super().__init__(users)
        self._users = users

    def __iter__(self):
        return iter([user for user in self._users if user in self])


def test_a_library_created_in_place_of_a_removed_one_is_another_one(ltx, library, monkeypatch):
    gate = Gate(ltx, monkeypatch)
    run = bc.run(bc.sweep("a moth"), ltx, library=library)
    assert gate.reached.wait(PATIENCE)
    shutil.rmtree(library.folder)
    assert library.gone
    with Library(library.folder) as other:  # as another kernel would
        assert library.gone, "its index is another file"
        gate.open.set()
        wait_until_paused(run)
        assert "moved or removed" in run.changes().run.message
        assert len(other) == 0
        again = bc.library(library.folder)
        assert again is not library
        other_run = bc.run(bc.sweep("a moth"), ltx, library=again)
        assert other_run is not run
        assert len(other_run.wait(PATIENCE).clips) == len(again) == 1
        assert bc.run(bc.sweep("a moth"), ltx, library=again).finished
        again.close()


def test_a_library_that_is_gone_is_named_before_anything_is_generated(ltx, library):
    run = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE)
    shutil.rmtree(library.folder)
    for start in (
        run.retry,
        lambda: run.with_cells(bc.sweep("a bee", seed=[1])),
        lambda: bc.run(bc.sweep("a bee"), ltx, library=library),
    ):
        assert "its folder was moved or removed" in error_message(start)


def test_a_lora_is_checked_while_batches_overlap(tmp_path):
    pipe = make("WanPipeline")
    one, other = (
        bc.lora(write_lora(pipe, tmp_path / f"{seed}.safetensors", seed)) for seed in range(2)
    )
    loader = LoraLoader(pipe)
    assert loader.check((one,)) is None
    stop = threading.Event()

    def use_lora(delay):
        time.sleep(delay)
        while not stop.is_set():
            with loader.used((one,)):
                time.sleep(0.1)

    threads = [
        threading.Thread(target=use_lora, args=(delay,), daemon=True) for delay in (0.0, 0.05)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    checked = []
    checker = threading.Thread(
        target=lambda: checked.extend(loader.check((adapter,)) for adapter in (one, other)),
        daemon=True,
    )
    checker.start()
    checker.join(PATIENCE)
    stop.set()
    assert checked == [None, None]
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_an_index_that_another_program_locks_pauses_a_run_and_loses_nothing(library):
    library._index._db.execute("PRAGMA busy_timeout = 20")  # instead of 30 seconds
    with lock_of(library):
        run = bc.run(bc.sweep("a bee", seed=range(4)), PlainModel(), library=library)
        wait_until_paused(run)
        assert "another program has locked the index" in run.changes().run.message
    assert statuses(run.wait(PATIENCE)) == [Status.DONE] * 4
    assert run.changes().run.message is None


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_clip_that_is_generated_when_the_index_is_locked_outlasts_the_run(
    library, end, monkeypatch
):
    library._index._db.execute("PRAGMA busy_timeout = 20")
    model = PlainModel()
    gate = Gate(model, monkeypatch)
    run = bc.run(bc.sweep("a bee"), model, library=library)
    assert gate.reached.wait(PATIENCE)
    with lock_of(library):
        gate.open.set()
        wait_until_paused(run)
        if end == "cancel":
            run.cancel()
            run.wait(PATIENCE)
        else:
            library.close()
    if not library.closed:
        library.close()
    with Library(library.folder) as again:
        again.rebuild()
        assert len(again) == 1
        assert bc.run(bc.sweep("a bee"), model, library=again).finished


def test_claims_that_could_not_be_removed_are_removed_later(library, monkeypatch):
    monkeypatch.setattr("beecam.storage.claims._TRY_AGAIN", 0.02)
    library._index._db.execute("PRAGMA busy_timeout = 20")
    key, owner = "0" * 32, object()
    assert library.claims.take([key], owner) == {key}
    with lock_of(library):
        library.claims.release([key], owner)
        assert not library.claims.free([key], 0)
    wait_until(lambda: library.claims.free([key], 0))
    assert library._index.unfinished() == {}


@contextlib.contextmanager
def lock_of(library):
    """Hold the lock of a library's index, as another program would."""
    db = sqlite3.connect(library.folder / "library.sqlite", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()
