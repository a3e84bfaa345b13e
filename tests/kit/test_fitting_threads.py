"""What someone waits for never has threads that wait for each other on busy cores."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beecam.models.batching.threads import FittingThreads, WorkerPool, one_thread
from helpers import PATIENCE

# Run without the threads of tokenizers, which sleep while they wait and do not belong to torch.
NO_POOL = """
import json, os, tempfile, threading, time
import numpy, torch

def others():
    return len(os.listdir("/proc/self/task")) - threading.active_count()

torch.set_num_threads(4)
before, counts = others(), {}

def count(name):
    # A thread that has ended takes a moment to go.
    end = time.monotonic() + 5
    while others() > before and time.monotonic() < end:
        time.sleep(0.01)
    counts[name] = others() - before

import beecam as bc
from beecam.runs.interactive import InteractiveEngine

with tempfile.TemporaryDirectory() as folder, bc.library(folder) as library:
    model = bc.load()
    count("load")
    thread = threading.Thread(target=model.refresh)
    thread.start()
    thread.join()
    count("refresh on a thread of its own")
    done = threading.Event()
    engine = InteractiveEngine(
        model,
        lambda frame: done.set() if frame.kind in ("clip", "problem") else None,
        quick=model.few_step_variant(),
    )
    draft = bc.shot("a bee", num_inference_steps=2)
    engine.request(1, draft, draft.replace(num_inference_steps=4), quickly=True)
    done.wait()
    engine.close()
    count("live")
    clip = bc.run(bc.shot("a bee", num_inference_steps=2), model, library=library).wait().clips[0]
    count("run")
    clip.regenerate(model)
    count("regenerate")
print(json.dumps([counts, torch.get_num_threads()]))
"""


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_small_model_starts_no_pool_of_threads_whatever_is_done_with_it(tmp_path):

    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "BEECAM_CACHE": str(tmp_path)}
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-c", NO_POOL],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=PATIENCE * 4,
    )
    assert done.returncode == 0, done.stderr
    counts, threads = json.loads(done.stdout.splitlines()[-1])
    assert set(counts.values()) == {0}, counts
    assert threads == 4, "the user's thread keeps its number"


def fitting(waits):
    """Return the numbers of threads after steps of one second that waited so long for cores."""
    times = iter([(i, sum(waits[:i])) for i in range(len(waits) + 1)])
    threads, found = FittingThreads(meter=lambda: next(times)), []
    for _ in range(len(waits) + 1):
        threads.step()
        found.append(torch.get_num_threads())
    return found


@given(waits=st.lists(st.floats(0, 8), max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_number_fits_what_threads_waited_for(waits):
    torch.set_num_threads(4)
    found = fitting(waits)
    assert found[0] == 4
    for waited, before, after in zip(waits, found[:-1], found[1:], strict=True):
        assert 1 <= after <= 4
        if waited > 0.3 and before > 1:
            assert after < before
        if waited > 0.1:
            assert after <= before


def test_on_free_cores_it_grows_again_and_never_beyond_its_own():
    found = fitting([3.5, *[0.0] * 40])
    assert found[1] == 1
    assert found[-1] == max(found) == 4


def test_a_single_thread_stays_one_and_measures_nothing():
    torch.set_num_threads(1)
    threads = FittingThreads(meter=lambda: pytest.fail("measured"))
    threads.step()
    assert torch.get_num_threads() == 1


def test_the_next_call_begins_with_what_the_last_one_found():
    waits = iter([(0, 0), (1, 3.5), (9, 9)])
    threads = FittingThreads(meter=lambda: next(waits))
    threads.step()
    threads.step()
    assert torch.get_num_threads() == 1
    threads.begin()
    torch.set_num_threads(4)
    threads.step()
    assert torch.get_num_threads() == 1


def test_new_threads_begin_with_the_number_of_the_user_whatever_was_set_here():
    for wait in ([0.0], [3.5], [3.5, *[0.0] * 20]):
        fitting(wait)
        with one_thread():
            pass
        with ThreadPoolExecutor(1) as another:
            assert another.submit(torch.get_num_threads).result() == 4


def test_what_a_work_sets_ends_with_it():
    pool = WorkerPool()
    before = pool.run(torch.get_num_threads)
    pool.run(lambda: torch.set_num_threads(1))
    assert pool.run(torch.get_num_threads) == before
    with pytest.raises(KeyError), one_thread():
        raise KeyError(torch.get_num_threads())
    assert torch.get_num_threads() == 4
