"""How runs show themselves: one grid for each, and a picture that remains."""

import sys
import time

import IPython.display
import pytest
from drawn import DrawnModel
from page import Page

import beecam as bc
import beecam_widgets as bw
from beecam_widgets import shown


@pytest.fixture
def outputs(monkeypatch, show):
    """What is displayed, by display id where there is one."""
    made = []

    def display(*objects, display_id=None, **keys):
        made.append((display_id, objects[0]))

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.display, "update_display", display)
    monkeypatch.setattr(shown, "_grids", {})
    return made


def test_a_run_shows_a_grid_and_a_sheet_that_remains(outputs, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    run._ipython_display_()
    (none, bundle), (sheet, before) = outputs
    assert none is None
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "beecam-static" in before.data
    run.wait()
    grid = next(iter(shown._grids.values()))
    for _ in range(100):
        if len(outputs) == 3:
            break
        grid._publisher._wake.wait(0.1)
    again, after = outputs[2]
    assert again == sheet, "only the sheet is updated; updating the widget would reload it"
    assert after.data.count("<img") == 12
    assert sheet in after.data
    assert len(after.data) < 1_000_000
    grid.close()


def test_the_sheet_follows_marks_once_they_settle_and_only_if_something_changed(
    outputs, sweep, library, monkeypatch
):
    monkeypatch.setattr("beecam_widgets.publisher._SETTLED", 0.3)
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    run._ipython_display_()
    grid = next(iter(shown._grids.values()))
    assert outputs[1][1].data.count("<img") == 12
    page = Page(grid).begin(visible=range(12))
    page.say("rate", cells=[1], stars=3)
    page.say("rate", cells=[4], stars=5)
    page.wait_for(lambda: len(outputs) == 3)
    sheet, after = outputs[2]
    assert sheet == outputs[1][0]
    assert after.data.count("<video") == 2
    assert after.data.count("<img") == 10
    page.say("rate", cells=[4], stars=5)
    page.say("rate", cells=[2], tag="tags are not in the sheet")
    time.sleep(1.5)
    assert len(outputs) == 3, "nothing new: the notebook stays as it was saved"
    grid.close()


def test_running_a_cell_again_shows_the_same_grid(outputs, sweep, library):
    model = DrawnModel()
    first = bc.run(sweep, model, library=library).wait()
    first._ipython_display_()
    again = bc.run(sweep, model, library=library)
    again._ipython_display_()
    assert len(shown._grids) == 1
    grid = next(iter(shown._grids.values()))
    first.clips._ipython_display_()
    again.clips._ipython_display_()
    assert len(shown._grids) == 2
    grid.close()
    again._ipython_display_()
    assert next(iter(shown._grids.values())) is not grid, "a closed grid is not shown again"


def test_hostile_titles_stay_text(outputs, library):
    run = bc.run(bc.shot("a <script>alert(1)</script> bee"), DrawnModel(), library=library)
    run._ipython_display_()
    run.wait()
    grid = bw.ClipGrid(run)
    for html in (outputs[1][1].data, grid._static_html()):
        assert "<script" not in html
    grid.close()


def test_importing_registers_and_needs_no_torch():
    import subprocess

    code = "import sys, beecam_widgets, beecam.export.notebook as d; print(sorted(d._registered), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['clips', 'run'] False"
