"""What code reads of the surfaces that show a run: the selection, and the grid's settings."""

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
    front_end.send("fill", places=[[1, 2]])
    front_end.wait_for(lambda: grid.run is not run)
    grid.run.wait()
    grid.selection = [1, 3]
    assert run.selection.keys == run.clips.keys[1:2], "this run has no cell 3"
    assert len(grid.run.selection) == 2
