"""The notebooks, as a reader runs them: all cells, in JupyterLab."""

import labpage
import pytest

pytestmark = pytest.mark.browser
STORED = labpage.ROOT / "notebooks"


def run_all(notebook, name, stored, **more):
    """Open one of the notebooks and run all its cells; gives its page and what it put out."""
    nb = notebook(name, stored=stored, **more)
    page = nb.page
    page.set_default_timeout(800_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_function(
        """() => {
          const cells = window.jupyterapp.shell.currentWidget.content.widgets
            .map(cell => cell.model).filter(cell => cell.type === 'code');
          return cells.every(cell => cell.executionState === 'idle' && cell.executionCount)
            || cells.some(cell => cell.outputs.toJSON().some(out => out.output_type === 'error'));
        }"""
    )
    outputs = [out for cell in nb.save().cells for out in cell.get("outputs", [])]
    assert [out for out in outputs if out.output_type == "error"] == []
    return nb, outputs


def test_first_flight_runs_top_to_bottom(notebook, lab, tmp_path):
    # With few steps: tests/notebooks runs it as it is stored.
    text = (STORED / "01_first_flight.ipynb").read_text()
    assert text.count("model = bc.load()") == 1
    quick = tmp_path / "quick.ipynb"
    quick.write_text(text.replace("model = bc.load()", "model = bc.load(speed='fast')"))
    nb, outputs = run_all(notebook, "flight", quick, size=(1280, 1000))
    page = nb.page
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) >= 3
    page.locator(".bcm-root").nth(0).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    nb.shot("first-flight")
    page.locator(".bcm-root").nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    nb.shot("first-flight-seeds")
    _, folder = lab
    assert (folder / "first_flight.html").stat().st_size > 50_000


def test_your_own_model_runs_top_to_bottom(notebook):
    nb, outputs = run_all(notebook, "own", STORED / "02_your_own_model.ipynb", size=(1280, 1000))
    page = nb.page
    text = "".join(str(out.get("text", "")) + str(out.get("data", "")) for out in outputs)
    assert "What to change" in text or "Nothing to change" in text
    assert "times as fast" in text
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) == 5
    for place in range(5):
        page.locator(".bcm-root").nth(place).scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        nb.shot(f"own-model-{place}")


def test_the_grid_runs_top_to_bottom(notebook, lab):
    nb, outputs = run_all(notebook, "grid", STORED / "03_the_grid.ipynb", size=(1280, 1000))
    page = nb.page
    assert "ladybug" in "".join(str(out.get("data", "")) for out in outputs)
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) >= 3
    assert page.locator(".bcm-tablerow").count() > 3
    page.locator("video.bcm-loaded").nth(2).wait_for()
    # The panel's grid hides until there is a run.
    surfaces = page.locator(".bcm-root:visible")
    for place in range(surfaces.count()):
        surfaces.nth(place).scroll_into_view_if_needed()
        page.wait_for_timeout(700)
        nb.shot(f"the-grid-{place}")
    _, folder = lab
    assert (folder / "the_grid.html").stat().st_size > 50_000
