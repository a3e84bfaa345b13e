"""Worker threads: all tensor work of a model runs on them."""

import gc
import os
import threading

import pytest
import torch

import beecam as bc
from beecam.errors import Stopped
from beecam.models.batching.threads import WorkerPool, WorkerThread
from helpers import generate_frames

TIMEOUT = 240  # seconds
DEFAULT_THREADS = torch.get_num_threads()


def test_a_worker_runs_everything_on_one_thread():
    worker = WorkerThread()
    seen = [worker.run(threading.current_thread) for _ in range(3)]
    assert len(set(seen)) == 1
    assert seen[0] is not threading.current_thread()
    done = []
    threads = [
        threading.Thread(target=worker.run, args=(lambda i=i: done.append(i),)) for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(done) == list(range(20))


def test_errors_are_raised_in_the_caller_and_nested_calls_work():
    worker = WorkerThread()
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda: 1 / 0)
    assert worker.run(lambda: worker.run(lambda: "from within")) == "from within"


@pytest.mark.slow
def test_the_thread_ends_with_its_worker():
    worker = WorkerThread()
    thread = worker.run(threading.current_thread)
    del worker
    gc.collect()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_starts_a_thread_of_its_own():
    worker = WorkerThread()
    worker.run(lambda: None)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, worker.run(lambda: b"done"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read_end, 4) == b"done"


def test_models_of_one_pipeline_share_a_pool_and_call_it_there(ltx_pipe):
    one, two = bc.wrap(ltx_pipe, name="one"), bc.wrap(ltx_pipe, name="two")
    assert one._workers is two._workers
    assert one.batching.parallel_batches >= len(os.sched_getaffinity(0))
    seen = {}
    for model in (one, two, one, two):
        shot = model.resolve(
            bc.shot("a bee", width=32, height=32, num_frames=9, num_inference_steps=1)
        )
        generate_frames(
            model,
            [shot],
            lambda step: seen.setdefault(threading.current_thread(), torch.get_num_threads()),
        )
    assert 1 <= len(seen) <= one.batching.parallel_batches
    assert threading.current_thread() not in seen
    assert set(seen.values()) == {1}, "small models on a CPU use one thread per batch"


def test_as_many_concurrent_batches_as_there_are_workers():
    pool = WorkerPool()
    pool.widen(3, threads=1)
    running, counts, lock = 0, [], threading.Lock()
    barrier = threading.Barrier(3)

    def run_together():
        nonlocal running
        with lock:
            running += 1
            counts.append(running)
        barrier.wait(TIMEOUT)
        with lock:
            running -= 1

    threads = [threading.Thread(target=pool.run, args=(run_together,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert max(counts) == 3
    assert torch.get_num_threads() == DEFAULT_THREADS


def test_an_interrupted_batch_stops_at_its_next_step(ltx, monkeypatch):
    shot = ltx.resolve(bc.shot("a bee", num_inference_steps=200))
    steps, started, noticed, stopped = [], threading.Event(), threading.Event(), threading.Event()
    original = ltx._workers.run

    def run_and_interrupt(work):
        def record_stop():
            try:
                work()
            except Stopped:
                stopped.set()

        threading.Thread(target=original, args=(record_stop,)).start()
        assert started.wait(TIMEOUT)
        raise KeyboardInterrupt

    def on_step(step):
        # The first step lasts until the caller was interrupted.
        steps.append(step)
        started.set()
        assert noticed.wait(TIMEOUT)

    monkeypatch.setattr(ltx._workers, "run", run_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate_frames(ltx, [shot], on_step)
    noticed.set()
    assert stopped.wait(TIMEOUT)
    assert len(steps) == 1
