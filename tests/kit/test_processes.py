"""Several processes on one sweep generate each clip once, whichever of them are killed."""

import collections
import contextlib
import os
import signal
import subprocess
import sys

import pytest

import beecam as bc
from beecam.clips.library import Library
from helpers import PATIENCE, PlainModel, wait_until

# Prints a line for each clip before it is generated; stops forever at the clip number argv[3].
WORKER = """
import os, sys, time
import beecam as bc
from beecam.clips.library import Library
from helpers import PATIENCE, PlainModel

folder, size, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
started = 0

class Model(PlainModel):
    batching = bc.BatchPolicy(size)

    def generate(self, shots, on_step=None):
        global started
        for shot in shots:
            os.write(1, f"{shot.key}\\n".encode())  # unbuffered: a kill would cut the line
        started += len(shots)
        if started > stop:
            os.write(1, b"stopped\\n")
            time.sleep(10_000)
        time.sleep(0.01)
        return super().generate(shots, on_step)

print("ready", flush=True)
sys.stdin.readline()
with Library(folder) as library:
    sweep = bc.sweep("a bee", seed=range(int(sys.argv[4])))
    run = bc.run(sweep, Model(), library=library).wait(PATIENCE)
    print(len(run.clips), *run.errors.values(), flush=True)
"""
NEVER = 1_000_000


@contextlib.contextmanager
def workers(folder, sizes, cells, stops=None):
    """Start a process for each batch size; all begin at the same time."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *map(str, (folder, size, stop, cells))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        for size, stop in zip(sizes, stops or [NEVER] * len(sizes), strict=True)
    ]
    try:
        for one in running:
            assert one.stdout.readline() == "ready\n"
        for one in running:
            one.stdin.write("go\n")
            one.stdin.flush()
        yield running
    finally:
        for one in running:
            one.kill()
            one.communicate()


def claimed_by(library):
    """Return the number of openings that have claimed clips, and of these clips."""
    pending = library._index.unfinished().values()
    return len(pending), sum(map(len, pending))


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (4, 3, 1, 2)])
def test_four_processes_generate_each_clip_once(tmp_path, sizes):
    with workers(tmp_path, sizes, 80) as running:
        outputs = [one.communicate(timeout=PATIENCE)[0].split() for one in running]
    assert [output[-1] for output in outputs] == ["80"] * 4
    generated = collections.Counter(key for output in outputs for key in output[:-1])
    assert len(generated) == generated.total() == 80
    assert sum(len(output) > 1 for output in outputs) > 1, "one did all: this tests nothing"
    with Library(tmp_path) as library:
        assert len(library) == 80
        assert library.healed == []


@pytest.mark.slow
def test_the_clips_of_killed_processes_are_generated_by_the_others(tmp_path):
    with workers(tmp_path, (2, 1, 3, 1), 80, (7, NEVER, 12, NEVER)) as running:
        killed, others = running[::2], running[1::2]
        for one in killed:
            while one.stdout.readline() != "stopped\n":
                pass
        # The others have only the clips of these left, which they don't generate twice.
        with Library(tmp_path) as library:
            wait_until(lambda: claimed_by(library) == (2, 80 - len(library)))
        assert all(one.poll() is None for one in others), "none waits for a process that is alive"
        for one in killed:
            one.send_signal(signal.SIGKILL)
        outputs = [one.communicate(timeout=PATIENCE)[0].split() for one in others]
    assert [output[-1] for output in outputs] == ["80"] * 2
    with Library(tmp_path) as library:
        assert len(library) == 80


def test_a_run_waits_for_another_opening_and_says_so(tmp_path):
    with Library(tmp_path) as one, Library(tmp_path) as two:
        model, sweep = PlainModel(), bc.sweep("a bee", seed=range(3))
        key = model.resolve(sweep.cells[1].shot).key
        assert one.claims.take([key], one) == {key}
        run = bc.run(sweep, model, library=two)
        changes = run.changes()
        while "waiting for 1 clip that another run is generating" not in (
            changes.run.message or ""
        ):
            changes = run.changes(changes.version, timeout=1)
        wait_until(lambda: len(run.clips) == 2)
        assert two.claims.free([key], 0) == set()
        one.claims.release([key], one)
        assert len(run.wait(PATIENCE).clips) == 3


def test_a_batch_is_filled_up_in_place_of_what_others_generate(tmp_path):
    sizes = []

    class Model(PlainModel):
        batching = bc.BatchPolicy(4)

        def generate(self, shots, on_step=None):
            sizes.append(len(shots))
            return super().generate(shots, on_step)

    with Library(tmp_path) as one, Library(tmp_path) as two:
        model, sweep = Model(), bc.sweep("a bee", seed=range(8))
        keys = {model.resolve(cell.shot).key for cell in sweep.cells[1:5:3]}
        assert one.claims.take(keys, one) == keys
        run = bc.run(sweep, model, library=two)
        wait_until(lambda: len(run.clips) == 6)
        one.claims.release(keys, one)
        assert len(run.wait(PATIENCE).clips) == 8
    assert sizes[:2] == [4, 2]


def test_a_run_that_fails_claims_nothing_afterwards(library, monkeypatch):
    def fail(*_):
        raise MemoryError

    model, sweep = PlainModel(), bc.sweep("a bee", seed=range(3))
    monkeypatch.setattr("beecam.runs.engines.local.LocalEngine._finished_of", fail)
    run = bc.run(sweep, model, library=library).wait(PATIENCE)
    assert len(run.errors) == 3
    assert library._index.unfinished() == {}
    monkeypatch.undo()
    assert len(run.retry().wait(PATIENCE).clips) == 3


def test_a_closed_opening_claims_nothing(tmp_path):
    one, two = Library(tmp_path), Library(tmp_path)
    keys = [f"{i:032x}" for i in range(3)]
    assert one.claims.take(keys, one) == set(keys)
    assert two.claims.take(keys[:2], two) == set()
    one.close()
    assert two.claims.take(keys, two) == set(keys)
    assert two.claims.take(keys, two) == set(), "its own claims are taken too"
    two.claims.release(keys, two)
    assert two._index.unfinished() == {}
    two.close()
