"""Weights that change: no clip of the new ones is stored under a key of the old ones."""

from queue import SimpleQueue

import numpy as np
import pytest

import beecam as bc
import beecam_widgets as bw
from beecam.models.model import Checkpoint, Generated, Model, Step
from beecam.runs.engines import local
from beecam.runs.interactive import CLIP, PROBLEM, InteractiveEngine
from beecam_widgets._clips.cell_source import RunSource
from helpers import PATIENCE, Gate, error_message, wait_until

STEPS = 4


class Painter:
    """A model of one color, which is its revision's; it fails while it is broken."""

    name = "painter"

    def __init__(self):
        self.revision, self.broken, self.read = "1", False, 0
        # The weights as they are; `refresh` reads them.
        self.weights = "1"

    def refresh(self):
        self.read += 1
        self.revision = self.weights

    def resolve(self, shot):
        usual = {
            "width": 32,
            "height": 32,
            "num_frames": 3,
            "fps": 8.0,
            "num_inference_steps": STEPS,
            "guidance_scale": 1.0,
            "negative_prompt": "",
            "scheduler": "none",
        }
        missing = {name: v for name, v in usual.items() if getattr(shot, name) is None}
        return shot.replace(model=self.name, revision=self.revision, **missing)

    def check(self, shot):
        return ()

    def batch_key(self, shot):
        return shot.width

    def steps(self, shot):
        return shot.num_inference_steps

    def generate(self, shots, on_step=None, *, pad_to=0, starts=()):
        if self.broken:
            raise ValueError("no paint")
        (shot,) = shots
        last = shot.draft_steps or STEPS
        first = starts[0].step if starts else 0
        for step in range(first + 1, last + 1):
            if on_step is not None:
                here = Checkpoint(step, 1, 0, {}, {})
                on_step(Step(step, last, checkpoints=lambda here=here: [here]))
        frames = np.full((3, 32, 32, 3), 60 * int(self.weights), np.uint8)
        frames[0, 0, 0] = shot.seed
        checkpoint = Checkpoint(last, 1, 0, {}, {}) if last < STEPS else None
        return [Generated(frames, 0, checkpoint)]


@pytest.fixture
def painter():
    return Painter()


def sweep(n=2):
    return bc.sweep("a bee", seed=range(n))


def assert_true(clips, revision):
    """Check that every clip has the pixels of the revision in its key."""
    for clip in clips:
        assert clip.shot.revision == revision
        assert abs(int(clip.frames()[1, 9, 9, 0]) - 60 * int(revision)) < 4


def test_it_is_a_model(painter):
    assert isinstance(painter, Model)


@pytest.mark.parametrize("attribute", ["weights", "revision"])
def test_retry_resolves_again(painter, library, attribute):
    painter.broken = True
    failed = bc.run(sweep(), painter, library=library, name="bees").wait(PATIENCE)
    assert len(failed.errors) == 2
    painter.broken, painter.weights = False, "2"
    setattr(painter, attribute, "2")
    again = failed.retry().wait(PATIENCE)
    assert len(again.clips) == 2
    assert_true(again, "2")
    assert [one.name for one in library.sweeps()] == ["bees", "bees"]
    assert [clip.key for clip in library.sweep("bees").clips] == [clip.key for clip in again]


def test_more_cells_are_of_the_new_weights(painter, library):
    run = bc.run(sweep(), painter, library=library, name="bees").wait(PATIENCE)
    assert_true(run, "1")
    painter.weights = "2"
    more = run.with_cells(sweep(3)).wait(PATIENCE)
    assert_true(more, "2")
    assert more.name == "bees"
    assert len(library.sweep("bees")) == 3


def test_a_draft_of_old_weights_is_not_finished_by_new_ones(painter, library):
    drafts = bc.run(sweep(), painter, library=library, draft=0.5).wait(PATIENCE)
    painter.weights = "2"
    for call in (lambda: bc.promote(drafts), lambda: bc.promote(drafts.clips[:1], painter)):
        text = error_message(call)
        assert "cell 0 finishes a draft of painter 1; this is painter 2" in text
        assert "run their sweep again" in text
    painter.weights = "1"
    promoted = bc.promote(drafts)
    assert_true(promoted.wait(PATIENCE), "1")
    painter.weights = "2"
    assert "finishes a draft of painter 1" in error_message(promoted.retry)


def test_weights_changed_in_a_pause_are_noticed(painter, library, monkeypatch):
    gate = Gate(painter, monkeypatch)
    run = bc.run(sweep(), painter, library=library)
    assert gate.reached.wait(PATIENCE)
    run.pause()
    gate.open.set()
    version = 0
    while run.status != "paused":
        version = run.changes(version, timeout=1).version
    painter.weights = "2"
    run.resume()
    run.wait(PATIENCE)
    assert set(run.errors.values()) == {
        (
            "painter changed from revision 1 to 2 during the run; run.retry() generates the sweep "
            "with the new one."
        )
    }
    assert_true(run.retry().wait(PATIENCE), "2")


