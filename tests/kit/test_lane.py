"""One thread for all tensor work of a model."""

import gc
import os
import threading

import pytest
import torch

import beecam as bc
from beecam.errors import Stopped
from beecam.models.batching.threads import WorkerPool, WorkerThread
from helpers import frames

PATIENCE = 240  # seconds, after which what never comes has failed


def test_everything_is_done_on_one_thread_in_order():
    lane = WorkerThread()
    seen = [lane.run(threading.current_thread) for _ in range(3)]
    assert len(set(seen)) == 1
    assert seen[0] is not threading.current_thread()
    done = []
    threads = [
        threading.Thread(target=lane.run, args=(lambda i=i: done.append(i),)) for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(done) == list(range(20))


def test_what_is_raised_there_is_raised_here_and_the_lane_goes_on():
    lane = WorkerThread()
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 / 0)
    assert lane.run(lambda: lane.run(lambda: "from within")) == "from within"


def test_the_thread_ends_with_the_lane():
    lane = WorkerThread()
    thread = lane.run(threading.current_thread)
    del lane
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forks_child_has_a_thread_of_its_own():
    lane = WorkerThread()
    lane.run(lambda: None)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, lane.run(lambda: b"made"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 4) == b"made"


def test_every_model_of_a_pipeline_has_the_same_lanes_and_calls_it_there(ltx_pipe):
    one, two = bc.wrap(ltx_pipe, name="one"), bc.wrap(ltx_pipe, name="two")
    assert one._workers is two._workers
    assert one.batching.parallel_batches >= len(os.sched_getaffinity(0))
    seen = {}
    for model in (one, two, one, two):
        shot = model.resolve(
            bc.shot("a bee", width=32, height=32, num_frames=9, num_inference_steps=1)
        )
        frames(
            model,
            [shot],
            lambda step: seen.setdefault(threading.current_thread(), torch.get_num_threads()),
        )
    assert 1 <= len(seen) <= one.batching.parallel_batches
    assert threading.current_thread() not in seen
    assert set(seen.values()) == {1}, "a small model on a CPU has a thread a call"


def test_as_many_concurrent_batches_as_there_are_workers():
    lanes = WorkerPool()
    lanes.widen(3, threads=1)
    together, most, lock = 0, [], threading.Lock()
    meet = threading.Barrier(3)

    def work():
        nonlocal together
        with lock:
            together += 1
            most.append(together)
        meet.wait(PATIENCE)
        with lock:
            together -= 1

    threads = [threading.Thread(target=lanes.run, args=(work,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert max(most) == 3
    assert torch.get_num_threads() == before_all


before_all = torch.get_num_threads()


def test_an_interrupt_of_a_call_stops_it_at_its_next_step(ltx, monkeypatch):
    shot = ltx.resolve(bc.shot("a bee", num_inference_steps=200))
    steps, begun, heard, ended = [], threading.Event(), threading.Event(), threading.Event()
    original = ltx._workers.run

    def interrupted(work):
        def watched():
            try:
                work()
            except Stopped:
                ended.set()

        threading.Thread(target=original, args=(watched,)).start()
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt

    def on_step(step):
        # The first step lasts until the caller has heard of the interrupt.
        steps.append(step)
        begun.set()
        assert heard.wait(PATIENCE)

    monkeypatch.setattr(ltx._workers, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        frames(ltx, [shot], on_step)
    heard.set()
    assert ended.wait(PATIENCE)
    assert len(steps) == 1
