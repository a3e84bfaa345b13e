"""Interactive generation: the latest request wins, something is always shown, nothing is left behind."""

import itertools
import threading

import numpy as np
import pytest

import beecam as bc
from beecam.models.batching.threads import WorkerPool
from beecam.models.denoise.preview import PreviewMap
from beecam.runs.interactive import InteractiveEngine
from helpers import PATIENCE, generate_frames, wait_until

pytestmark = pytest.mark.slow

LONG = 80  # steps: about two seconds a clip


@pytest.fixture(scope="module")
def pollen():
    model = bc.load()
    generate_frames(model, [model.resolve(bc.shot("a warm-up", num_inference_steps=4))])
    return model


class Clock:
    """A clock in which each step takes the seconds that the test sets."""

    def __init__(self, step=0.03):
        self.now, self.step = 1_000.0, step

    def __call__(self):
        return self.now


class FrameLog:
    """Records what an engine sends, with the times of its clock."""

    def __init__(self, clock):
        self.clock, self.entries = clock, []
        self.changed = threading.Condition()

    def __call__(self, frame):
        with self.changed:
            self.entries.append((self.clock(), frame))
            self.changed.notify_all()

    def of_kind(self, *kinds):
        return [frame for _, frame in self.entries if not kinds or frame.kind in kinds]

    def wait_for(self, number, kind):
        self.wait_until(lambda: any(frame.number == number for frame in self.of_kind(kind)))
        return [frame for frame in self.of_kind(kind) if frame.number == number][-1]

    def wait_until(self, check):
        with self.changed:
            assert self.changed.wait_for(check, PATIENCE), self.entries


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock):
    return FrameLog(clock)


@pytest.fixture
def create_engine(pollen, log, clock, calls):
    engines = []

    def make(model=pollen, **arguments):
        engines.append(InteractiveEngine(model, log, clock=clock, **arguments))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


class Calls(list):
    """The seeds of all batches, in order.

    Attributes:
        steps: The seed of each completed step.
        on_step: Called at each step, before the engine's own callback.
    """

    def __init__(self):
        super().__init__()
        self.steps = []
        self.on_step = lambda: None

    def wait_for_a_step(self):
        before = len(self.steps)
        wait_until(lambda: len(self.steps) > before)


@pytest.fixture
def calls(pollen, monkeypatch, clock):
    calls = Calls()
    original = type(pollen).generate

    def generate(self, shots, on_step=None, **more):
        def count_step(step):
            calls.steps.append(shots[0].seed)
            clock.now += clock.step
            calls.on_step()
            if on_step is not None:
                on_step(step)

        calls.append(shots[0].seed)
        return original(self, shots, count_step, **more)

    monkeypatch.setattr(type(pollen), "generate", generate)
    return calls


def bee_shot(seed=1, steps=4, **more):
    return bc.shot("a bee over a meadow", seed=seed, num_inference_steps=steps, **more)


def request_until(engine, calls, log, finished, steps):
    """Request another clip at each step of the last one, until `finished()` is true."""
    numbers = itertools.count(2)

    def request_next():
        if not finished():
            number = next(numbers)
            engine.request(number, bee_shot(number, steps))

    calls.on_step = request_next
    engine.request(1, bee_shot(1, steps))
    log.wait_until(finished)


def test_a_clip_has_the_pixels_of_the_model(create_engine, log, pollen):
    create_engine().request(7, bee_shot())
    frame = log.wait_for(7, "clip")
    assert np.array_equal(frame.frames, generate_frames(pollen, [pollen.resolve(bee_shot())])[0])
    assert (frame.shot, frame.steps) == (pollen.resolve(bee_shot()), 4)


def test_the_latest_request_wins_and_others_are_cancelled(create_engine, log, calls):
    engine = create_engine()
    engine.request(1, bee_shot(1, LONG))
    for number in range(2, 12):
        calls.wait_for_a_step()
        engine.request(number, bee_shot(number, LONG))
    started = len(calls)
    engine.request(12, bee_shot(12, LONG))
    log.wait_for(12, "clip")
    assert {frame.number for frame in log.of_kind("clip")} == {12}
    assert set(calls[started:]) <= {11, 12}, "outdated requests are not started"
    assert len(calls) <= 12
    assert calls.steps.count(12) == LONG


def test_continuous_requests_show_finished_clips_of_few_steps(create_engine, log, calls):
    request_until(create_engine(), calls, log, lambda: len(log.of_kind("clip")) >= 4, steps=4)
    finished = log.of_kind("clip")
    assert len({frame.number for frame in finished}) == len(finished)


def test_continuous_requests_show_previews_of_long_clips(create_engine, log, calls, clock):
    started = clock()
    request_until(
        create_engine(patience=0.3),
        calls,
        log,
        lambda: len(log.of_kind("preview")) >= 4,
        steps=LONG,
    )
    times = [time_shown - started for time_shown, frame in log.entries if frame.frames is not None]
    assert len(times) >= 3
    assert max(np.diff([0.0, *times])) < 0.4, "something is shown at least every 0.4 s"
    numbers = [frame.number for frame in log.of_kind("preview")]
    assert numbers == sorted(numbers)
    assert log.of_kind("preview")[0].frames.shape == (17, 48, 48, 3)


@pytest.mark.parametrize("step", [0.03, 0.06])
def test_a_finished_clip_is_shown_for_a_while_before_the_next_preview(
    create_engine, log, calls, clock, step
):
    clock.step = step
    request_until(create_engine(), calls, log, lambda: len(log.of_kind("clip")) >= 4, steps=6)
    for (time_shown, frame), (next_time, next_frame) in itertools.pairwise(log.entries):
        assert (frame.kind, next_frame.kind) != ("clip", "preview") or next_time - time_shown > 0.2


