"""The Python side of the grid, with a recorded comm instead of a browser."""

import threading
import time

import numpy as np
import pytest
from drawn import DrawnModel
from page import Page

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError
from beecam_widgets import limits


def test_a_finished_run_says_all_and_sends_what_is_asked_for(show, finished):
    run = finished
    page = Page(show(run)).begin(visible=range(12), want=[3, 4])
    page.wait_for(lambda: sorted(page.sheets()) == [3, 4])
    head, (coords,) = page.heard("cells")[0]
    assert [a["name"] for a in head["axes"]] == ["insect", "place", "seed"]
    assert np.frombuffer(coords, np.int32).reshape(12, 3)[7].tolist() == [1, 0, 1]
    assert head["aspect"] == 64 / 96
    states = [cell for content, _ in page.heard("state") for cell in content["cells"]]
    assert {cell[1] for cell in states} == {"done"}
    content, buffers = page.heard("sheets")[0]
    item = content["items"][0]
    assert item["prompt"] == "a bee over ice"
    assert buffers[item["sheet"]["at"]] == run.clips[3].sheet_bytes()
    page.say("see", visible=[5], want=[5], awake=True)
    page.wait_for(lambda: 5 in page.sheets())


def test_clips_that_are_made_while_watched_come_by_themselves(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    page = Page(show(run)).begin(visible=range(12))
    page.wait_for(lambda: sorted(page.sheets()) == list(range(12)))
    assert run.finished
    previews = [p for content, _ in page.heard("state") for p in content["previews"]]
    assert previews, "somebody is watching, so that there are previews"
    page.wait_for(lambda: page.heard("state")[-1][0]["run"]["status"] == "done")


def test_nobody_watching_means_no_messages_and_no_previews(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    grid = show(run)
    run.wait()
    time.sleep(0.3)
    assert not [m for m in grid.comm.sent if m[1] == "comm_msg"]


@pytest.mark.slow
def test_messages_stay_small_and_few(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets.messages.MAX_BYTES", 60_000)
    monkeypatch.setattr("beecam_widgets.messages.SHEETS_BYTES", 60_000)
    sweep = bc.sweep("a bee", seed=range(60))
    run = bc.run(sweep, DrawnModel(0.001, batch=8), library=library)
    grid = show(run)
    page = Page(grid).begin(visible=range(60))
    for i in range(40):
        page.say("rate", cells=[i], stars=1)
    page.wait_for(lambda: sorted(page.sheets()) == list(range(60)), 30)
    times = [m[0] for m in grid.comm.sent if m[1] == "comm_msg"]
    for i, start in enumerate(times):
        assert sum(start <= t < start + 0.999 for t in times[i:]) <= limits.MAX_PER_SECOND
    for _, _, _, buffers in grid.comm.sent:
        assert sum(map(len, buffers)) <= 60_000


@pytest.mark.slow
def test_a_page_that_never_answers_slows_only_itself(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets.messages.SHEETS_BYTES", 30_000)
    run = bc.run(bc.sweep("a bee", seed=range(12)), DrawnModel(), library=library).wait()
    grid = show(run)
    mute = Page(grid, "mute", answers=False).begin(visible=range(12), want=range(12))
    page = Page(grid, "alive").begin(visible=range(12), want=range(12))
    page.wait_for(lambda: sorted(page.sheets()) == list(range(12)))
    assert len(mute.heard("sheets")) <= limits.MAX_UNACKNOWLEDGED
    mute.wait_for(lambda: len(mute.heard("sheets")) > limits.MAX_UNACKNOWLEDGED)


def test_a_late_page_knows_all(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    grid = show(run)
    Page(grid, "first").begin(visible=[0])
    run.wait()
    late = Page(grid, "late").begin(visible=[2], want=[2])
    late.wait_for(lambda: 2 in late.sheets())
    states = {c[0]: c[1] for content, _ in late.heard("state") for c in content["cells"]}
    assert states == dict.fromkeys(range(12), "done")


def test_marks_are_written_and_come_back_to_every_page(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    grid = show(run)
    page = Page(grid, "a").begin(visible=[0, 1], want=[0, 1])
    other = Page(grid, "b").begin(visible=[0, 1], want=[0, 1])
    page.wait_for(lambda: 1 in page.sheets())
    page.say("rate", cells=[1], stars=4)
    page.say("rate", cells=[0], rejected=True)
    marks = lambda: {tuple(c[:3]) for content, _ in other.heard("marks") for c in content["cells"]}  # noqa: E731
    other.wait_for(lambda: {(1, 4, False), (0, 0, True)} <= marks())
    assert run.clips[1].stars == 4
    # A page that has pressed again knows from it which of its presses an answer knows of.
    page.say("rate", cells=[1], stars=4, turn=7)
    other.wait_for(lambda: other.heard("marks")[-1][0]["heard"] == {"a": 7})
    run.clips[1].stars = 2  # by code: seen within two seconds
    other.wait_for(lambda: (1, 2, False) in marks(), 3)
    page.say("rate", cells=[1], stars=9)
    page.wait_for(
        lambda: "stars=9" in page.heard("problem")[-1][0]["text"] if page.heard("problem") else None
    )
    assert run.clips[1].stars == 2


def test_pause_go_on_stop_and_make_the_rest(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05, batch=1), library=library)
    grid = show(run)
    page = Page(grid).begin(visible=range(12))
    page.say("run", do="pause")
    page.wait_for(lambda: run.status == "paused")
    page.say("run", do="drop", cell=11)
    page.wait_for(lambda: run.changes().cells[11].status == "cancelled")
    page.say("run", do="run")
    page.wait_for(page.sheets)
    page.say("run", do="stop")
    page.wait_for(lambda: run.finished)
    made = len(run.clips)
    assert made < 12
    page.say("run", do="run")
    page.wait_for(lambda: grid.run is not run)
    grid.run.wait()
    assert len(grid.clips) == 12
    page.wait_for(lambda: len(page.heard("cells")) == 2)
    assert page.heard("cells")[0][0]["token"] == page.heard("cells")[1][0]["token"]


def test_an_error_is_told_and_the_rest_goes_on(show, sweep, library):
    run = bc.run(sweep, DrawnModel(batch=3, broken="ice"), library=library).wait()
    page = Page(show(run)).begin(visible=range(12), want=range(12))
    cells = {c[0]: c for content, _ in page.heard("state") for c in content["cells"]}
    assert cells[3][1] == "failed"
    assert "<b>ice</b>" in cells[3][4]
    page.wait_for(lambda: {0, 1, 2, 6, 7, 8} <= set(page.sheets()))


def test_lost_media_is_a_sentence_not_a_hole(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    clips = run.clips
    library.sheet_path(clips[2].key).unlink()
    library.mp4_path(clips[3].key).unlink()
    library.mp4_path(clips[4].key).write_bytes(clips[4].mp4_bytes()[:-500])
    page = Page(show(clips)).begin(visible=range(12), want=range(12))
    page.wait_for(lambda: len(page.sheets()) == 12)
    items = {i["i"]: i for content, _ in page.heard("sheets") for i in content["items"]}
    assert "missing" in items[2]["problem"]
    page.say("detail", cell=3)
    page.wait_for(lambda: page.heard("detail"))
    missing = page.heard("detail")[0][0]
    assert missing["code"].startswith("bc.shot('a bee over ice'")
    assert ("missing" in missing["problem"], missing["parts"]) == (True, 0)
    page.say("detail", cell=4)
    page.wait_for(lambda: len(page.heard("detail")) > 1)
    assert "cut off" in page.heard("detail")[1][0]["problem"]


def test_the_large_view_gets_the_whole_file_in_parts(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets.messages.MAX_BYTES", 1_000)
    run = bc.run(bc.sweep("a bee", seed=range(2)), DrawnModel(), library=library).wait()
    page = Page(show(run)).begin()
    page.say("detail", cell=1)
    page.wait_for(
        lambda: page.heard("mp4") and len(page.heard("mp4")) == page.heard("mp4")[0][0]["parts"]
    )
    data = b"".join(buffers[0] for _, buffers in page.heard("mp4"))
    assert data == run.clips[1].path.read_bytes()
    detail = page.heard("detail")[0][0]
    assert ["seed", "1"] in detail["arguments"]


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "nonsense"},
        {"kind": ["see"]},
        {"kind": "see"},
        {"kind": "run", "do": "explode"},
        {"kind": "rate", "cells": "all", "stars": 3},
        {"kind": "rate", "cells": [99], "stars": 3},
        {"kind": "detail", "cell": -4},
        {"kind": "ack", "id": "x"},
        {"kind": "see", "visible": [True, 2.5, None, "1"], "want": [10**9]},
        {"kind": "__class__"},
        {"kind": "show", "source": 3},
    ],
)
def test_odd_messages_do_no_harm(show, finished, content):
    run = finished
    page = Page(show(run)).begin()
    page.say(**content)
    page.say("see", visible=[1], want=[1], awake=True)
    page.wait_for(lambda: 1 in page.sheets())
    assert all(clip.stars == 0 for clip in run.clips)


def test_what_was_done_by_hand_is_a_value(show, finished):
    run = finished
    grid = show(run, rows="seed")
    assert grid.rows == ["seed"]
    grid.columns = "insect"
    assert grid.columns == ["insect"]
    grid.columns = ()
    assert grid.current is None
    assert len(grid.selection) == 0
    grid.set_state({"_selected": [2, 0], "_current": 7, "size": 96})
    assert [c.key for c in grid.selection] == [run.clips[0].key, run.clips[2].key]
    assert grid.current == run.clips[7]
    view = grid.view
    assert view == {
        "rows": ["seed"],
        "columns": [],
        "fixed": {},
        "size": 96,
        "playing": True,
        "speed": 1.0,
        "filter": "",
        "sort": "",
        "current": 7,
        "selected": [2, 0],
    }
    grid.selection = run.clips[:3]
    grid.current = None
    assert grid._selected == [0, 1, 2]
    grid.view = view
    assert grid.view == view
    assert grid.selection.axes == run.sweep.axes


def test_a_view_that_is_refused_changes_nothing(show, finished):
    grid = show(finished, rows="seed")
    before = grid.view
    with pytest.raises(BeecamError, match="no such axis"):
        grid.view = {"rows": ["zzz"], "size": 100}
    with pytest.raises(BeecamError, match="rows or columns, not both"):
        grid.view = {"rows": ["insect"], "columns": ["insect"]}
    with pytest.raises(BeecamError, match="not both"):
        grid.columns = "seed"
    with pytest.raises(BeecamError, match="not both"):
        show(finished, rows="seed", columns=["insect", "seed"])
    assert grid.view == before
    grid.view = {"rows": ["insect"], "columns": ["seed"]}
    grid.view = {"rows": ["seed"], "columns": ["insect"]}
    assert (grid.rows, grid.columns) == (["seed"], ["insect"])


def test_what_it_shows_is_known_at_once(show, finished, library):
    grid = show(finished, rows="seed")
    other = bc.run(bc.sweep("a {place}", place=["dunes", "sea"]), DrawnModel(), library=library)
    grid.show(other)
    assert grid.run is other
    assert grid.rows == []
    grid.rows = "place"
    other.wait(30)
    assert len(grid.clips) == len(other.clips) == 2


def test_unknown_names_get_the_nearest(show, finished):
    run = finished
    with pytest.raises(BeecamError, match=r"rows='insekt'.*insect"):
        show(run, rows="insekt")
    grid = show(run)
    with pytest.raises(BeecamError, match=r"columns='sead'.*seed"):
        grid.columns = ["sead"]
    with pytest.raises(BeecamError, match=r"'colums'.*columns"):
        grid.view = {"colums": ["seed"]}
    with pytest.raises(BeecamError, match="0 to 11"):
        grid.current = 12
    with pytest.raises(TypeError, match="Run or a ClipSet"):
        show([1, 2])
    with pytest.raises(TypeError):
        show(run, row="seed")


def test_closing_ends_the_thread_and_the_talk(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    grid = show(run)
    page = Page(grid).begin(visible=range(12))
    said = grid.comm.sent
    grid.close()
    time.sleep(0.3)
    before = len(said)
    run.wait()
    time.sleep(0.3)
    assert len(said) == before
    assert not page.grid._publisher._thread.is_alive()


def test_the_thread_ends_when_nobody_looks_and_comes_back(show, finished, monkeypatch):
    run = finished
    grid = show(run)
    page = Page(grid).begin(visible=[0], want=[0])
    page.wait_for(lambda: 0 in page.sheets())
    thread = grid._publisher._thread
    page.say("bye")
    page.wait_for(lambda: not thread.is_alive())
    page.begin(visible=[1], want=[1])
    page.wait_for(lambda: 1 in page.sheets())
    monkeypatch.setattr(limits, "CLIENT_SECONDS", 0.2)  # a page that was closed without a word
    thread = grid._publisher._thread
    page.wait_for(lambda: not thread.is_alive())


@pytest.mark.slow
def test_a_page_that_slept_is_told_what_it_missed(show, sweep, library, monkeypatch):
    monkeypatch.setattr(limits, "CLIENT_SECONDS", 0.3)
    run = bc.run(sweep, DrawnModel(0.05, batch=1), library=library)
    page = Page(show(run)).begin(visible=range(12))
    run.wait()
    time.sleep(0.6)
    before = len(page.heard())
    page.say("ping", awake=True)
    news = lambda: page.heard()[before:]  # noqa: E731
    page.wait_for(lambda: [m for m, _ in news() if m["kind"] == "state"])
    assert {c[1] for m, _ in news() if m["kind"] == "state" for c in m["cells"]} == {"done"}


def test_many_pages_and_marks_at_once_lose_nothing(show, library):
    run = bc.run(bc.sweep("a bee", seed=range(24)), DrawnModel(0.01), library=library)
    grid = show(run)
    pages = [Page(grid, f"page{n}") for n in range(3)]

    def use(page):
        page.begin(visible=range(24))
        page.wait_for(lambda: sorted(set(page.sheets())) == list(range(24)), 40)

    threads = [threading.Thread(target=use, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for page in pages:
        last = {c[0]: c[1] for content, _ in page.heard("state") for c in content["cells"]}
        assert last == dict.fromkeys(range(24), "done")


def test_traits_stay_small(show, library):
    prompts = [f"{'a bee over a very long meadow ' * 40}{i}" for i in range(60)]
    run = bc.run(bc.sweep(prompts, seed=range(10)), DrawnModel(), library=library)
    grid = show(run)
    state = {k: v for k, v in grid.get_state().items() if k not in ("_esm", "_css")}
    run.cancel()
    assert len(str(state)) < 2_000
    assert len(grid._esm) + len(grid._css) < 100_000
    page = Page(grid).begin()
    head, (coords,) = page.heard("cells")[0]
    assert len(str(head)) + len(coords) < 100_000


def test_thousands_of_failures_stay_in_small_messages():
    from beecam.runs.progress import CellState, RunState
    from beecam_widgets.messages import state_messages

    run = RunState("running", {"failed": 5_000}, 5_000)
    cells = [CellState(i, f"k{i}", "failed", error="no paint " * 500) for i in range(5_000)]
    said = list(state_messages(run, cells, frozenset()))
    assert [cell[0] for content, _ in said for cell in content["cells"]] == list(range(5_000))
    assert max(len(str(content)) for content, _ in said) < limits.MAX_BYTES
    assert len(list(state_messages(run, [], frozenset()))) == 1


def test_a_sweep_of_a_hundred_thousand_is_still_a_small_head(library):
    from beecam_widgets.messages import head_message
    from beecam_widgets.source import ClipsSource

    axis = bc.Axis("prompt", tuple(f"a bee {'over a meadow ' * 20}{i}" for i in range(50_000)))
    clips = ClipSet(
        library,
        [str(i) for i in range(50_000)],
        axes=[axis],
        coords=[{"prompt": i} for i in range(50_000)],
    )
    content, buffers = head_message(ClipsSource(clips), 1)
    assert len(str(content)) + len(buffers[0]) < limits.MAX_BYTES
