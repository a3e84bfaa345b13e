"""What code reads of the surfaces that show a run: the selection, and the grid's settings."""

import json
import re

import pytest
from drawn import DrawnModel
from front_end import FrontEnd

import beecam as bc
from beecam.errors import BeecamError
from beecam_widgets import ClipTable, ClipViewer


def test_selection_of_a_run_is_that_of_its_surfaces(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    with pytest.raises(BeecamError, match="no grid shows this run"):
        _ = run.selection
    grid, table = show(run), ClipTable(run)
    assert len(run.selection) == 0
    grid.selection = [5, 1, 5]
    assert run.selection.keys == (run.clips.keys[1], run.clips.keys[5])
    viewer = ClipViewer(run)
    grid.close()
    viewer.selection = [2]
    assert run.selection.keys == (run.clips.keys[2],), "all surfaces share one selection"
    # As the front end may send it.
    table.set_state({"_selected": [3, -1, 99, 3]})
    assert run.selection.keys == (run.clips.keys[3],)
    again = bc.run(sweep, DrawnModel(), library=library).wait()
    assert again is not run
    assert again.selection.keys == run.selection.keys, "the same cells"
    table.close()
    viewer.close()
    with pytest.raises(BeecamError, match="no grid shows this run"):
        _ = run.selection


def test_selection_of_a_run_is_not_that_of_other_clips(show, sweep, library):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    grid = show(run.clips)
    grid.selection = [1]
    with pytest.raises(BeecamError, match="no grid shows this run"):
        _ = run.selection
    grid.show(run)
    assert len(run.selection) == 0
    grid.selection = [0]
    assert run.selection.keys == run.clips.keys[:1]
    grid.show(run.clips[:3])
    with pytest.raises(BeecamError, match="no grid shows this run"):
        _ = run.selection


def test_selection_survives_that_the_grid_is_extended(show, library):
    few = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).where(insect="bee")
    run = bc.run(few, DrawnModel(), library=library).wait()
    grid = show(run)
    front_end = FrontEnd(grid).open(visible=range(3))
    front_end.wait_for(lambda: front_end.received("cells"))
    front_end.send("fill", coords=[[1, 2]])
    front_end.wait_for(lambda: grid.run is not run)
    grid.run.wait()
    grid.selection = [1, 3]
    assert run.selection.keys == run.clips.keys[1:2], "this run has no cell 3"
    assert len(grid.run.selection) == 2


def exported(clips, tmp_path, **arguments):
    """Return the settings that an exported page starts with."""
    page = clips.export_html(tmp_path / "page.html", **arguments).read_text("utf-8")
    return json.loads(re.search(r'id="facts">(.*?)</script>', page).group(1))["view"]


def test_a_page_starts_as_the_latest_grid(show, sweep, library, tmp_path):
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    assert exported(run.clips, tmp_path)["rows"] == []
    first = show(run, rows="place", columns=["seed"], fixed={"insect": "moth"}, sort="-seed")
    settings = {
        "rows": ["place"],
        "columns": ["seed"],
        "fixed": {"insect": "moth"},
        "filter": "",
        "sort": "-seed",
    }
    assert exported(run.clips, tmp_path) == settings
    assert exported(run.clips.where(insect="moth")[:2], tmp_path) == settings
    second = show(run, rows="insect")
    table = ClipTable(run, columns=["stars"], filter="seed<2")
    assert exported(run.clips, tmp_path)["rows"] == ["insect"], "the latest grid, not the table"
    assert exported(first.clips, tmp_path)["rows"] == ["place"], "taken from this grid"
    assert exported(first.shown, tmp_path)["filter"] == "seed<2", "shared with the table"
    assert exported(first.clips, tmp_path, rows="insect")["fixed"] == {}
    first._ipython_display_()
    assert exported(run.clips, tmp_path)["rows"] == ["place"], "displayed again"
    clips = first.clips
    first.close()
    assert exported(clips, tmp_path)["rows"] == ["insect"], "a closed grid has no settings"
    second.close()
    assert exported(run.clips, tmp_path) == {
        **settings,
        "rows": [],
        "columns": [],
        "fixed": {},
        "sort": "",
    }
    table.close()


def test_a_page_of_a_set_starts_as_the_grid_of_the_set(show, finished, tmp_path):
    part = finished.clips.where(place="sea")
    grid, run_grid = show(part, rows="seed"), show(finished, rows="insect")
    assert exported(part, tmp_path)["rows"] == ["seed"], "before the grid of the run"
    assert exported(grid.shown[:2], tmp_path)["rows"] == ["seed"]
    assert exported(finished.clips, tmp_path)["rows"] == ["insect"]
    other = show(part, rows="place")
    assert exported(grid.clips, tmp_path)["rows"] == ["seed"], "taken from this grid"
    assert exported(part, tmp_path)["rows"] == ["place"]
    grid.show(finished)
    run_grid.close()
    assert exported(finished.clips, tmp_path)["rows"] == ["seed"]
    other.close()
    assert exported(part, tmp_path)["rows"] == ["seed"], "the grid of the run that they come from"