def test_without_previews_some_clips_are_finished(create_engine, log, calls, monkeypatch):
    monkeypatch.setattr(PreviewMap, "ready", property(lambda self: False))
    monkeypatch.setattr(PreviewMap, "fit", lambda *args, **kwargs: None)
    request_until(
        create_engine(), calls, log, lambda: log.of_kind("clip") and log.of_kind("step"), steps=40
    )
    assert not log.of_kind("preview")


def test_a_cancelled_clip_frees_the_model(create_engine, pollen, log, calls):
    engine = create_engine()
    for seed in range(10, 16):
        engine.request(seed, bee_shot(seed, LONG))
        calls.wait_for_a_step()
    engine.close()
    count = len(calls.steps)
    expected = generate_frames(pollen, [pollen.resolve(bee_shot())])[0]
    assert len([seed for seed in calls.steps[count:] if seed != 1]) <= 1, (
        "it stops at its next step"
    )
    again = create_engine()
    again.request(1, bee_shot())
    assert np.array_equal(log.wait_for(1, "clip").frames, expected)


def test_once_requests_cease_the_final_clip_replaces_the_draft(create_engine, log, pollen):
    create_engine(rest=0.1).request(1, bee_shot(3, 4), bee_shot(3, 12))
    draft, final = log.wait_for(1, "draft"), log.wait_for(1, "clip")
    assert (draft.steps, final.steps) == (4, 12)
    assert np.array_equal(final.frames, generate_frames(pollen, [final.shot])[0])
    assert [frame.kind for frame in log.of_kind()][-2:] == ["draft", "clip"]


def test_a_final_clip_is_cancelled_by_the_next_request(create_engine, log, calls):
    engine = create_engine(rest=0.05)
    engine.request(1, bee_shot(1), bee_shot(1, LONG * 4))
    log.wait_for(1, "draft")
    wait_until(lambda: calls.steps.count(1) > 4)
    engine.request(2, bee_shot(2), bee_shot(2))
    count = calls.steps.count(1)
    log.wait_for(2, "clip")
    assert calls.steps.count(1) <= count + 1, "it stops at its next step"
    assert not [frame for frame in log.of_kind("clip") if frame.number == 1]


def test_a_repeated_request_is_served_from_the_cache(create_engine, log, calls):
    engine = create_engine(rest=0.05)
    engine.request(1, bee_shot(5), bee_shot(5, 8))
    log.wait_for(1, "clip")
    count = len(calls)
    engine.request(2, bee_shot(5), bee_shot(5, 8))
    frame = log.wait_for(2, "clip")
    assert frame.seconds < 1
    assert len(calls) == count
    assert not [s for s in log.of_kind("draft") if s.number == 2], "the final clip is cached"


def test_the_cache_is_bounded(create_engine, log, monkeypatch):
    monkeypatch.setattr("beecam.runs.interactive._CACHE_BYTES", 1_000_000)
    engine = create_engine()
    for number in range(1, 5):
        engine.request(number, bee_shot(number))
        log.wait_for(number, "clip")
    assert len(engine._cache) == 2
    assert engine._bytes == sum(one.nbytes for one in engine._cache.values())


def test_a_problem_is_reported_and_the_next_request_works(create_engine, log, pollen, monkeypatch):
    engine = create_engine()
    engine.request(1, bee_shot(width=100))
    assert "nearest are 96 and 192" in log.wait_for(1, "problem").text
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "generate", lambda *a, **k: 1 / 0)
        engine.request(2, bee_shot(8))
        assert log.wait_for(2, "problem").text == "ZeroDivisionError: division by zero"
    engine.request(3, bee_shot(8))
    log.wait_for(3, "clip")


def test_a_failing_refresh_is_reported_and_the_next_request_works(
    create_engine, log, pollen, monkeypatch
):
    def failing_refresh(_):
        raise RuntimeError("weights are on their way from one device to another")

    engine = create_engine()
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "refresh", failing_refresh)
        engine.request(1, bee_shot(8))
        assert "on their way" in log.wait_for(1, "problem").text
    engine.request(2, bee_shot(8))
    log.wait_for(2, "clip")


def test_a_run_continues_beside_the_engine(create_engine, log, pollen, library):
    sweep = bc.sweep("a moth in snow", seed=range(12), num_inference_steps=8)
    engine = create_engine()
    run = bc.run(sweep, pollen, library=library)
    wait_until(lambda: run.changes().run.counts["running"])
    engine.request(1, bee_shot(9))
    frame = log.wait_for(1, "clip")
    assert not run.finished, "it doesn't wait for the run"
    assert np.array_equal(frame.frames, generate_frames(pollen, [frame.shot])[0])
    assert not run.wait(PATIENCE).errors
    assert len(run.clips) == 12
    # mp4 is lossy, but a clip mixed up with another one would differ far more.
    for clip in run.clips[::3]:
        assert np.abs(clip.regenerate(pollen).astype(int) - clip.frames()).mean() < 6


def test_a_pool_of_one_worker_is_shared():
    two_workers, one_worker = WorkerPool(), WorkerPool()
    two_workers.widen(2, threads=1)
    assert two_workers.for_single_clips() is not two_workers
    assert one_worker.for_single_clips() is one_worker
    assert two_workers.for_single_clips().run(lambda: 3) == 3
