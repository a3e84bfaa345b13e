"""The Python half of the grid, with a recording comm instead of a browser."""

import threading
import time
import warnings

import numpy as np
import pytest
from drawn import DrawnModel
from front_end import FrontEnd

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError
from beecam.models.model import Note
from beecam.runs.progress import CellState, RunState
from beecam_widgets._clips import client
from beecam_widgets._clips.cell_source import ClipSetSource, RunSource
from beecam_widgets._clips.messages import cells_message, state_messages
from beecam_widgets._notebook import flow_control
from helpers import PATIENCE


def test_finished_run_sends_state_and_requested_sheets(show, finished):
    run = finished
    front_end = FrontEnd(show(run)).open(visible=range(12), requested=[3, 4])
    front_end.wait_for(lambda: sorted(front_end.sheets()) == [3, 4])
    head, (coords,) = front_end.received("cells")[0]
    assert [a["name"] for a in head["axes"]] == ["insect", "place", "seed"]
    assert np.frombuffer(coords, np.int32).reshape(12, 3)[7].tolist() == [1, 0, 1]
    assert head["aspect"] == 64 / 96
    states = [cell for content, _ in front_end.received("state") for cell in content["cells"]]
    assert {cell[1] for cell in states} == {"done"}
    content, buffers = front_end.received("sheets")[0]
    item = content["items"][0]
    assert item["prompt"] == "a bee over ice"
    assert buffers[item["sheet"]["buffer"]] == run.clips[3].sheet_bytes()
    front_end.send("viewport", visible=[5], requested=[5], awake=True)
    front_end.wait_for(lambda: 5 in front_end.sheets())


