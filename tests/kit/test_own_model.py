"""The models of docs/own_model.md: six members run a sweep, a grid and more; drafts need two more."""

import re
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
import beecam_widgets as bw
from beecam.models import capabilities
from beecam.models.batching.batch_size import batching_of
from helpers import Gate, said

DOCS = Path(__file__).parents[2] / "docs" / "own_model.md"
MAX_LINES = 45


@pytest.fixture(scope="module")
def docs():
    """The classes of the page; only the block that runs a sweep needs a library of its own."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    found = {"__name__": "own_model"}
    for block in blocks:
        if "bc.run(" not in block:
            exec(block, found)
    return {**found, "blocks": blocks}


@pytest.fixture
def square(docs):
    return docs["Square"]()


@pytest.fixture
def draft_square(docs):
    return docs["DraftSquare"]()


def sweep(n=2):
    return bc.sweep("a {color} square", color=["red", "green", "blue"], seed=range(n))


def digests(run):
    assert not run.errors
    return [clip.facts["digest"] for clip in run.clips]


def test_the_class_is_a_model_of_about_thirty_lines(docs, square):
    assert isinstance(square, bc.Model)
    body = docs["blocks"][0].split("class Square:")[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= MAX_LINES


def test_the_pages_own_sweep_runs(docs, library, monkeypatch):
    monkeypatch.setattr("beecam.runs.run.open_library", lambda: library)
    (block,) = [block for block in docs["blocks"] if "bc.run(" in block]
    scope = dict(docs)
    exec(block, scope)
    assert len(set(digests(scope["run"].wait(30)))) == 12


def test_a_sweep_is_cached_estimated_and_regenerated(square, library):
    run = bc.run(sweep(), square, library=library).wait(30)
    assert len(set(digests(run))) == 6
    again = bc.run(sweep(), square, library=library).wait(30)
    assert again.changes().run.counts["cached"] == 6
    assert bc.estimate(sweep(), square, library).cached == 6
    clip = run.clips[0]
    assert clip.facts["batch"] == 1
    assert clip.facts["license"] is None
    assert clip.regenerate(square).shape == (9, 48, 64, 3)


def test_its_own_check_is_reported_before_anything_is_generated(square, library):
    text = said(lambda: bc.run(bc.sweep("a {pink|red} square"), square, library=library))
    assert "name one of red, green, blue" in text
    assert sweep().check(square) == []


def test_exact_mode_and_batches_give_the_same_bits(square, docs, library, tmp_path):
    plain = digests(bc.run(sweep(), square, library=library).wait(30))
    with bc.library(tmp_path / "exact") as other:
        exact = bc.run(sweep(), square, library=other, exact=True).wait(30)
        assert digests(exact) == plain
        assert exact.clips[0].facts["exact"]
    model = docs["BatchedSquare"]()
    run = bc.run(sweep(), model, library=library).wait(30)
    assert {clip.facts["batch"] for clip in run.clips} == {3}, "six clips in two equal batches"
    assert digests(run) == plain


def test_a_batch_is_filled_up_for_a_model_that_knows_no_pad_to(square):
    shots = [square.resolve(cell.shot) for cell in sweep()]
    found = capabilities.generate(square, shots[:2], pad_to=4)
    assert len(found) == 2
    assert batching_of(square).exact_size(shots[0]) == batching_of(square).at_once == 1


def test_cancelling_stops_it_at_its_next_step(square, library, monkeypatch):
    gate = Gate(square, monkeypatch)
    run = bc.run(sweep(), square, library=library)
    assert gate.reached.wait(30)
    run.cancel()
    gate.open.set()
    run.wait(30)
    assert run.status == "cancelled"
    assert not len(run.clips)
    monkeypatch.undo()
    assert len(run.retry().wait(30).clips) == 6


def test_variations_differ_gradually(square, library):
    clip = bc.run(bc.shot("a red square", seed=3), square, library=library).wait(30).clips[0]
    run = bc.run(bc.vary(clip, 4, strength=0.3), square, library=library).wait(30)
    assert run.clips[0].key == clip.key
    assert len(set(digests(run))) > 2


def test_without_the_capability_a_draft_is_refused_in_plain_words(square, library):
    text = said(lambda: bc.run(sweep(), square, library=library, draft=0.5))
    assert text.startswith(
        "draft: square supports no drafts. Its class needs a method `steps(shot)`"
    )


def test_drafts_are_promoted_to_the_bits_of_whole_clips(draft_square, library, tmp_path):
    drafts = bc.run(sweep(), draft_square, library=library, draft=0.5).wait(30)
    with bc.library(tmp_path / "other") as other:
        complete = digests(bc.run(sweep(), draft_square, library=other).wait(30))
    assert not set(digests(drafts)) & set(complete)
    drafts.clips[1].stars = 5
    promoted = bc.promote(drafts.clips, draft_square).wait(30)
    assert digests(promoted) == complete
    assert promoted.clips[1].stars == 5
    assert promoted.clips[0].facts["resumed_from"] == 2


def test_a_grid_shows_it(square, library):
    run = bc.run(sweep(), square, library=library)
    grid = bw.ClipGrid(run)
    run.wait(30)
    try:
        assert len(grid.shown) == 6
        grid.filter = 'prompt:"red"'
        assert len(grid.shown) in (2, 6)
    finally:
        grid.close()


def test_models_of_ones_own_are_compared_with_others(square, draft_square, library):
    run = bc.run(sweep(1), [square, draft_square], library=library).wait(30)
    assert [clip.shot.model for clip in run.clips] == ["square"] * 3 + ["draft square"] * 3
    assert "square supports no drafts" in said(
        lambda: bc.run(sweep(1), [square, draft_square], library=library, draft=0.5)
    )


def test_the_live_engine_generates_with_it(square):
    from beecam.runs.interactive import CLIP, InteractiveEngine

    shown = []
    engine = InteractiveEngine(square, shown.append, rest=0.01)
    engine.ask(1, bc.shot("a red square"))
    for _ in range(200):
        if any(frame.kind == CLIP for frame in shown):
            break
        import time

        time.sleep(0.02)
    engine.close()
    assert shown[-1].frames.shape == (9, 48, 64, 3)


def test_what_is_missing_or_wrong_is_named(square, library):
    class Half:
        name = "half"

        def generate(self, shots, on_step=None):
            return []

    text = said(lambda: bc.run(sweep(), Half(), library=library))
    assert "it has no revision, check, resolve and no batch_key" in text
    assert "a loaded model is needed" in said(lambda: bc.run(sweep(), "pollen", library=library))
    for wrong, message in (
        ([], "returned 0 clips for 1 shots"),
        ([np.zeros((2, 4, 4, 3), np.uint8)], "returned ndarray of uint8; bc.Generated"),
        ([bc.Generated(np.zeros((2, 4, 4, 3)))], "returned Generated of float64; bc.Generated"),
        ([bc.Generated(np.zeros((4, 4, 3), np.uint8))], "returned frames of shape (4, 4, 3)"),
    ):
        square.generate = lambda shots, on_step=None, wrong=wrong: wrong
        run = bc.run(sweep(1).where(color="red"), square, library=library).wait(30)
        assert message in run.errors[0]
