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
from helpers import use_size

LIKE = BatchKind("a model", 4)


class Machine:
    """Calls that take as long as a function says, without waiting for them."""

    def __init__(self, sizes, seconds, like=LIKE):
        self.sizes, self.seconds, self.like = sizes, seconds, like
        self.now = 1.0
        self.made = []

    def call(self, size, *, usual=True, share=None):
        timing = BatchTimer(WorkerPool())
        timing.began, timing.seconds, timing.usual = self.now, size * self.seconds(size), usual
        self.now += timing.seconds
        self.sizes.record(self.like, size, timing, share)
        self.made.append(size)

    def run(self, waiting=1000, parallel_batches=1):
        while trial := self.sizes.trial(self.like, waiting, parallel_batches):
            self.call(trial)
        return self.sizes.best(self.like)


@given(
    st.lists(st.floats(0.01, 100), min_size=8, max_size=8),
    st.integers(1, 12),
    st.integers(1, MAX_SIZE),
)
def test_what_is_decided_is_no_worse_than_the_guess_and_always_settled(times, begin, most):
    seconds, steps = {}, 0
    while True:
        best, wanted = next_size(seconds, begin, most, {})
        assert 1 <= best <= most
        if wanted is None:
            break
        assert wanted not in seconds
        assert 1 <= wanted <= most
        seconds[wanted] = times[steps % 8]
        steps += 1
        assert steps < 12
    assert seconds[best] <= seconds[min(begin, most)]


def test_it_goes_up_while_that_gains_a_tenth_and_down_where_less_is_quicker():
    overhead = Machine(BatchSizes(), lambda size: 1 + 8 / size)
    assert overhead.run() == MAX_SIZE
    assert sorted(set(overhead.made)) == [4, 8, 16, 32]
    nothing = Machine(BatchSizes(), lambda size: 1 + 0.09 / size, BatchKind("flat", 4))
    assert nothing.run() == 4
    assert set(nothing.made) == {2, 4, 8}
    crowded = Machine(BatchSizes(), lambda size: 1 + 0.5 * size, BatchKind("crowded", 4))
    assert crowded.run() == 1
    assert 16 not in crowded.made


def test_the_first_call_and_calls_that_had_the_machine_alone_do_not_count():
    sizes = BatchSizes()
    machine = Machine(sizes, lambda size: 1.0)
    machine.call(4)
    machine.call(4, usual=False)
    assert sizes.stats(LIKE).seconds == {}
    machine.call(4)
    assert sizes.stats(LIKE).seconds == {4: pytest.approx(1.0)}
    began_cold = BatchTimer(WorkerPool())
    began_cold.began, began_cold.seconds, began_cold.usual = 1.5, 0.004, True
    sizes.record(LIKE, 4, began_cold, None)
    assert sizes.stats(LIKE).seconds == {4: pytest.approx(1.0)}, "two lanes warm up together"


def test_a_trial_is_never_more_than_half_of_what_waits():
    sizes = BatchSizes()
    assert sizes.trial(LIKE, 7, 1) is None
    assert sizes.trial(LIKE, 8, 1) == 4
    assert sizes.trial(LIKE, 15, 2) is None
    assert sizes.trial(LIKE, 16, 2) == 4


def test_what_is_found_is_there_in_the_next_kernel(cache):
    Machine(BatchSizes(), lambda size: 1 + 8 / size).run()
    again = BatchSizes()
    assert again.best(LIKE) == MAX_SIZE
    assert again.trial(LIKE, 1000, 1) is None
    assert again.best(BatchKind("another", 4)) == 4
    assert [p.name for p in cache.glob("*.part")] == []


def test_memory_limits_what_is_tried_here_and_in_the_next_kernel():
    sizes = BatchSizes()
    machine = Machine(sizes, lambda size: 1 + 8 / size)
    for _ in range(3):
        machine.call(4)
    assert sizes.trial(LIKE, 1000, 1) == 8
    sizes.limit(LIKE, 4)
    assert machine.run() == 4
    fresh = BatchSizes()
    assert fresh.best(BatchKind(LIKE.key, 8)) == 4
    sizes.limit(LIKE, 2)
    sizes.limit(LIKE, 3)
    assert BatchSizes().best(LIKE) == 2


def test_a_size_that_would_not_fit_is_not_tried():
    machine = Machine(BatchSizes(), lambda size: 1 + 8 / size)
    for _ in range(3):
        machine.call(4, share=0.5)
    assert machine.sizes.trial(LIKE, 1000, 1) == 2, "eight would take all the memory that is free"


