"""A run stands for its clips: length, indices, loops, the selection of its grid, promotion."""

import io

import pytest

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import open_library
from beecam.errors import BeecamError, CheckError
from beecam.export import notebook
from beecam.runs import progress_bar
from beecam.runs.estimate import Estimate
from beecam.runs.progress import Progress
from beecam.storage.store import ClipStore
from helpers import PATIENCE, Gate, error_message, fill, sweep, use_size


def test_a_run_is_a_sequence_of_its_clips(ltx, library):
    run = bc.run(sweep(), ltx, library=library).wait(PATIENCE)
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
    assert gate.reached.wait(PATIENCE)
    assert len(run) == 0
    assert list(run) == []
    for index in (3, -1):
        with pytest.raises(IndexError, match=r"the run has generated 0 of 4 clips so far; run\.wa"):
            run[index]
    with pytest.raises(IndexError, match=r"clip 4: there are 0"):
        run[4]
    gate.open.set()
    assert len(run.wait(PATIENCE)) == 4


def test_the_selection_is_that_of_the_grid_that_shows_the_run(ltx, library, monkeypatch):
    monkeypatch.setattr(notebook, "_selections", [])
    run = bc.run(sweep(), ltx, library=library).wait(PATIENCE)
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
    assert gate.reached.wait(PATIENCE)
    run.cancel(0)
    gate.open.set()
    run.wait(PATIENCE)
    assert run.selection.keys == (run[1].key,), "cell 0 has no clip, so that cell 2 is clip 1"
    assert dict(run.selection[0].values) == {"insect": "moth", "seed": 0}


def test_promote_takes_a_run_for_its_clips(ltx, library):
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.5).wait(PATIENCE)
    drafts[0].stars = 3
    finished = bc.promote(drafts).wait(PATIENCE)
    assert len(finished) == 2
    assert {clip.shot.draft_steps for clip in finished} == {None}
    assert [clip.shot.prompt for clip in finished] == [clip.shot.prompt for clip in drafts]
    assert [clip.stars for clip in finished] == [3, 0]
    assert bc.promote(drafts[:1]).wait(PATIENCE)[0] == finished[0]


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
    bc.run(sweep(2), ltx, library=library).wait(PATIENCE)
    found = bc.estimate(sweep(4), ltx, library)
    assert (found.cells, found.cached) == (4, 2)
    assert found.seconds > 0
    assert str(found).startswith("4 cells, 2 in the library, 2 to generate: ")
    assert repr(found) == str(found), "as the last line of a notebook cell"
    with pytest.raises(CheckError, match=r"draft=2: a share"):
        bc.estimate(sweep(4), ltx, library, draft=2)
    drafts = bc.estimate(sweep(4), ltx, library, draft=0.5)
    assert (drafts.cells, drafts.cached) == (4, 0), "drafts are other clips"
    usual = bc.estimate(sweep(4), ltx)
    assert (usual.cached, usual.seconds) == (0, None)
    assert "not measured yet" in str(usual)
    open_library().close()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "under 1 s"),
        (0.6, "about 1 s"),
        (80, "about 80 s"),
        (120, "about 2 min"),
        (5400, "about 1.5 h"),
        (7200, "about 2 h"),
        (100_000, "about 28 h"),
        (300_000, "about 3.5 days"),
        (None, "not measured yet"),
    ],
)
def test_an_estimate_is_in_a_unit_that_fits(seconds, words):
    assert str(Estimate(4, 2, seconds)) == f"4 cells, 2 in the library, 2 to generate: {words}"
    assert str(Estimate(4, 4, 0.0)) == "4 cells, 4 in the library, 0 to generate"


def test_a_shot_is_estimated_as_it_is_run(ltx, library):
    shot = bc.shot("a bee", num_inference_steps=2)
    assert bc.estimate(shot, ltx, library).cells == 1
    assert "1 to generate" in str(bc.estimate(shot, ltx, library))


@pytest.mark.parametrize("wrong", ["a bee", 3, None, [], ["a bee"]])
def test_what_is_not_a_sweep_is_named_wherever_one_is_taken(ltx, library, wrong):
    run = bc.run(bc.shot("a bee", num_inference_steps=2), ltx, library=library)
    for call in (
        lambda: bc.run(wrong, ltx, library=library),
        lambda: bc.estimate(wrong, ltx, library),
        lambda: run.with_cells(wrong),
    ):
        assert "a sweep or a shot is needed, as in bc.run(bc.sweep(" in error_message(
            call, CheckError
        )
    for call in (lambda: bc.vary(wrong), lambda: bc.promote(wrong)):
        assert "is needed" in error_message(call, CheckError)


def test_a_run_stands_for_its_clips_in_sums(ltx, library):
    one = bc.run(sweep(2), ltx, library=library).wait(PATIENCE)
    other = bc.run(sweep(4), ltx, library=library).wait(PATIENCE)
    keys = (one.clips + other.clips).keys
    assert len(keys) == 4
    for both in (one + other, one.clips + other, one + other.clips):
        assert both.keys == keys
    for wrong in (3, [one.clips[0]], None):
        with pytest.raises(TypeError):
            one + wrong
        with pytest.raises(TypeError):
            wrong + one


def test_a_run_without_clips_is_true(ltx, library, monkeypatch):
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(2), ltx, library=library)
    assert len(run) == 0
    assert run
    gate.open.set()
    run.wait(PATIENCE)


