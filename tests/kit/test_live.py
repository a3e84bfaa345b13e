"""Clips while a slider moves: the latest request wins, something is always shown, nothing remains."""

import itertools
import threading
import time

import numpy as np
import pytest

import beecam as bc
from beecam.models.batching.threads import WorkerPool
from beecam.models.denoise.preview import PreviewMap
from beecam.runs.interactive import InteractiveEngine
from helpers import frames

LONG = 80  # steps: about two seconds a clip
PATIENCE = 240  # seconds, after which what never comes has failed


@pytest.fixture(scope="module")
def pollen():
    model = bc.load()
    frames(model, [model.resolve(bc.shot("a warm-up", num_inference_steps=4))])
    return model


class Clock:
    """An engine's clock: a step takes as long as the test sets, whatever it really took."""

    def __init__(self, step=0.03):
        self.now, self.step = 1_000.0, step

    def __call__(self):
        return self.now


class Eye:
    """Keeps what is to be seen, and when by the engine's clock."""

    def __init__(self, clock):
        self.clock, self.seen = clock, []
        self.news = threading.Condition()

    def __call__(self, sight):
        with self.news:
            self.seen.append((self.clock(), sight))
            self.news.notify_all()

    def kinds(self, *kinds):
        return [sight for _, sight in self.seen if not kinds or sight.kind in kinds]

    def wait_for(self, number, kind):
        self.wait_until(lambda: any(sight.number == number for sight in self.kinds(kind)))
        return [sight for sight in self.kinds(kind) if sight.number == number][-1]

    def wait_until(self, check):
        with self.news:
            assert self.news.wait_for(check, PATIENCE), self.seen


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def eye(clock):
    return Eye(clock)


@pytest.fixture
def live(pollen, eye, clock, calls):
    made = []

    def make(model=pollen, **arguments):
        made.append(InteractiveEngine(model, eye, clock=clock, **arguments))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