def test_a_size_that_is_given_is_used_as_it_is(cache):
    Machine(BatchSizes(), lambda size: 1 + 8 / size).run()
    before = (cache / "sizes.json").read_text()
    sizes = BatchSizes(6)
    machine = Machine(sizes, lambda size: size)
    for _ in range(9):
        machine.call(6)
    assert (sizes.best(LIKE), sizes.trial(LIKE, 1000, 1), sizes.exact(LIKE)) == (6, None, 4)
    sizes.limit(LIKE, 3)
    assert sizes.best(LIKE) == 3
    assert BatchSizes(100).best(LIKE) == 100
    assert (cache / "sizes.json").read_text() == before


def test_families_that_can_not_batch_stay_at_one():
    alone = BatchKind("alone", 8, batches=False)
    machine = Machine(BatchSizes(), lambda size: 1.0, alone)
    assert machine.run() == 1
    assert set(machine.made) == {1}
    assert BatchSizes(5).best(alone) == BatchSizes().exact(alone) == 1


def test_the_exact_size_is_the_same_tomorrow_whatever_was_measured_since():
    sizes = BatchSizes()
    assert sizes.exact(BatchKind("a model", 6)) == 4
    assert Machine(sizes, lambda size: 1 + 8 / size).run() > 4
    assert sizes.exact(LIKE) == BatchSizes().exact(LIKE) == 4
    sizes.limit(LIKE, 2)
    assert BatchSizes().exact(LIKE) == 2, "nothing was made in calls of four"
    late = BatchSizes()
    Machine(late, lambda size: 1.0).call(2)
    late.limit(LIKE, 1)
    assert late.exact(LIKE) == 2, "clips were made in calls of two"


def test_where_nothing_can_be_remembered_the_exact_size_is_the_guess(cache):
    cache.write_text("a file where the folder should be")
    sizes = BatchSizes()
    assert Machine(sizes, lambda size: 1 + 8 / size).run() == MAX_SIZE
    assert sizes.exact(LIKE) == 4


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
    assert (sizes.best(LIKE), sizes.exact(LIKE)) == (4, 4)
    assert Machine(sizes, lambda size: 1 + 8 / size).run() == MAX_SIZE
    assert BatchSizes().best(LIKE) == MAX_SIZE


def test_processes_at_the_same_time_lose_nothing(cache):
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
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(json.loads(file.read_text())) == 40
    assert Notes(file).read("two-19") == {"x": 19}


# --- on real pipelines -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_settles_on_a_size_and_keeps_it(ltx, wrap_ltx, library, cache):
    shot = ltx.resolve(bc.shot("a bee"))
    run = bc.run(bc.sweep("a bee", seed=range(250)), ltx, library=library).wait(120)
    known = ltx.batching.stats(shot)
    seconds = known.seconds
    assert known.settled
    assert known.limit is None
    assert {8, 16} <= set(seconds)
    assert len(run.clips) == 250
    best = ltx.batching.size(shot)
    assert seconds[best] == min(seconds[n] for n in (best, 8))
    assert wrap_ltx().batching.size(shot) == best
    assert "a bee" not in (cache / "sizes.json").read_text()


@pytest.mark.slow
def test_what_was_waited_for_is_not_measured(ltx, monkeypatch):
    import time

    shots = [ltx.resolve(bc.shot("a bee", seed=i)) for i in range(8)]
    ltx.generate(shots)
    ltx.generate(shots)
    quick = ltx.batching.stats(shots[0]).seconds[8]
    use_size(ltx, None)
    ltx.generate(shots)
    others = [shot.replace(prompt="a moth") for shot in shots]
    encode = type(ltx.pipe).encode_prompt

    def slow(*args, **more):
        time.sleep(2.0)
        return encode(*args, **more)

    monkeypatch.setattr(type(ltx.pipe), "encode_prompt", slow)
    ltx.generate(others, lambda step: time.sleep(0.5))
    assert ltx.batching.stats(shots[0]).seconds[8] < quick + 0.2


def test_lanes_measure_each_call_as_in_the_midst_of_a_run():
    import threading
    import time

    lanes = WorkerPool()
    lanes.widen(2, threads=1)
    seen = {}

    def work(name, seconds):
        timing = BatchTimer(lanes)
        with timing:
            time.sleep(seconds)
        seen[name] = timing

    threads = [
        threading.Thread(target=lanes.run, args=(lambda n=n, s=s: work(n, s),))
        for n, s in (("short", 0.2), ("long", 1.0))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["short"].usual
    assert not seen["long"].usual, "it had the machine for itself most of the time"


def test_exact_mode_halves_what_never_fitted_and_then_keeps_it(ltx, wrap_ltx, library, monkeypatch):
    sizes, original = [], ltx.generate

    def generate(shots, *args, pad_to=0, **kwargs):
        sizes.append(pad_to)
        if pad_to > 2:
            raise OutOfMemoryError("does not fit.")
        return original(shots, *args, pad_to=pad_to, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee", seed=range(5)), ltx, library=library, exact=True).wait(60)
    assert not run.errors
    assert sizes == [8, 4, 2, 2, 2]
    assert wrap_ltx().batching.exact_size(run.clips[0].shot) == 2
