"""The tutorial, as a reader runs it: all cells, in JupyterLab."""

import shutil

import labpage
import pytest

pytestmark = pytest.mark.browser


def test_first_flight_runs_top_to_bottom(notebook, lab):
    nb = notebook("flight", opened=False, size=(1280, 1000))
    shutil.copy(labpage.ROOT / "notebooks" / "01_first_flight.ipynb", nb.path)
    nb.open()
    page = nb.page
    page.set_default_timeout(240_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code')
            .every(cell => cell.model.executionState === 'idle' && cell.model.executionCount)"""
    )
    kept = nb.save()
    outputs = [out for cell in kept.cells for out in cell.get("outputs", [])]
    assert [out for out in outputs if out.output_type == "error"] == []
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) >= 3
    page.locator(".bcm-root").nth(0).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    nb.shot("first-flight")
    page.locator(".bcm-root").nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    nb.shot("first-flight-seeds")
    _, folder = lab
    assert (folder / "first_flight.html").stat().st_size > 50_000
