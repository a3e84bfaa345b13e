"""Surfaces of the same cells: shared state, filters, annotations, and extended runs."""

import gc
import sqlite3

import numpy as np
import pytest
from drawn import DrawnModel
from front_end import FrontEnd

import beecam as bc
from beecam.errors import BeecamError, CheckError
from beecam.runs.interactive import LiveFrame
from beecam.storage.query import STATES
from beecam_widgets import ClipGrid, ClipTable, ClipViewer
from beecam_widgets._clips.shared_state import _states, shared_state
from beecam_widgets._live.messages import static_html
from helpers import wait_until


@pytest.fixture
def table(show):
    tables = []

    def create(clips, **arguments):
        tables.append(ClipTable(clips, **arguments))
        return tables[-1]

    yield create
    for one in tables:
        one.close()


def test_surfaces_of_same_cells_share_state(show, table, finished):
    grid, other = show(finished), table(finished)
    grid.selection = [1, 2]
    assert other._selected == [1, 2]
    other.current = 3
    assert grid.current == finished.clips[3]
    grid.set_state({"filter": "moth", "sort": "-seed", "_current": 5})
    assert (other.filter, other.sort, other._current) == ("moth", "-seed", 5)
    late = show(finished)
    assert (late.filter, late.sort, late._selected) == ("moth", "-seed", [1, 2])
    reset = show(finished, filter="", sort="")
    assert (grid.filter, reset.filter, other.sort) == ("", "", "")
    other.close()
    grid.current = 0
    assert other._current == 5, "a closed surface must not follow"


def test_surfaces_of_other_cells_share_nothing(show, finished):
    grid, other = show(finished), show(finished.clips[:4])
    grid.selection = [1]
    grid.filter = "moth"
    assert (other._selected, other.filter) == ([], "")
    other.show(finished)
    assert (other._selected, other.filter) == ([1], "moth")
    other.show(finished.clips[:4])
    assert (other._selected, other.filter) == ([], "")


@pytest.mark.slow
def test_shared_state_is_dropped_with_last_surface(show, finished):
    grid = show(finished.clips[:3])
    grid.filter = "bee"
    token = grid._source.token
    grid.close()
    grid._shared = shared_state("another")
    gc.collect()
    assert token not in _states


def test_shown_has_the_matching_clips_in_order(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    grid = show(run, filter="insect:bee", sort="-seed")
    assert [(c.shot.prompt, c.shot.seed) for c in grid.shown] == [
        ("a bee over sea", 2),
        ("a bee over ice", 2),
        ("a bee over sea", 1),
        ("a bee over ice", 1),
        ("a bee over sea", 0),
        ("a bee over ice", 0),
    ]
    grid.fixed = {"place": "ice"}
    assert len(grid.shown) == 3
    run.clips[4].stars = 5
    grid.filter = "stars>=5"
    assert [c.key for c in grid.shown] == [run.clips[4].key]
    grid.fixed = {"seed": 1}
    assert grid.fixed == {"seed": "1"}, "a value may be passed instead of its label"
    assert grid.view["fixed"] == {"seed": "1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter": "colour:red"}, "no 'colour' here"),
        ({"filter": "stars>many"}, "is for numbers"),
        ({"sort": "-sed"}, "Did you mean seed"),
        ({"fixed": {"plaice": "sea"}}, "Did you mean place"),
        ({"fixed": {"place": "see"}}, "Did you mean sea"),
    ],
)
def test_invalid_settings_are_rejected(show, finished, change, message):
    grid = show(finished)
    before = grid.view
    for attempt in (
        lambda: setattr(grid, *next(iter(change.items()))),
        lambda: setattr(grid, "view", {"size": 99, **change}),
        lambda: show(finished, **change),
    ):
        with pytest.raises((BeecamError, CheckError), match=message):
            attempt()
    assert grid.view == before


