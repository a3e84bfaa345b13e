"""An interrupt or an error at any moment of a start leaves no run that never ends."""

import contextlib
import dis
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import beecam as bc
from beecam._util.condition import Condition
from beecam.clips.library import Library
from beecam.runs import interactive, run
from beecam.runs.engines import local
from beecam.storage import locks, store
from helpers import PATIENCE, PlainModel, wait_until

# Where an interrupt of a start can fall.
PLACES = tuple(
    str(path)
    for path in (
        Path(run.__file__).parent,
        Path(bc.__file__).parent / "storage",
        Path(threading.__file__),
    )
)


# Python looks for signals at the end of these instructions only.
CHECKED = ("CALL", "RESUME", "JUMP_BACKWARD")


class Interrupt:
    """Raises KeyboardInterrupt in this thread, the nth time that a signal could in `PLACES`."""

    def __init__(self, number, places=PLACES):
        self.left = number
        self._places = places
        self._last = {}

    def __enter__(self):
        sys.settrace(self._trace)

    def __exit__(self, *_):
        sys.settrace(None)

    def _trace(self, frame, event, _):
        code = frame.f_code
        if not code.co_filename.startswith(self._places):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            checked = self._last.get(frame, "").startswith(CHECKED)
            self._last[frame] = dis.opname[code.co_code[frame.f_lasti]]
            self.left -= checked
            if self.left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace


def interrupt_everywhere(call, places=PLACES, *, also=(RuntimeError,)):
    """Call `call(number)` with an interrupt at each moment; stop when there are no more."""
    for number in itertools.count():
        interrupt = Interrupt(number, places)
        # One in the middle of a Condition of the standard library ends as a RuntimeError.
        with contextlib.suppress(KeyboardInterrupt, *also), interrupt:
            call(number)
        yield number
        if interrupt.left >= 0:
            return


@pytest.mark.slow
def test_an_interrupt_at_any_moment_of_a_start_leaves_no_run_that_never_ends(library):
    model, kept = PlainModel(), []
    for number in interrupt_everywhere(
        # As IPython keeps what a cell has left.
        lambda n: kept.append(bc.run(bc.sweep("a bee", seed=[n]), model, library=library))
    ):
        wait_until(lambda: not library.writers and not local._running)
        again = bc.run(bc.sweep("a bee", seed=[number]), model, library=library)
        assert len(again.wait(PATIENCE).clips) == 1, number
    assert number > 200, "there were few interrupts: this tests nothing"
    closing = threading.Thread(target=library.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert library.closed


class ThreeAtOnce(bc.BatchPolicy):
    parallel_batches = 3


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_a_system_without_threads_left_fails_the_run_or_slows_it_down(
    library, monkeypatch, allowed
):
    model, original, started = PlainModel(), threading.Thread.start, []
    model.batching = ThreeAtOnce(1)

    def start(thread):
        if thread.name.startswith("beecam"):
            if len(started) == allowed:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    sweep = bc.sweep("a bee", seed=range(5))
    if allowed == 0:
        with pytest.raises(RuntimeError):
            bc.run(sweep, model, library=library)
    else:
        found = bc.run(sweep, model, library=library).wait(PATIENCE)
        assert len(found.clips) == (5 if allowed == 2 else 0)
        assert len(found.errors) == (0 if allowed == 2 else 5)
    wait_until(lambda: not library.writers)
    monkeypatch.undo()
    assert len(bc.run(sweep, model, library=library).wait(PATIENCE).clips) == 5


def test_a_live_view_whose_thread_could_not_start_answers_the_next_request(monkeypatch):
    frames, model = [], PlainModel()
    engine = interactive.InteractiveEngine(model, frames.append)

    def fail(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(KeyboardInterrupt):
            engine.request(1, bc.shot("a bee"))
    engine.request(2, bc.shot("a moth"))
    wait_until(lambda: frames and frames[-1].kind == interactive.CLIP)
    engine.close()


def test_an_interrupt_while_waiting_is_a_keyboard_interrupt():
    lock = threading.RLock()
    changed = Condition(lock)

    def wait(number):
        with lock:
            changed.wait_for(lambda: False, 0.001)

    for _ in interrupt_everywhere(wait, also=()):
        with ThreadPoolExecutor(1) as other:
            free = other.submit(lock.acquire, timeout=1).result()
        assert free, "the lock was left taken"
        lock = threading.RLock()
        changed = Condition(lock)


@pytest.mark.slow
def test_an_interrupt_at_any_moment_of_an_opening_leaves_the_library_free(tmp_path, monkeypatch):
    kept = []

    def opening(number):
        try:
            Library(tmp_path / str(number)).close()
        except KeyboardInterrupt as error:
            kept.append(error)  # as IPython keeps the traceback of a cell
            raise

    monkeypatch.setattr(locks, "_OPENING_TIMEOUT", 0)
    places = (store.__file__, locks.__file__, contextlib.__file__, threading.__file__)
    for number in interrupt_everywhere(opening, places):
        Library(tmp_path / str(number)).close()
    assert len(kept) > 50, "there were few interrupts: this tests nothing"