class Calls(list):
    """Which seeds the pipeline was called for, by any copy of the model.

    Attributes:
        steps: The seed of each step that was done.
        on_step: Called at each, before the engine sees it.
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
    counted = Calls()
    original = type(pollen).generate

    def generate(self, shots, on_step=None, **more):
        def stepped(step):
            counted.steps.append(shots[0].seed)
            clock.now += clock.step
            counted.on_step()
            if on_step is not None:
                on_step(step)

        counted.append(shots[0].seed)
        return original(self, shots, stepped, **more)

    monkeypatch.setattr(type(pollen), "generate", generate)
    return counted


def bee(seed=1, steps=4, **more):
    return bc.shot("a bee over a meadow", seed=seed, num_inference_steps=steps, **more)


def move_until(engine, calls, eye, done, steps):
    """Ask for another clip at each step of the last one, until something is seen."""
    wishes = itertools.count(2)

    def move():
        if not done():
            number = next(wishes)
            engine.ask(number, bee(number, steps))

    calls.on_step = move
    engine.ask(1, bee(1, steps))
    eye.wait_until(done)


def wait_until(check):
    """Wait for what sends no event."""
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_the_clip_is_that_of_the_model(live, eye, pollen):
    live().ask(7, bee())
    sight = eye.wait_for(7, "clip")
    assert np.array_equal(sight.frames, frames(pollen, [pollen.resolve(bee())])[0])
    assert (sight.shot, sight.steps) == (pollen.resolve(bee()), 4)


@pytest.mark.slow
def test_the_latest_wish_wins_and_the_others_are_left(live, eye, calls):
    engine = live()
    engine.ask(1, bee(1, LONG))
    for number in range(2, 12):
        calls.wait_for_a_step()
        engine.ask(number, bee(number, LONG))
    begun = len(calls)
    engine.ask(12, bee(12, LONG))
    eye.wait_for(12, "clip")
    assert {sight.number for sight in eye.kinds("clip")} == {12}
    assert set(calls[begun:]) <= {11, 12}, "what was left is not begun"
    assert len(calls) <= 12
    assert calls.steps.count(12) == LONG


def test_a_hand_that_never_rests_sees_finished_clips_of_few_steps(live, eye, calls):
    move_until(live(), calls, eye, lambda: len(eye.kinds("clip")) >= 4, steps=4)
    finished = eye.kinds("clip")
    assert len({sight.number for sight in finished}) == len(finished)


@pytest.mark.slow
def test_a_hand_that_never_rests_sees_previews_of_long_clips(live, eye, calls, clock):
    began = clock()
    move_until(live(patience=0.3), calls, eye, lambda: len(eye.kinds("preview")) >= 4, steps=LONG)
    shown = [at - began for at, sight in eye.seen if sight.frames is not None]
    assert len(shown) >= 3
    assert max(np.diff([0.0, *shown])) < 0.4, "never long without anything"
    numbers = [sight.number for sight in eye.kinds("preview")]
    assert numbers == sorted(numbers)
    assert eye.kinds("preview")[0].frames.shape == (17, 48, 48, 3)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.03, 0.06])
def test_a_finished_clip_is_not_blurred_at_once_by_what_comes_next(live, eye, calls, clock, step):
    clock.step = step
    move_until(live(), calls, eye, lambda: len(eye.kinds("clip")) >= 4, steps=6)
    for (at, sight), (then, after) in itertools.pairwise(eye.seen):
        assert (sight.kind, after.kind) != ("clip", "preview") or then - at > 0.2


@pytest.mark.slow
def test_without_previews_a_clip_is_finished_now_and_then(live, eye, calls, monkeypatch):
    monkeypatch.setattr(PreviewMap, "ready", property(lambda self: False))
    monkeypatch.setattr(PreviewMap, "fit", lambda *args, **kwargs: None)
    move_until(live(), calls, eye, lambda: eye.kinds("clip") and eye.kinds("step"), steps=40)
    assert not eye.kinds("preview")


def test_what_is_left_leaves_the_model_free(live, pollen, eye, calls):
    engine = live()
    for seed in range(10, 16):
        engine.ask(seed, bee(seed, LONG))
        calls.wait_for_a_step()
    engine.close()
    left = len(calls.steps)
    expected = frames(pollen, [pollen.resolve(bee())])[0]
    assert len([seed for seed in calls.steps[left:] if seed != 1]) <= 1, "it ends at its next step"
    again = live()
    again.ask(1, bee())
    assert np.array_equal(eye.wait_for(1, "clip").frames, expected)


@pytest.mark.slow
def test_when_the_hand_rests_the_whole_clip_takes_the_place_of_the_draft(live, eye, pollen):
    live(rest=0.1).ask(1, bee(3, 4), bee(3, 12))
    draft, whole = eye.wait_for(1, "draft"), eye.wait_for(1, "clip")
    assert (draft.steps, whole.steps) == (4, 12)
    assert np.array_equal(whole.frames, frames(pollen, [whole.shot])[0])
    assert [sight.kind for sight in eye.kinds()][-2:] == ["draft", "clip"]


def test_a_whole_clip_is_left_at_once_when_the_hand_moves_again(live, eye, calls):
    engine = live(rest=0.05)
    engine.ask(1, bee(1), bee(1, LONG * 4))
    eye.wait_for(1, "draft")
    wait_until(lambda: calls.steps.count(1) > 4)
    engine.ask(2, bee(2), bee(2))
    left = calls.steps.count(1)
    eye.wait_for(2, "clip")
    assert calls.steps.count(1) <= left + 1, "it ends at its next step"
    assert not [sight for sight in eye.kinds("clip") if sight.number == 1]


def test_the_same_clip_again_comes_from_memory(live, eye, calls):
    engine = live(rest=0.05)
    engine.ask(1, bee(5), bee(5, 8))
    eye.wait_for(1, "clip")
    made = len(calls)
    engine.ask(2, bee(5), bee(5, 8))
    sight = eye.wait_for(2, "clip")
    assert sight.seconds < 1
    assert len(calls) == made
    assert not [s for s in eye.kinds("draft") if s.number == 2], "the better one is there already"


def test_memory_is_bounded(live, eye, monkeypatch):
    monkeypatch.setattr("beecam.runs.interactive._CACHE_BYTES", 1_000_000)
    engine = live()
    for number in range(1, 5):
        engine.ask(number, bee(number))
        eye.wait_for(number, "clip")
    assert len(engine._cache) == 2
    assert engine._bytes == sum(one.nbytes for one in engine._cache.values())


def test_a_problem_is_reported_and_the_next_request_works(live, eye, pollen, monkeypatch):
    engine = live()
    engine.ask(1, bee(width=100))
    assert "nearest are 96 and 192" in eye.wait_for(1, "problem").text
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "generate", lambda *a, **k: 1 / 0)
        engine.ask(2, bee(8))
        assert eye.wait_for(2, "problem").text == "ZeroDivisionError: division by zero"
    engine.ask(3, bee(8))
    eye.wait_for(3, "clip")


def test_a_look_at_the_model_that_fails_is_said_and_the_next_wish_works(
    live, eye, pollen, monkeypatch
):
    def moving(_):
        raise RuntimeError("weights are on their way from one device to another")

    engine = live()
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "refresh", moving)
        engine.ask(1, bee(8))
        assert "on their way" in eye.wait_for(1, "problem").text
    engine.ask(2, bee(8))
    eye.wait_for(2, "clip")


@pytest.mark.slow
def test_a_run_goes_on_beside_it(live, eye, pollen, library):
    sweep = bc.sweep("a moth in snow", seed=range(12), num_inference_steps=8)
    engine = live()
    run = bc.run(sweep, pollen, library=library)
    wait_until(lambda: run.changes().run.counts["running"])
    engine.ask(1, bee(9))
    sight = eye.wait_for(1, "clip")
    assert not run.finished, "it waits for no call of the run"
    assert np.array_equal(sight.frames, frames(pollen, [sight.shot])[0])
    assert not run.wait(PATIENCE).errors
    assert len(run.clips) == 12
    # The mp4 is nearly what was made; a clip that another one got into would be far from it.
    for clip in run.clips[::3]:
        assert np.abs(clip.regenerate(pollen).astype(int) - clip.frames()).mean() < 6


def test_other_models_wait_for_their_only_lane():
    wide, narrow = WorkerPool(), WorkerPool()
    wide.widen(2, threads=1)
    assert wide.beside() is not wide
    assert narrow.beside() is narrow
    assert wide.beside().run(lambda: 3) == 3
