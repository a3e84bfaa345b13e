"""What surfaces of the same cells share, what they filter by, and what they are told of marks."""

import gc
import sqlite3
import time

import numpy as np
import pytest
from drawn import DrawnModel
from page import Page

import beecam as bc
from beecam.errors import BeecamError, CheckError
from beecam.storage.query import STATES
from beecam_widgets import ClipTable


@pytest.fixture
def table(show):
    made = []

    def make(shown, **arguments):
        made.append(ClipTable(shown, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(check, seconds=240):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_surfaces_of_the_same_cells_follow_each_other(show, table, finished):
    grid, other = show(finished), table(finished)
    grid.selection = [1, 2]
    assert other._selected == [1, 2]
    other.current = 3
    assert grid.current == finished.clips[3]
    grid.set_state({"filter": "moth", "sort": "-seed", "_current": 5})
    assert (other.filter, other.sort, other._current) == ("moth", "-seed", 5)
    late = show(finished)
    assert (late.filter, late.sort, late._selected) == ("moth", "-seed", [1, 2])
    given = show(finished, filter="", sort="")
    assert (grid.filter, given.filter, other.sort) == ("", "", "")
    other.close()
    grid.current = 0
    assert other._current == 5, "what is closed follows no more"


def test_surfaces_of_other_cells_dont(show, finished):
    grid, other = show(finished), show(finished.clips[:4])
    grid.selection = [1]
    grid.filter = "moth"
    assert (other._selected, other.filter) == ([], "")
    other.show(finished)
    assert (other._selected, other.filter) == ([1], "moth")
    other.show(finished.clips[:4])
    assert (other._selected, other.filter) == ([], "")


def test_what_was_shared_goes_with_the_last_surface(show, finished):
    from beecam_widgets.shared import _shared, shared_by

    grid = show(finished.clips[:3])
    grid.filter = "bee"
    token = grid._publisher.shown.token
    grid.close()
    grid._shared = shared_by("another")
    gc.collect()
    assert token not in _shared


def test_what_is_shown_is_what_the_filter_lets_through(show, sweep, library):
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
    assert grid.fixed == {"seed": "1"}, "a value may be given instead of its label"
    assert grid.view["fixed"] == {"seed": "1"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filter": "colour:red"}, "no 'colour' here"),
        ({"filter": "stars>many"}, "is for numbers"),
        ({"sort": "-sed"}, "Did you mean seed"),
        ({"fixed": {"plaice": "sea"}}, "Did you mean place"),
        ({"fixed": {"place": "see"}}, "Did you mean sea"),
    ],
)
def test_what_makes_no_sense_is_refused(show, finished, change, said):
    grid = show(finished)
    before = grid.view
    for attempt in (
        lambda: setattr(grid, *next(iter(change.items()))),
        lambda: setattr(grid, "view", {"size": 99, **change}),
        lambda: show(finished, **change),
    ):
        with pytest.raises((BeecamError, CheckError), match=said):
            attempt()
    assert grid.view == before


def test_columns_of_a_table_are_checked(table, finished):
    shown = table(finished, columns=["prompt", "seconds", "tags"])
    assert shown.columns == ["prompt", "seconds", "tags"]
    with pytest.raises(BeecamError, match="Did you mean seconds"):
        shown.columns = ["secunds"]
    with pytest.raises(BeecamError, match="no 'colour'"):
        table(finished, columns=["colour"])
    shown.view = {"columns": ["insect"]}
    shown.show(finished.clips)
    assert shown.columns == ["insect"]
    shown.show(finished.library.clips())
    assert shown.columns == [], "another set has no such axis"


def columns_of(page):
    """What a page knows of all cells, from the messages that it was sent."""
    found = {}
    for content, buffers in page.heard("columns"):
        cells = np.frombuffer(buffers[0], np.int32)
        for column, data in zip(content["columns"], buffers[1:-1], strict=True):
            texts = column.get("texts")
            values = np.frombuffer(data, np.int32 if texts else np.float64)
            for cell, value in zip(cells, values, strict=True):
                found.setdefault(int(cell), {})[column["name"]] = (
                    texts[value] if texts else float(value)
                )
        for cell, states in zip(cells, np.frombuffer(buffers[-1], np.int32), strict=True):
            found[int(cell)]["states"] = {s for i, s in enumerate(STATES) if states >> i & 1}
        for cell, tags in content["tags"]:
            found[cell]["tags"] = tags
    return found


def test_a_page_that_filters_is_told_the_values_of_all_cells(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    run.clips[2].stars = 3
    run.clips[2].tags = ["a", "b"]
    run.clips[3].rejected = True
    page = Page(show(run)).begin()
    assert not page.heard("columns"), "only when it is asked for"
    page.say("columns")
    page.wait_for(lambda: len(columns_of(page)) == 12)
    known = columns_of(page)
    assert known[2]["stars"] == 3
    assert known[2]["tags"] == ["a", "b"]
    assert known[2]["states"] == {"made", "starred"}
    assert known[3]["states"] == {"made", "rejected"}
    assert known[7]["prompt"] == run.clips[7].shot.prompt
    assert known[7]["seed"] == run.clips[7].shot.seed


def test_what_is_made_later_is_told_too(show, sweep, library):
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    page = Page(show(run)).begin(visible=range(12))
    page.say("columns")
    run.wait()
    page.wait_for(lambda: len(columns_of(page)) == 12)


def test_marks_of_cells_that_nobody_sees_are_told(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    page = Page(show(run)).begin(visible=[0], want=[0])
    page.wait_for(page.sheets)
    other = bc.library(library.folder)  # as another kernel's: what it says is in the file
    other.rate(run.clips[9].key, stars=4)
    other.tag(run.clips[9].key, ["far"])
    marks = lambda: [c for content, _ in page.heard("marks") for c in content["cells"]]  # noqa: E731
    page.wait_for(lambda: [9, 4, False, ["far"]] in marks(), 3)


def test_tags_are_given_and_taken(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    page = Page(show(run)).begin(visible=[0, 1], want=[0, 1])
    page.say("rate", cells=[0, 1], tag=" two \n words ", on=True)
    page.say("rate", cells=[0], tag="one", on=True)
    page.say("rate", cells=[1], tag="two words", on=False)
    page.wait_for(lambda: run.clips[0].tags == ("two words", "one") and run.clips[1].tags == ())
    page.say("rate", cells=[0], tag="x" * 500, on=True)
    page.wait_for(lambda: "x" * 100 in run.clips[0].tags)
    page.say("rate", cells=[0], tag="   ", on=True)
    page.say("ping")
    assert "" not in run.clips[0].tags


def test_empty_places_are_made_and_all_surfaces_go_on(show, library):
    few = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).where(insect="bee")
    run = bc.run(few, DrawnModel(), library=library).wait()
    grid, other = show(run), show(run)
    grid.selection = [1]
    page = Page(grid).begin(visible=range(3), want=range(3))
    page.wait_for(lambda: sorted(page.sheets()) == [0, 1, 2])
    assert page.heard("cells")[0][0]["fills"] is True
    page.say("fill", places=[[1, 2]])
    page.wait_for(lambda: len(page.heard("cells")) > 1)
    head = page.heard("cells")[-1][0]
    assert (head["total"], head["keeps"]) == (4, page.heard("cells")[0][0]["token"])
    grid.run.wait()
    assert other.run is grid.run
    assert other._selected == [1], "what was selected stays"
    assert grid.clips[3].shot.prompt == "a moth"
    page.say("again", cells=[3])
    page.wait_for(lambda: page.heard("cells")[-1][0]["total"] == 5)
    grid.run.wait()
    assert grid.clips[4].shot.prompt == "a moth"
    assert grid.clips[4].shot.seed not in range(3)
    page.say("fill", places=[[9, 9]])
    page.wait_for(lambda: "no place" in str(page.heard("problem")))


def test_what_is_missing_is_made_by_all_surfaces(show, table, library):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(10))
    run = bc.run(sweep, DrawnModel(0.05), library=library)
    grid, other, list_ = show(run), show(run), table(run)
    grid.selection = [1]
    run.cancel()
    run.wait()
    page, second = Page(grid).begin(visible=range(3)), Page(other).begin(visible=range(3))
    page.say("run", do="run")
    # One after the other gets it, from the thread that has begun it.
    page.wait_for(lambda: other.run is list_.run is grid.run is not run)
    grid.run.wait()
    second.wait_for(lambda: second.heard("state")[-1][0]["run"]["status"] == "done")
    assert len(other.clips) == 20
    assert other._selected == [1]
    grid.selection = [2]
    assert list_._selected == [2], "they follow each other as before"


def test_marks_of_a_deleted_clip_are_taken_back(show, finished):
    grid = show(finished)
    page = Page(grid).begin(visible=range(3), want=range(3))
    page.wait_for(page.sheets)
    clip = finished.clips[1]
    clip.stars = 3
    page.wait_for(lambda: page.heard("marks"))
    finished.library.mp4_path(clip.key).unlink()
    with sqlite3.connect(finished.library.folder / "library.sqlite") as file:
        file.execute("DELETE FROM clips WHERE key = ?", [clip.key])
    page.say("rate", cells=[1], stars=5)
    page.wait_for(lambda: page.heard("marks")[-1][0]["cells"] == [[1, 0, False, []]])
    assert "deleted" in str(page.heard("problem"))
    page.say("detail", cell=1)
    page.wait_for(lambda: page.heard("detail"))
    assert "was deleted" in page.heard("detail")[-1][0]["problem"]


def test_one_of_several_surfaces_leaves_the_contact_sheet(show, table, finished, monkeypatch):
    shown = {}

    def display(what, *_, display_id=None, **__):
        if display_id is not None:
            shown[display_id] = what.data

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("IPython.display.update_display", display)
    first, grid, late = table(finished), show(finished), table(finished)
    for one in (first, grid, late):
        one._ipython_display_()

    def sheets():
        return [one for one in (first, grid, late) if "beecam-sheet" in shown[one._sheet]]

    until(lambda: sheets() == [grid])
    assert "contact sheet that their grid leaves" in shown[first._sheet]
    again = show(finished)
    again._ipython_display_()
    assert "beecam-sheet" in shown[again._sheet]
    until(lambda: sheets() == [])
    alone = table(finished.clips[:2])
    alone._ipython_display_()
    assert "beecam-sheet" in shown[alone._sheet]


def test_small_cells_are_sent_small_sheets(show, library):
    run = bc.run(bc.sweep("a bee", seed=range(2)), DrawnModel(), library=library).wait()
    page = Page(show(run))
    page.say("hello")
    page.wait_for(lambda: page.heard("cells"))
    page.say("see", visible=[0], want=[0], awake=True, pixels=40)
    page.wait_for(lambda: page.heard("sheets"))
    page.say("see", visible=[1], want=[1], awake=True, pixels=96)
    page.wait_for(lambda: len(page.heard("sheets")) > 1)
    small, large = (content["items"][0]["sheet"] for content, _ in page.heard("sheets"))
    assert (small["width"], small["full"]) == (48, 96)
    assert large["width"] == 96