def test_a_clip_is_found_by_its_cell(ltx, library, monkeypatch):
    bc.run(sweep(4).where(insect="moth", seed=1), ltx, library=library).wait(PATIENCE)
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(4), ltx, library=library)
    assert run.clip(3) == run[0]
    with pytest.raises(IndexError, match=r"cell 2 has no clip, it is (queued|running)"):
        run.clip(2)
    for wrong in (4, -1):
        with pytest.raises(IndexError, match="this run has cells 0 to 3"):
            run.clip(wrong)
    gate.open.set()
    assert run.wait(PATIENCE).clip(2).key == run[2].key
    assert run.clip(3).key == run[3].key


def test_a_clip_that_failed_says_why(ltx, library, monkeypatch):
    monkeypatch.setattr(ltx, "generate", lambda *_, **__: 1 / 0)
    with pytest.warns(
        bc.BeecamWarning, match=r"2 of 2 cells failed: run\.errors .* The first: Zero"
    ):
        run = bc.run(sweep(2), ltx, library=library).wait(PATIENCE)
    assert "2 of 2 cells failed: run.errors has the reasons" in repr(run)
    assert "run.retry()" in repr(run)
    for index in (0, 1, -1):
        with pytest.raises(IndexError, match=r"there are 0.* run\.errors .* run\.clip\(cell\)"):
            run[index]
        with pytest.raises(IndexError, match=r"run\.errors"):
            run.clips[index]
    with pytest.raises(IndexError, match="cell 0 has no clip, it is failed: ZeroDivisionError"):
        run.clip(0)


def test_a_run_has_the_methods_of_its_clips(ltx, library, tmp_path):
    run = bc.run(sweep(4), ltx, library=library).wait(PATIENCE)
    run[1].stars = 3
    assert run.starred.keys == run.clips.starred.keys == (run[1].key,)
    assert len(run.where(insect="bee")) == len(run.query("insect:bee")) == 2
    assert run.keys == run.clips.keys
    assert run.export_html(tmp_path / "run.html").exists()
    assert {name for name in dir(ClipSet) if not name.startswith("_")} <= set(dir(run))
    with pytest.raises(
        AttributeError, match=r"Run has no attribute 'stared'\. Did you mean starred"
    ):
        _ = run.stared


def test_repeated_drafts_are_promoted_once(ltx, library):
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.3).wait(PATIENCE)
    more = bc.run(sweep(2), ltx, library=library, draft=0.6).wait(PATIENCE)
    drafts.clips[0].stars = 4
    promoted = bc.promote(drafts.clips[[0, 0]]).wait(PATIENCE)
    assert [clip.stars for clip in promoted] == [4]
    both = bc.promote(drafts + more + promoted, ltx).wait(PATIENCE)
    assert [clip.key for clip in both][:1] == [clip.key for clip in promoted]
    assert len(both) == 2


def test_promoted_and_extended_sweeps_are_recorded(ltx, library):
    drafts = bc.run(sweep(2), ltx, library=library, draft=0.5, name="few").wait(PATIENCE)
    bc.promote(drafts).wait(PATIENCE)
    assert len(library.sweeps()) == 2
    more = drafts.with_cells(sweep(4)).wait(PATIENCE)
    assert library.sweep("few").clip_keys == tuple(clip.key for clip in more)
    single = bc.run(bc.shot("a bee", num_inference_steps=2), ltx, library=library).wait(PATIENCE)
    single.cancel()
    single.retry()
    assert len(library.sweeps()) == 3, "a single shot is only recorded under a name"


def test_promote_names_a_store_that_is_not_a_library(ltx, library, tmp_path):
    clips = fill(library)
    clips.library = ClipStore(tmp_path / "other")
    message = error_message(lambda: bc.promote(clips, ltx), CheckError)
    assert "isn't an open library; take them from bc.library(folder)" in message


@pytest.mark.parametrize(
    ("terminal", "kernel", "grids", "shown"),
    [
        (True, False, True, True),
        (False, False, False, False),
        (False, True, False, True),
        (False, True, True, False),
    ],
)
def test_waiting_shows_a_bar_where_no_grid_does(monkeypatch, terminal, kernel, grids, shown):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress_bar, "_in_kernel", lambda: kernel)
    monkeypatch.setattr("beecam.export.notebook._registered", {"run": print} if grids else {})
    assert progress_bar.shows_bar() is shown


def test_the_bar_counts_clips(ltx, library, capsys, monkeypatch):
    bc.run(sweep(2), ltx, library=library).wait(PATIENCE)
    assert not capsys.readouterr().err, "no terminal, no bar"
    monkeypatch.setattr(ltx, "generate", _failing_for("moth", ltx.generate))
    watched = []
    monkeypatch.setattr(Progress, "changes", lambda *args: watched.append(args))
    run = bc.run(sweep(6), ltx, library=library)
    run.wait(60, progress=True)
    text = capsys.readouterr().err
    assert "6/6" in text
    assert "3 failed" in text or "2 failed" in text
    assert "clip" in text
    assert not watched, "a bar makes no previews"
    run.wait(progress=True)
    assert not capsys.readouterr().err, "the run has ended"


def test_a_bar_ends_with_the_time_or_by_the_stop_button(ltx, library, monkeypatch, capsys):
    gate = Gate(ltx, monkeypatch)
    run = bc.run(sweep(2), ltx, library=library)
    with pytest.raises(TimeoutError, match=r"not finished after 0\.3 s"):
        run.wait(0.3, progress=True)
    assert "0/2" in capsys.readouterr().err

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(progress_bar, "_update", stop)
        with pytest.raises(KeyboardInterrupt):
            run.wait(progress=True)
    assert run.status == "cancelled"
    gate.open.set()


def _failing_for(word, generate):
    def failing(shots, *args, **more):
        if any(word in shot.text for shot in shots):
            raise ValueError(word)
        return generate(shots, *args, **more)

    return failing