def test_table_columns_are_checked(table, finished):
    shown = table(finished, columns=["prompt", "seconds", "tags"])
    assert shown.columns == ["prompt", "seconds", "tags"]
    with pytest.raises(BeecamError, match="Did you mean seconds"):
        shown.columns = ["secunds"]
    with pytest.raises(BeecamError, match="unknown name 'colour'"):
        table(finished, columns=["colour"])
    shown.view = {"columns": ["insect"]}
    shown.show(finished.clips)
    assert shown.columns == ["insect"]
    shown.show(finished.library.clips())
    assert shown.columns == [], "the other set has no such axis"


def columns_of(front_end):
    """Return the values of all cells that a front end has received, by cell."""
    result = {}
    for content, buffers in front_end.received("columns"):
        cells = np.frombuffer(buffers[0], np.int32)
        for column, data in zip(content["columns"], buffers[1:-1], strict=True):
            texts = column.get("texts")
            values = np.frombuffer(data, np.int32 if texts else np.float64)
            for cell, value in zip(cells, values, strict=True):
                result.setdefault(int(cell), {})[column["name"]] = (
                    texts[value] if texts else float(value)
                )
        for cell, states in zip(cells, np.frombuffer(buffers[-1], np.int32), strict=True):
            result[int(cell)]["states"] = {s for i, s in enumerate(STATES) if states >> i & 1}
        for cell, tags in content["tags"]:
            result[cell]["tags"] = tags
    return result


