"""How runs are displayed: one grid each, and a contact sheet that stays in the notebook."""

import sys
import time

import IPython.display
import pytest
from drawn import DrawnModel
from front_end import FrontEnd

import beecam as bc
import beecam_widgets as bw


@pytest.fixture
def outputs(monkeypatch, show):
    """Return what is displayed, with its display id if it has one."""
    displayed = []

    def display(*objects, display_id=None, **keys):
        displayed.append((display_id, objects[0]))

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.display, "update_display", display)
    monkeypatch.setattr(bw._hooks, "grids", {})
    return displayed


def test_run_displays_grid_and_contact_sheet(outputs, sweep, library):
    run = bc.run(sweep, DrawnModel(0.02), library=library)
    run._ipython_display_()
    (none, bundle), (sheet, before) = outputs
    assert none is None
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "beecam-static" in before["text/html"]
    run.wait()
    grid = next(iter(bw._hooks.grids.values()))
    for _ in range(100):
        if len(outputs) == 3:
            break
        grid._publisher._wake.wait(0.1)
    again, after = outputs[2]
    assert again == sheet, "updating the output of the widget would reload it"
    assert after["text/html"].count("<img") == 12
    assert grid._sheet in after["text/html"]
    assert len(after["text/html"]) < 1_000_000
    grid.close()


@pytest.mark.slow
def test_sheet_is_updated_after_annotations_settle_if_changed(outputs, sweep, library, monkeypatch):
    monkeypatch.setattr("beecam_widgets._clips.publisher._SETTLE_SECONDS", 0.3)
    run = bc.run(sweep, DrawnModel(), library=library).wait()
    run._ipython_display_()
    grid = next(iter(bw._hooks.grids.values()))
    assert outputs[1][1]["text/html"].count("<img") == 12
    front_end = FrontEnd(grid).open(visible=range(12))
    front_end.send("annotate", cells=[1], stars=3)
    front_end.send("annotate", cells=[4], stars=5)
    front_end.wait_for(lambda: len(outputs) == 3)
    sheet, after = outputs[2]
    assert sheet == outputs[1][0]
    assert after["text/html"].count("<video") == 2
    assert after["text/html"].count("<img") == 10
    front_end.send("annotate", cells=[4], stars=5)
    front_end.send("annotate", cells=[2], tag="not in the sheet")
    time.sleep(1.5)
    assert len(outputs) == 3, "an equal sheet must not mark the notebook as unsaved"
    grid.close()


def test_running_a_cell_again_reuses_its_grid(outputs, sweep, library):
    model = DrawnModel()
    first = bc.run(sweep, model, library=library).wait()
    first._ipython_display_()
    again = bc.run(sweep, model, library=library)
    again._ipython_display_()
    assert len(bw._hooks.grids) == 1
    grid = next(iter(bw._hooks.grids.values()))
    first.clips._ipython_display_()
    again.clips._ipython_display_()
    assert len(bw._hooks.grids) == 2
    grid.close()
    again._ipython_display_()
    assert next(iter(bw._hooks.grids.values())) is not grid, "a closed grid is not reused"


def test_titles_are_escaped(outputs, library):
    run = bc.run(bc.shot("a <script>alert(1)</script> bee"), DrawnModel(), library=library)
    run._ipython_display_()
    run.wait()
    grid = bw.ClipGrid(run)
    for html in (outputs[1][1]["text/html"], grid._static.html()):
        assert "<script" not in html
    grid.close()


@pytest.mark.slow
def test_import_registers_hooks_without_torch():
    import subprocess

    code = "import sys, beecam_widgets, beecam.export.notebook as d; print(sorted(d._registered), 'torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "['clips', 'run'] False"
