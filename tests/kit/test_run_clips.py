"""A run stands for its clips: length, indices, loops, the selection of its grid, promotion."""

import pytest

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import open_library
from beecam.errors import BeecamError, CheckError
from beecam.export import notebook
from helpers import Gate, error_message, fill, sweep, use_size


def test_a_run_is_a_sequence_of_its_clips(ltx, library):
    run = bc.run(sweep(), ltx, library=library).wait(60)
    assert len(run) == 4
    assert run[3] == run.clips[3]
    assert (run[3]["insect"], run[-1]["seed"]) == ("moth", 1)
    assert isinstance(run[:2], ClipSet)
    assert run[:2].keys == run.clips.keys[:2]
    assert run[[0, 2]].keys == (run.clips.keys[0], run.clips.keys[2])
    assert run[[False, True, False, False]].keys == (run.clips.keys[1],)
    assert [clip.key for clip in run] == list(run.clips.keys)
    assert [clip["insect"] for clip in run] == ["bee", "bee", "moth", "moth"]
    with pytest.raises(IndexError, match=r"clip 4: there are 4, counted from 0"):
        run[4]
    with pytest.raises(KeyError, match=r"clips\.query\('bee'\)"):
        run["bee"]


def test_a_clip_that_is_not_generated_yet_is_named(ltx, library, monkeypatch):
    use_size(ltx, 1)
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(30)
    assert len(run) == 0
    assert list(run) == []
    for index in (3, -1):
        with pytest.raises(IndexError, match=r"the run has generated 0 of 4 clips so far; run\.wa"):
            run[index]
    with pytest.raises(IndexError, match=r"clip 4: there are 0"):
        run[4]
    gate.open.set()
    assert len(run.wait(60)) == 4


def test_the_selection_is_that_of_the_grid_that_shows_the_run(ltx, library, monkeypatch):
    monkeypatch.setattr(notebook, "_selections", [])
    run = bc.run(sweep(), ltx, library=library).wait(60)
    message = error_message(lambda: run.selection, BeecamError)
    assert "run.selection: no grid shows this run" in message
    assert "import beecam_widgets" in message
    requested = []
    notebook.register(selection=lambda one: requested.append(one) or [3, 1])
    assert run.selection.keys == (run.clips.keys[1], run.clips.keys[3])
    assert run.selection[1]["insect"] == "moth"
    assert requested[0] is run
    notebook.register(selection=lambda _one: [])
    assert len(run.selection) == 0
    notebook.register(selection=lambda _one: None)
    assert "no grid shows this run" in error_message(lambda: run.selection, BeecamError)
    notebook.register(run=None)
    assert notebook.selected_cells(run) is None


def test_the_selection_counts_cells_and_not_clips(ltx, library, monkeypatch):
    monkeypatch.setattr(notebook, "_selections", [lambda _run: [0, 2]])
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(), ltx, library=library)
    assert gate.reached.wait(30)
    run.cancel(0)
    gate.open.set()
    run.wait(60)
    assert run.selection.keys == (run[1].key,), "cell 0 has no clip, so that cell 2 is clip 1"
    assert dict(run.selection[0].values) == {"insect": "moth", "seed": 0}


def test_promote_takes_a_run_for_its_clips(ltx, library):
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.5).wait(60)
    drafts[0].stars = 3
    finished = bc.promote(drafts).wait(60)
    assert len(finished) == 2
    assert {clip.shot.draft_steps for clip in finished} == {None}
    assert [clip.shot.prompt for clip in finished] == [clip.shot.prompt for clip in drafts]
    assert [clip.stars for clip in finished] == [3, 0]
    assert bc.promote(drafts[:1]).wait(60)[0] == finished[0]


def test_promote_names_what_is_no_set_of_drafts(ltx, library):
    for wrong in (3, None, [], "run", fill(library)[0]):
        message = error_message(lambda w=wrong: bc.promote(w), CheckError)
        assert "a set of drafts is needed, as in bc.promote(run.clips.starred)" in message
    assert "there are no clips" in error_message(
        lambda: bc.promote(fill(library)[:0], ltx), CheckError
    )
    assert "bc.promote(clips, model)" in error_message(
        lambda: bc.promote(fill(library)), CheckError
    )
    assert "exact=3" in error_message(lambda: bc.promote(fill(library), ltx, exact=3), CheckError)


@pytest.mark.parametrize("wrong", ["bees", 3, [], ("a",), object()])
def test_estimate_names_a_wrong_library(ltx, wrong):
    message = error_message(lambda: bc.estimate(bc.sweep("a bee"), ltx, wrong), CheckError)
    assert "library=" in message
    assert "an open library is needed, as in library=bc.library('bees')" in message


def test_estimate_counts_what_its_library_has(ltx, library, tmp_path, monkeypatch):
    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "usual"))
    bc.run(sweep(2), ltx, library=library).wait(60)
    found = bc.estimate(sweep(4), ltx, library)
    assert (found.cells, found.cached) == (4, 2)
    assert found.seconds > 0
    assert str(found).startswith("4 cells, 2 in the library, 2 to generate: about ")
    usual = bc.estimate(sweep(4), ltx)
    assert (usual.cached, usual.seconds) == (0, None)
    assert "not measured yet" in str(usual)
    open_library().close()