def test_column_values_of_all_cells_are_sent_on_request(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    run.clips[2].stars = 3
    run.clips[2].tags = ["a", "b"]
    run.clips[3].rejected = True
    front_end = FrontEnd(show(run)).open()
    assert not front_end.received("columns"), "only on request"
    front_end.send("columns")
    front_end.wait_for(lambda: len(columns_of(front_end)) == 12)
    values = columns_of(front_end)
    assert values[2]["stars"] == 3
    assert values[2]["tags"] == ["a", "b"]
    assert values[2]["states"] == {"generated", "starred"}
    assert values[3]["states"] == {"generated", "rejected"}
    assert values[7]["prompt"] == run.clips[7].shot.prompt
    assert values[7]["seed"] == run.clips[7].shot.seed


def test_column_values_of_later_clips_are_sent(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    front_end = FrontEnd(show(run)).open(visible=range(12))
    front_end.send("columns")
    run.wait()
    front_end.wait_for(lambda: len(columns_of(front_end)) == 12)


def test_annotations_of_invisible_cells_are_sent(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    front_end = FrontEnd(show(run)).open(visible=[0], requested=[0])
    front_end.wait_for(front_end.sheets)
    other = bc.library(library.folder)  # as another kernel would: it writes to the same file
    other.rate(run.clips[9].key, stars=4)
    other.tag(run.clips[9].key, ["far"])

    def annotations():
        return [c for content, _ in front_end.received("annotations") for c in content["cells"]]

    front_end.wait_for(lambda: [9, 4, False, ["far"]] in annotations(), 3)


def test_tags_are_added_and_removed(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    front_end = FrontEnd(show(run)).open(visible=[0, 1], requested=[0, 1])
    front_end.send("annotate", cells=[0, 1], tag=" two \n words ", on=True)
    front_end.send("annotate", cells=[0], tag="one", on=True)
    front_end.send("annotate", cells=[1], tag="two words", on=False)
    front_end.wait_for(
        lambda: run.clips[0].tags == ("two words", "one") and run.clips[1].tags == ()
    )
    front_end.send("annotate", cells=[0], tag="x" * 500, on=True)
    front_end.wait_for(lambda: "x" * 100 in run.clips[0].tags)
    front_end.send("annotate", cells=[0], tag="   ", on=True)
    front_end.send("ping")
    assert "" not in run.clips[0].tags


def test_filling_empty_cells_extends_all_surfaces(show, library):
    few = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).where(insect="bee")
    run = bc.run(few, DrawnModel(), library=library).wait()
    grid, other = show(run), show(run)
    grid.selection = [1]
    front_end = FrontEnd(grid).open(visible=range(3), requested=range(3))
    front_end.wait_for(lambda: sorted(front_end.sheets()) == [0, 1, 2])
    assert front_end.received("cells")[0][0]["fills"] is True
    front_end.send("fill", coords=[[1, 2]])
    front_end.wait_for(lambda: len(front_end.received("cells")) > 1)
    head = front_end.received("cells")[-1][0]
    assert (head["total"], head["extends"]) == (4, front_end.received("cells")[0][0]["token"])
    grid.run.wait()
    assert other.run is grid.run
    assert other._selected == [1], "the selection is kept"
    assert grid.clips[3].shot.prompt == "a moth"
    front_end.send("regenerate", cells=[3])
    front_end.wait_for(lambda: front_end.received("cells")[-1][0]["total"] == 5)
    grid.run.wait()
    assert grid.clips[4].shot.prompt == "a moth"
    assert grid.clips[4].shot.seed not in range(3)
    front_end.send("fill", coords=[[9, 9]])
    front_end.wait_for(lambda: "no place" in str(front_end.received("problem")))


@pytest.mark.slow
def test_retry_moves_all_surfaces_to_the_new_run(show, table, library):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(10))
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    grid, other, list_ = show(run), show(run), table(run)
    grid.selection = [1]
    run.cancel()
    run.wait()
    front_end, second = (
        FrontEnd(grid).open(visible=range(3)),
        FrontEnd(other).open(visible=range(3)),
    )
    front_end.send("run", action="run")
    # The thread that started it passes it to one surface after the other.
    front_end.wait_for(lambda: other.run is list_.run is grid.run is not run)
    grid.run.wait()
    second.wait_for(lambda: second.received("state")[-1][0]["run"]["status"] == "done")
    assert len(other.clips) == 20
    assert other._selected == [1]
    grid.selection = [2]
    assert list_._selected == [2], "they must still share state"


def test_annotations_of_a_deleted_clip_are_taken_back(show, finished):
    grid = show(finished)
    front_end = FrontEnd(grid).open(visible=range(3), requested=range(3))
    front_end.wait_for(front_end.sheets)
    clip = finished.clips[1]
    clip.stars = 3
    front_end.wait_for(lambda: front_end.received("annotations"))
    finished.library.mp4_path(clip.key).unlink()
    with sqlite3.connect(finished.library.folder / "library.sqlite") as file:
        file.execute("DELETE FROM clips WHERE key = ?", [clip.key])
    front_end.send("annotate", cells=[1], stars=5)
    front_end.wait_for(
        lambda: front_end.received("annotations")[-1][0]["cells"] == [[1, 0, False, []]]
    )
    assert "deleted" in str(front_end.received("problem"))
    front_end.send("detail", cell=1)
    front_end.wait_for(lambda: front_end.received("detail"))
    assert "was deleted" in front_end.received("detail")[-1][0]["problem"]


def test_one_of_several_surfaces_stores_the_contact_sheet(show, table, finished, monkeypatch):
    displayed = {}

    def display(what, *_, display_id=None, **__):
        if display_id is not None:
            displayed[display_id.rpartition("-")[0]] = what["text/html"]

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.update_display", display)
    first, grid, late = table(finished), show(finished), table(finished)
    for one in (first, grid, late):
        one._ipython_display_()

    def sheets():
        return [one for one in (first, grid, late) if "beecam-sheet" in displayed[one._sheet]]

    wait_until(lambda: sheets() == [grid])
    assert "contact sheet below another view" in displayed[first._sheet]
    again = show(finished)
    again._ipython_display_()
    assert "beecam-sheet" in displayed[again._sheet]
    wait_until(lambda: sheets() == [])
    again.close()
    wait_until(lambda: sheets() == [grid])
    grid.close()
    wait_until(lambda: late in sheets())
    alone = table(finished.clips[:2])
    alone._ipython_display_()
    assert "beecam-sheet" in displayed[alone._sheet]


def test_small_cells_get_small_sheets(show, library):
    run = bc.run(bc.sweep("a bee", seed=range(2)), DrawnModel(), library=library).wait()
    front_end = FrontEnd(show(run))
    front_end.send("hello")
    front_end.wait_for(lambda: front_end.received("cells"))
    front_end.send("viewport", visible=[0], requested=[0], awake=True, pixels=40)
    front_end.wait_for(lambda: front_end.received("sheets"))
    front_end.send("viewport", visible=[1], requested=[1], awake=True, pixels=96)
    front_end.wait_for(lambda: len(front_end.received("sheets")) > 1)
    small, large = (content["items"][0]["sheet"] for content, _ in front_end.received("sheets"))
    assert (small["width"], small["full"]) == (48, 96)
    assert large["width"] == 96


def test_the_selected_drafts_of_a_grid_are_promoted(show, sweep, library):
    drafts = bc.run(sweep, DrawnModel(), library=library, draft=0.5).wait()
    grid = show(drafts)
    grid.selection = [0, 3]
    for clips in (grid.selection, grid.clips[:2], grid.shown.query("bee")):
        assert clips.model is drafts.model
    promoted = bc.promote(grid.selection).wait()
    assert [clip.shot.draft_steps for clip in promoted] == [None, None]
    assert show(drafts.clips).clips.model is drafts.model
    stored = library.clips()
    with pytest.raises(bc.CheckError, match=r"isn't known; pass it: bc\.promote\(clips, model\)"):
        bc.promote(show(stored).clips)


def test_a_surface_of_a_run_without_clips_knows_its_run(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.2), library=library)
    grid = show(run)
    assert repr(grid) == "ClipGrid of a run: 12 cells"
    head, _ = FrontEnd(grid).open().received("cells")[0]
    assert head["model"] == "drawn"
    run.cancel()


def test_static_html_escapes_templates_and_names(show, library):
    sweep = bc.sweep("<b>bee</b> & {insect}", insect=["<i>"])
    run = bc.run(sweep, DrawnModel(0.2), library=library)
    grid = show(run)
    assert "contact sheet below another view" in grid._static.html()
    grid._static.display()
    waiting = grid._static.html()
    assert "&lt;b&gt;bee&lt;/b&gt; &amp; {insect} · drawn: 0 of 1 clips so far" in waiting
    run.wait()
    shown = grid._static.html()
    assert shown.startswith(f'<div class="beecam-static {grid._sheet}">')
    assert shown.endswith("</div>")
    assert "<table" in shown or "<figure" in shown or "<img" in shown
    assert "<b>bee" not in shown
    assert "&amp;lt;" not in shown, "escaped once"


def test_static_html_of_the_live_view_escapes_its_names():
    assert "<p>Live view of &lt;b&gt;: run" in static_html(None, "<b>", "x")
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    sight = LiveFrame(1, "clip", bc.shot("<b> & bees"), frames)
    html = static_html(sight, "<b>", "x")
    assert html.startswith('<div class="beecam-static x">')
    assert '<img src="data:image/webp;base64,UklGR' in html
    assert "&lt;b&gt; &amp; bees" in html


@pytest.mark.parametrize("surface", [ClipGrid, ClipTable, ClipViewer])
def test_a_wrong_name_of_an_argument_or_attribute_is_named(surface, finished):
    with pytest.raises(CheckError, match=rf"{surface.__name__}\(sizee=\.\.\.\): no such"):
        surface(finished, sizee=3)
    shown = surface(finished)
    with pytest.raises(AttributeError, match=f"{surface.__name__} has no attribute 'filtr'"):
        shown.filtr = "stars>1"
    shown.filter = "stars>1"
    shown.layout.width = "50%"