def test_weights_changed_within_a_batch_are_noticed(painter, library, monkeypatch):
    gate = Gate(painter, monkeypatch)
    run = bc.run(sweep(3), painter, library=library)
    assert gate.reached.wait(PATIENCE)
    painter.weights = "2"
    bc.estimate(sweep(), painter, library)  # as any other call that reads the weights
    gate.open.set()
    assert len(run.wait(PATIENCE).errors) == 3
    assert not len(library)


def test_weights_that_can_not_be_read_after_a_pause_are_read_later(painter):
    weights = local.WeightsCheck(painter)
    weights.read_again()
    painter.weights = "2"
    painter.refresh = lambda: 1 / 0 if painter.read else _raise(RuntimeError("moving"))
    weights.check()
    del painter.refresh
    with pytest.raises(bc.ModelError, match="from revision 1 to 2"):
        weights.check()


def _raise(error):
    raise error


def test_a_shot_of_old_weights_that_the_model_leaves_as_it_is_is_refused(painter, library):
    clip = bc.run(bc.shot("a bee"), painter, library=library).wait(PATIENCE).clips[0]
    painter.weights = "2"
    resolve = painter.resolve
    painter.resolve = lambda shot: shot if shot.resolved else resolve(shot)
    text = error_message(lambda: bc.run(bc.vary(clip, 2), painter, library=library))
    assert "cell 0 is a shot of painter 1; this is painter 2" in text
    del painter.resolve
    assert_true(bc.run(bc.vary(clip, 2), painter, library=library).wait(PATIENCE), "2")


def test_an_estimate_is_of_the_weights_as_they_are(painter, library):
    bc.run(sweep(), painter, library=library).wait(PATIENCE)
    assert bc.estimate(sweep(), painter, library).cached == 2
    painter.weights = "2"
    assert bc.estimate(sweep(), painter, library).cached == 0


def test_a_changed_model_generates_no_clip_again(painter, library):
    clip = bc.run(sweep(), painter, library=library).wait(PATIENCE).clips[0]
    painter.weights = "2"
    with pytest.raises(bc.LibraryError, match="generated by painter 1; this is painter 2"):
        clip.regenerate(painter)


def test_the_run_button_of_a_grid_shows_nothing_of_the_old_weights(painter, library):
    run = bc.run(sweep(), painter, library=library, draft=0.5).wait(PATIENCE)
    source = RunSource(run)
    grid = bw.ClipGrid(run)
    try:
        painter.weights = painter.revision = "2"
        assert source.shot(0).key == source.key(0), "the shot of the clip, not of the model now"
        publisher = grid._publisher
        token = publisher.latest.token
        publisher.receive({"kind": "run", "action": "run", "client": "page", "token": token})
        wait_until(lambda: publisher.source.run is not run and publisher.source.run.finished)
        assert publisher._extends == "", "the cells have other clips"
        assert_true(grid.run.clips, "2")
    finally:
        grid.close()


class Clock:
    """The time of a live engine, which tests set."""

    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shown():
    """Return the frames that an engine has sent."""
    return SimpleQueue()


@pytest.fixture
def engine(painter, shown, clock, monkeypatch):
    monkeypatch.setattr("beecam.runs.interactive._IDLE", 0.05)
    opened = InteractiveEngine(painter, shown.put, clock=clock)
    yield opened
    opened.close()


def ask(engine, shown, number, seed=1):
    """Request a clip, and return it; then wait until the thread has ended."""
    engine.request(number, bc.shot("a bee", seed=seed))
    while (frame := shown.get(timeout=PATIENCE)).kind != CLIP or frame.number != number:
        assert frame.kind != PROBLEM, frame.text
    wait_until(lambda: engine._thread is None)
    return frame


def test_the_live_view_reads_weights_after_its_thread_has_ended(engine, shown, painter, clock):
    for number in (1, 2):
        assert ask(engine, shown, number).shot.revision == "1"
    assert painter.read == 1, "no time to change them"
    painter.weights = "2"
    clock.now += 30
    frame = ask(engine, shown, 3)
    assert (frame.shot.revision, frame.frames[1, 9, 9, 0]) == ("2", 120)
    assert painter.read == 2
    assert engine._resumed == clock.now, "requests resume: nothing is late"


def test_the_live_view_reads_weights_after_a_long_clip(engine, shown, painter, clock, monkeypatch):
    original = painter.generate

    def slow(shots, on_step=None, **more):
        clock.now += 11
        return original(shots, on_step, **more)

    monkeypatch.setattr(painter, "generate", slow)
    ask(engine, shown, 1)
    painter.weights = "2"
    assert ask(engine, shown, 2).shot.revision == "2"


def test_the_live_view_remembers_no_clip_whose_weights_changed_meanwhile(
    engine, shown, painter, monkeypatch
):
    original = painter.generate

    def changed(shots, on_step=None, **more):
        painter.weights = painter.revision = "2"
        return original(shots, on_step, **more)

    monkeypatch.setattr(painter, "generate", changed)
    ask(engine, shown, 1)
    assert not engine._cache


def test_the_live_view_tries_again_to_read_weights(engine, shown, painter, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(painter, "refresh", lambda: _raise(RuntimeError("moving")))
        engine.request(1, bc.shot("a bee"))
        assert "moving" in shown.get(timeout=PATIENCE).text
    painter.weights = "2"
    assert ask(engine, shown, 2).shot.revision == "2"
