"""Batch sizes: tuned on real batches, stored, and fixed in exact mode."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam._util.cache import Notes
from beecam.errors import OutOfMemoryError
from beecam.models.batching.threads import WorkerPool
from beecam.models.batching.timing import BatchTimer
from beecam.models.batching.tuning import MAX_SIZE, BatchKind, BatchSizes, next_size
from helpers import PATIENCE, use_size

KIND = BatchKind("a model", 4)


class SimulatedMachine:
    """Records batches whose seconds per clip are a function of their size, without running them."""

    def __init__(self, sizes, seconds, kind=KIND):
        self.sizes, self.seconds, self.kind = sizes, seconds, kind
        self.now = 1.0
        self.sizes_run = []

    def run_batch(self, size, *, representative=True, share=None):
        timing = BatchTimer(WorkerPool())
        timing.started, timing.seconds, timing.representative = (
            self.now,
            size * self.seconds(size),
            representative,
        )
        self.now += timing.seconds
        self.sizes.record(self.kind, size, timing, share)
        self.sizes_run.append(size)

    def run_until_settled(self, waiting=1000, parallel_batches=1):
        while trial := self.sizes.trial(self.kind, waiting, parallel_batches):
            self.run_batch(trial)
        return self.sizes.best(self.kind)


@given(
    st.lists(st.floats(0.01, 100), min_size=8, max_size=8),
    st.integers(1, 12),
    st.integers(1, MAX_SIZE),
)
def test_the_search_ends_with_a_size_no_worse_than_the_guess(times, first, largest):
    seconds, steps = {}, 0
    while True:
        best, trial = next_size(seconds, first, largest, {})
        assert 1 <= best <= largest
        if trial is None:
            break
        assert trial not in seconds
        assert 1 <= trial <= largest
        seconds[trial] = times[steps % 8]
        steps += 1
        assert steps < 12
    assert seconds[best] <= seconds[min(first, largest)]


def test_the_size_is_doubled_while_that_gains_a_tenth_else_halved():
    overhead = SimulatedMachine(BatchSizes(), lambda size: 1 + 8 / size)
    assert overhead.run_until_settled() == MAX_SIZE
    assert sorted(set(overhead.sizes_run)) == [4, 8, 16, 32]
    nothing = SimulatedMachine(BatchSizes(), lambda size: 1 + 0.09 / size, BatchKind("flat", 4))
    assert nothing.run_until_settled() == 4
    assert set(nothing.sizes_run) == {2, 4, 8}
    crowded = SimulatedMachine(BatchSizes(), lambda size: 1 + 0.5 * size, BatchKind("crowded", 4))
    assert crowded.run_until_settled() == 1
    assert 16 not in crowded.sizes_run


def test_the_first_batch_and_batches_without_others_do_not_count():
    sizes = BatchSizes()
    simulated = SimulatedMachine(sizes, lambda size: 1.0)
    simulated.run_batch(4)
    simulated.run_batch(4, representative=False)
    assert sizes.stats(KIND).seconds == {}
    simulated.run_batch(4)
    assert sizes.stats(KIND).seconds == {4: pytest.approx(1.0)}
    overlapping = BatchTimer(WorkerPool())
    overlapping.started, overlapping.seconds, overlapping.representative = 1.5, 0.004, True
    sizes.record(KIND, 4, overlapping, None)
    assert sizes.stats(KIND).seconds == {4: pytest.approx(1.0)}, "each worker's first is left out"


def test_a_trial_takes_at_most_half_of_the_waiting_clips():
    sizes = BatchSizes()
    assert sizes.trial(KIND, 7, 1) is None
    assert sizes.trial(KIND, 8, 1) == 4
    assert sizes.trial(KIND, 15, 2) is None
    assert sizes.trial(KIND, 16, 2) == 4


def test_the_best_size_is_stored_for_other_kernels(cache):
    SimulatedMachine(BatchSizes(), lambda size: 1 + 8 / size).run_until_settled()
    reopened = BatchSizes()
    assert reopened.best(KIND) == MAX_SIZE
    assert reopened.trial(KIND, 1000, 1) is None
    assert reopened.best(BatchKind("another", 4)) == 4
    assert [p.name for p in cache.glob("*.part")] == []


def test_memory_limits_trials_here_and_in_other_kernels():
    sizes = BatchSizes()
    simulated = SimulatedMachine(sizes, lambda size: 1 + 8 / size)
    for _ in range(3):
        simulated.run_batch(4)
    assert sizes.trial(KIND, 1000, 1) == 8
    sizes.limit(KIND, 4)
    assert simulated.run_until_settled() == 4
    reopened = BatchSizes()
    assert reopened.best(BatchKind(KIND.key, 8)) == 4
    sizes.limit(KIND, 2)
    sizes.limit(KIND, 3)
    assert BatchSizes().best(KIND) == 2


def test_a_size_that_would_not_fit_is_not_tried():
    simulated = SimulatedMachine(BatchSizes(), lambda size: 1 + 8 / size)
    for _ in range(3):
        simulated.run_batch(4, share=0.5)
    assert simulated.sizes.trial(KIND, 1000, 1) == 2, "a batch of eight would need all free memory"


def test_a_fixed_size_is_used_unchanged(cache):
    SimulatedMachine(BatchSizes(), lambda size: 1 + 8 / size).run_until_settled()
    before = (cache / "sizes.json").read_text()
    sizes = BatchSizes(6)
    simulated = SimulatedMachine(sizes, lambda size: size)
    for _ in range(9):
        simulated.run_batch(6)
    assert (sizes.best(KIND), sizes.trial(KIND, 1000, 1), sizes.exact(KIND)) == (6, None, 4)
    sizes.limit(KIND, 3)
    assert sizes.best(KIND) == 3
    assert BatchSizes(100).best(KIND) == 100
    assert (cache / "sizes.json").read_text() == before


def test_families_without_batching_use_size_one():
    unbatched = BatchKind("alone", 8, batches=False)
    simulated = SimulatedMachine(BatchSizes(), lambda size: 1.0, unbatched)
    assert simulated.run_until_settled() == 1
    assert set(simulated.sizes_run) == {1}
    assert BatchSizes(5).best(unbatched) == BatchSizes().exact(unbatched) == 1


def test_the_exact_size_does_not_change_with_later_measurements():
    sizes = BatchSizes()
    assert sizes.exact(BatchKind("a model", 6)) == 4
    assert SimulatedMachine(sizes, lambda size: 1 + 8 / size).run_until_settled() > 4
    assert sizes.exact(KIND) == BatchSizes().exact(KIND) == 4
    sizes.limit(KIND, 2)
    assert BatchSizes().exact(KIND) == 2, "no batch of four was run"
    reopened = BatchSizes()
    SimulatedMachine(reopened, lambda size: 1.0).run_batch(2)
    reopened.limit(KIND, 1)
    assert reopened.exact(KIND) == 2, "batches of two were run"


def test_without_a_cache_the_exact_size_is_the_guess(cache):
    cache.write_text("a file where the folder should be")
    sizes = BatchSizes()
    assert SimulatedMachine(sizes, lambda size: 1 + 8 / size).run_until_settled() == MAX_SIZE
    assert sizes.exact(KIND) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        '{"a model": 3}',
        '{"a model": {"best": "x", "limit": -1, "exact": true}}',
        '{"a model": {"best": 9999, "seconds": {"a": 1}}}',
        '{"a model": {"best": 8, "seconds": [1]}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_costs_only_time(cache, text):
    cache.mkdir()
    (cache / "sizes.json").write_text(text)
    sizes = BatchSizes()
    assert (sizes.best(KIND), sizes.exact(KIND)) == (4, 4)
    assert SimulatedMachine(sizes, lambda size: 1 + 8 / size).run_until_settled() == MAX_SIZE
    assert BatchSizes().best(KIND) == MAX_SIZE


def test_concurrent_processes_lose_no_notes(cache):
    code = (
        "import sys; from pathlib import Path; from beecam._util.cache import Notes\n"
        "notes = Notes(Path(sys.argv[1]))\n"
        "for i in range(20): notes.change(f'{sys.argv[2]}-{i}', lambda n: {'x': i})\n"
    )
    file = cache / "sizes.json"
    both = [
        subprocess.Popen([sys.executable, "-c", code, file, name], env=os.environ)
        for name in ("one", "two")
    ]
    assert [process.wait(PATIENCE) for process in both] == [0, 0]
    assert len(json.loads(file.read_text())) == 40
    assert Notes(file).read("two-19") == {"x": 19}


# --- on real pipelines -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_settles_on_a_size_and_keeps_it(ltx, wrap_ltx, library, cache):
    shot = ltx.resolve(bc.shot("a bee"))
    run = bc.run(bc.sweep("a bee", seed=range(250)), ltx, library=library).wait(PATIENCE)
    stats = ltx.batching.stats(shot)
    seconds = stats.seconds
    assert stats.settled
    assert stats.limit is None
    assert {8, 16} <= set(seconds)
    assert len(run.clips) == 250
    best = ltx.batching.size(shot)
    assert seconds[best] == min(seconds[n] for n in (best, 8))
    assert wrap_ltx().batching.size(shot) == best
    assert "a bee" not in (cache / "sizes.json").read_text()


@pytest.mark.slow
def test_encoding_and_callbacks_are_not_measured(ltx, monkeypatch):
    import time

    shots = [ltx.resolve(bc.shot("a bee", seed=i)) for i in range(8)]
    ltx.generate(shots)
    ltx.generate(shots)
    seconds_before = ltx.batching.stats(shots[0]).seconds[8]
    use_size(ltx, None)
    ltx.generate(shots)
    others = [shot.replace(prompt="a moth") for shot in shots]
    encode = type(ltx.pipe).encode_prompt

    def slow(*args, **more):
        time.sleep(2.0)
        return encode(*args, **more)

    monkeypatch.setattr(type(ltx.pipe), "encode_prompt", slow)
    ltx.generate(others, lambda step: time.sleep(0.5))
    assert ltx.batching.stats(shots[0]).seconds[8] < seconds_before + 0.2


def test_batches_without_busy_neighbours_are_marked():
    import threading
    import time

    pool = WorkerPool()
    pool.widen(2, threads=1)
    seen = {}

    def work(name, seconds):
        timing = BatchTimer(pool)
        with timing:
            time.sleep(seconds)
        seen[name] = timing

    threads = [
        threading.Thread(target=pool.run, args=(lambda n=n, s=s: work(n, s),))
        for n, s in (("short", 0.2), ("long", 1.0))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["short"].representative
    assert not seen["long"].representative, "the other worker was idle most of the time"


def test_exact_mode_halves_a_size_that_never_fitted_and_keeps_it(
    ltx, wrap_ltx, library, monkeypatch
):
    sizes, original = [], ltx.generate

    def generate(shots, *args, pad_to=0, **kwargs):
        sizes.append(pad_to)
        if pad_to > 2:
            raise OutOfMemoryError("does not fit.")
        return original(shots, *args, pad_to=pad_to, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee", seed=range(5)), ltx, library=library, exact=True).wait(PATIENCE)
    assert not run.errors
    assert sizes == [8, 4, 2, 2, 2]
    assert wrap_ltx().batching.exact_size(run.clips[0].shot) == 2