def test_visible_clips_are_sent_without_a_request(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    front_end = FrontEnd(show(run)).open(visible=range(12))
    front_end.wait_for(lambda: sorted(front_end.sheets()) == list(range(12)))
    assert run.finished
    previews = [p for content, _ in front_end.received("state") for p in content["previews"]]
    assert previews, "a visible front end gets previews"
    front_end.wait_for(lambda: front_end.received("state")[-1][0]["run"]["status"] == "done")


def test_without_a_front_end_nothing_is_sent(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    grid = show(run)
    run.wait()
    time.sleep(0.3)
    assert not [m for m in grid.comm.sent if m[1] == "comm_msg"]


@pytest.mark.slow
def test_messages_are_limited_in_size_and_rate(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets._clips.messages.MAX_BYTES", 60_000)
    monkeypatch.setattr("beecam_widgets._clips.messages.SHEETS_BYTES", 60_000)
    sweep = bc.sweep("a bee", seed=range(60))
    run = bc.run(sweep, DrawnModel(0.001, batch=8), library=library)
    grid = show(run)
    front_end = FrontEnd(grid).open(visible=range(60))
    for i in range(40):
        front_end.send("annotate", cells=[i], stars=1)
    front_end.wait_for(lambda: sorted(front_end.sheets()) == list(range(60)), 30)
    times = [m[0] for m in grid.comm.sent if m[1] == "comm_msg"]
    for i, start in enumerate(times):
        assert sum(start <= t < start + 0.999 for t in times[i:]) <= flow_control.MAX_PER_SECOND
    for _, _, _, buffers in grid.comm.sent:
        assert sum(map(len, buffers)) <= 60_000


@pytest.mark.slow
def test_silent_front_end_delays_only_itself(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets._clips.messages.SHEETS_BYTES", 30_000)
    run = bc.run(bc.sweep("a bee", seed=range(12)), DrawnModel(), library=library).wait()
    grid = show(run)
    mute = FrontEnd(grid, "mute", answers=False).open(visible=range(12), requested=range(12))
    front_end = FrontEnd(grid, "alive").open(visible=range(12), requested=range(12))
    front_end.wait_for(lambda: sorted(front_end.sheets()) == list(range(12)))
    assert len(mute.received("sheets")) <= client.MAX_UNACKNOWLEDGED
    mute.wait_for(lambda: len(mute.received("sheets")) > client.MAX_UNACKNOWLEDGED)


def test_late_front_end_gets_the_whole_state(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    grid = show(run)
    FrontEnd(grid, "first").open(visible=[0])
    run.wait()
    late = FrontEnd(grid, "late").open(visible=[2], requested=[2])
    late.wait_for(lambda: 2 in late.sheets())
    states = {c[0]: c[1] for content, _ in late.received("state") for c in content["cells"]}
    assert states == dict.fromkeys(range(12), "done")


def test_annotations_are_stored_and_sent_to_all_front_ends(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    grid = show(run)
    front_end = FrontEnd(grid, "a").open(visible=[0, 1], requested=[0, 1])
    other = FrontEnd(grid, "b").open(visible=[0, 1], requested=[0, 1])
    front_end.wait_for(lambda: 1 in front_end.sheets())
    front_end.send("annotate", cells=[1], stars=4)
    front_end.send("annotate", cells=[0], rejected=True)

    def annotations():
        messages = other.received("annotations")
        return {tuple(c[:3]) for content, _ in messages for c in content["cells"]}

    other.wait_for(lambda: {(1, 4, False), (0, 0, True)} <= annotations())
    assert run.clips[1].stars == 4
    # The number tells a front end which of its clicks the answer includes.
    front_end.send("annotate", cells=[1], stars=4, turn=7)
    other.wait_for(lambda: other.received("annotations")[-1][0]["turns"] == {"a": 7})
    run.clips[1].stars = 2  # by code: noticed within two seconds
    other.wait_for(lambda: (1, 2, False) in annotations(), 3)
    front_end.send("annotate", cells=[1], stars=9)
    front_end.wait_for(
        lambda: (
            "stars=9" in front_end.received("problem")[-1][0]["text"]
            if front_end.received("problem")
            else None
        )
    )
    assert run.clips[1].stars == 2


@pytest.mark.slow
def test_pause_resume_stop_and_retry(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05, batch=1), library=library)
    grid = show(run)
    front_end = FrontEnd(grid).open(visible=range(12))
    front_end.send("run", action="pause")
    front_end.wait_for(lambda: run.status == "paused")
    front_end.send("run", action="skip", cell=11)
    front_end.wait_for(lambda: run.changes().cells[11].status == "cancelled")
    front_end.send("run", action="run")
    front_end.wait_for(front_end.sheets)
    front_end.send("run", action="stop")
    front_end.wait_for(lambda: run.finished)
    assert len(run.clips) < 12
    front_end.send("run", action="run")
    front_end.wait_for(lambda: grid.run is not run)
    grid.run.wait()
    assert len(grid.clips) == 12
    front_end.wait_for(lambda: len(front_end.received("cells")) == 2)
    assert front_end.received("cells")[0][0]["token"] == front_end.received("cells")[1][0]["token"]


def test_error_of_a_cell_is_reported_and_others_continue(show, sweep, library):
    run = bc.run(sweep, DrawnModel(batch=3, broken="ice"), library=library).wait()
    front_end = FrontEnd(show(run)).open(visible=range(12), requested=range(12))
    cells = {c[0]: c for content, _ in front_end.received("state") for c in content["cells"]}
    assert cells[3][1] == "failed"
    assert "<b>ice</b>" in cells[3][4]
    front_end.wait_for(lambda: {0, 1, 2, 6, 7, 8} <= set(front_end.sheets()))


def test_lost_media_is_reported_as_a_problem(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    clips = run.clips
    library.sheet_path(clips[2].key).unlink()
    library.mp4_path(clips[3].key).unlink()
    library.mp4_path(clips[4].key).write_bytes(clips[4].mp4_bytes()[:-500])
    front_end = FrontEnd(show(clips)).open(visible=range(12), requested=range(12))
    front_end.wait_for(lambda: len(front_end.sheets()) == 12)
    items = {i["i"]: i for content, _ in front_end.received("sheets") for i in content["items"]}
    assert "missing" in items[2]["problem"]
    front_end.send("detail", cell=3)
    front_end.wait_for(lambda: front_end.received("detail"))
    missing = front_end.received("detail")[0][0]
    assert missing["code"].startswith("bc.shot('a bee over ice'")
    assert ("missing" in missing["problem"], missing["parts"]) == (True, 0)
    front_end.send("detail", cell=4)
    front_end.wait_for(lambda: len(front_end.received("detail")) > 1)
    assert "cut off" in front_end.received("detail")[1][0]["problem"]


def test_mp4_is_sent_in_parts(show, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets._clips.messages.MAX_BYTES", 1_000)
    run = bc.run(bc.sweep("a bee", seed=range(2)), DrawnModel(), library=library).wait()
    front_end = FrontEnd(show(run)).open()
    front_end.send("detail", cell=1)
    front_end.wait_for(
        lambda: (
            front_end.received("mp4")
            and len(front_end.received("mp4")) == front_end.received("mp4")[0][0]["parts"]
        )
    )
    data = b"".join(buffers[0] for _, buffers in front_end.received("mp4"))
    assert data == run.clips[1].path.read_bytes()
    detail = front_end.received("detail")[0][0]
    assert ["seed", "1"] in detail["arguments"]


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "nonsense"},
        {"kind": ["viewport"]},
        {"kind": "viewport"},
        {"kind": "run", "action": "explode"},
        {"kind": "annotate", "cells": "all", "stars": 3},
        {"kind": "annotate", "cells": [99], "stars": 3},
        {"kind": "detail", "cell": -4},
        {"kind": "ack", "id": "x"},
        {"kind": "viewport", "visible": [True, 2.5, None, "1"], "requested": [10**9]},
        {"kind": "__class__"},
        {"kind": "show", "source": 3},
    ],
)
def test_invalid_messages_do_no_harm(show, finished, content):
    run = finished
    front_end = FrontEnd(show(run)).open()
    front_end.send(**content)
    front_end.send("viewport", visible=[1], requested=[1], awake=True)
    front_end.wait_for(lambda: 1 in front_end.sheets())
    assert all(clip.stars == 0 for clip in run.clips)


def test_manual_changes_are_readable_attributes(show, finished):
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


def test_rejected_view_changes_nothing(show, finished):
    grid = show(finished, rows="seed")
    before = grid.view
    with pytest.raises(BeecamError, match="unknown axis"):
        grid.view = {"rows": ["zzz"], "size": 100}
    with pytest.raises(BeecamError, match="in rows or in columns, not in both"):
        grid.view = {"rows": ["insect"], "columns": ["insect"]}
    with pytest.raises(BeecamError, match="not in both"):
        grid.columns = "seed"
    with pytest.raises(BeecamError, match="not in both"):
        show(finished, rows="seed", columns=["insect", "seed"])
    assert grid.view == before
    grid.view = {"rows": ["insect"], "columns": ["seed"]}
    grid.view = {"rows": ["seed"], "columns": ["insect"]}
    assert (grid.rows, grid.columns) == (["seed"], ["insect"])


def test_show_takes_effect_at_once(show, finished, library):
    grid = show(finished, rows="seed")
    other = bc.run(bc.sweep("a {place}", place=["dunes", "sea"]), DrawnModel(), library=library)
    grid.show(other)
    assert grid.run is other
    assert grid.rows == []
    grid.rows = "place"
    other.wait(PATIENCE)
    assert len(grid.clips) == len(other.clips) == 2


def test_unknown_names_suggest_the_nearest(show, finished):
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
    with pytest.raises(BeecamError, match="Did you mean rows"):
        show(run, row="seed")


@pytest.mark.slow
def test_close_ends_thread_and_messages(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    grid = show(run)
    front_end = FrontEnd(grid).open(visible=range(12))
    sent = grid.comm.sent
    grid.close()
    time.sleep(0.3)
    before = len(sent)
    run.wait()
    time.sleep(0.3)
    assert len(sent) == before
    assert not front_end.widget._publisher._thread.is_alive()


def test_thread_ends_without_front_ends_and_restarts(show, finished, monkeypatch):
    run = finished
    grid = show(run)
    front_end = FrontEnd(grid).open(visible=[0], requested=[0])
    front_end.wait_for(lambda: 0 in front_end.sheets())
    thread = grid._publisher._thread
    front_end.send("bye")
    front_end.wait_for(lambda: not thread.is_alive())
    front_end.open(visible=[1], requested=[1])
    front_end.wait_for(lambda: 1 in front_end.sheets())
    monkeypatch.setattr(client, "CLIENT_SECONDS", 0.2)  # closed without a goodbye
    thread = grid._publisher._thread
    front_end.wait_for(lambda: not thread.is_alive())


@pytest.mark.slow
def test_suspended_front_end_gets_missed_changes(show, sweep, library, monkeypatch):
    monkeypatch.setattr(client, "CLIENT_SECONDS", 0.3)
    run = bc.run(sweep, DrawnModel(0.05, batch=1), library=library)
    front_end = FrontEnd(show(run)).open(visible=range(12))
    run.wait()
    time.sleep(0.6)
    before = len(front_end.received())
    front_end.send("ping", awake=True)
    new = lambda: front_end.received()[before:]  # noqa: E731
    front_end.wait_for(lambda: [m for m, _ in new() if m["kind"] == "state"])
    assert {c[1] for m, _ in new() if m["kind"] == "state" for c in m["cells"]} == {"done"}


@pytest.mark.slow
def test_concurrent_front_ends_lose_nothing(show, library):
    run = bc.run(bc.sweep("a bee", seed=range(24)), DrawnModel(0.01), library=library)
    grid = show(run)
    front_ends = [FrontEnd(grid, f"page{n}") for n in range(3)]

    def use(front_end):
        front_end.open(visible=range(24))
        front_end.wait_for(lambda: sorted(set(front_end.sheets())) == list(range(24)), 40)

    threads = [threading.Thread(target=use, args=(front_end,)) for front_end in front_ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for front_end in front_ends:
        last = {c[0]: c[1] for content, _ in front_end.received("state") for c in content["cells"]}
        assert last == dict.fromkeys(range(24), "done")


def test_traits_are_small(show, library):
    prompts = [f"{'a bee over a very long meadow ' * 40}{i}" for i in range(60)]
    run = bc.run(bc.sweep(prompts, seed=range(10)), DrawnModel(), library=library)
    grid = show(run)
    state = {k: v for k, v in grid.get_state().items() if k not in ("_esm", "_css")}
    run.cancel()
    assert len(str(state)) < 2_000
    assert len(grid._esm) + len(grid._css) < 118_000
    front_end = FrontEnd(grid).open()
    head, (coords,) = front_end.received("cells")[0]
    assert len(str(head)) + len(coords) < 100_000


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (20, 20), (21, 21), (500, 21)])
def test_notes_of_a_run_are_sent_as_sentences(library, count, shown):
    class Noted(DrawnModel):
        def known_words(self):
            return ("bee",)

        def notes(self, shots):
            return [Note("prompt", f"{'long ' * 900}{i}", ("x",)) for i in range(count)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bc.BeecamWarning)
        run = bc.run(bc.sweep("a bee", seed=[1]), Noted(), library=library).wait()
    notes = cells_message(RunSource(run), 1)[0]["notes"]
    assert len(notes) == shown
    assert all(isinstance(note, str) and len(note) <= 2_000 for note in notes)
    if count > 20:
        assert notes[-1] == f"run.notes has {count - 20} more note{'s' * (count > 21)}."
    assert cells_message(ClipSetSource(run.clips), 1)[0]["notes"] == []


def test_thousands_of_errors_are_split_into_small_messages():
    run = RunState("running", {"failed": 5_000}, 5_000)
    cells = [CellState(i, f"k{i}", "failed", error="no colour " * 500) for i in range(5_000)]
    messages = list(state_messages(run, cells, frozenset()))
    assert [cell[0] for content, _ in messages for cell in content["cells"]] == list(range(5_000))
    assert max(len(str(content)) for content, _ in messages) < flow_control.MAX_BYTES
    assert len(list(state_messages(run, [], frozenset()))) == 1


@pytest.mark.slow
def test_cells_message_of_a_large_sweep_is_small(library):
    axis = bc.Axis("prompt", tuple(f"a bee {'over a meadow ' * 20}{i}" for i in range(50_000)))
    clips = ClipSet(
        library,
        [str(i) for i in range(50_000)],
        axes=[axis],
        coords=[{"prompt": i} for i in range(50_000)],
    )
    content, buffers = cells_message(ClipSetSource(clips), 1)
    assert len(str(content)) + len(buffers[0]) < flow_control.MAX_BYTES
