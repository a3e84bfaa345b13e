"""The notebooks, as a reader runs them: all cells, in JupyterLab."""

import labpage
import pytest

pytestmark = pytest.mark.browser
STORED = labpage.ROOT / "notebooks"


# Whether a cell has run and the next one is active.
RAN = """index => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const { model } = notebook.widgets[index];
  return notebook.activeCellIndex === index + 1
    && (model.type !== 'code' || (model.executionCount && model.executionState === 'idle'));
}"""


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


def few_steps(folder, name, before, after):
    """A copy of a notebook in which its only line with `before` has `after`."""
    text = (STORED / name).read_text()
    assert text.count(before) == 1
    copy = folder / name
    copy.write_text(text.replace(before, after))
    return copy


def shots(nb, surfaces, name):
    """Screenshots of each surface."""
    for place in range(surfaces.count()):
        surfaces.nth(place).scroll_into_view_if_needed()
        nb.page.wait_for_timeout(200)
        nb.shot(f"{name}-{place}")


def test_first_flight_runs_top_to_bottom(notebook, lab, tmp_path):
    quick = few_steps(
        tmp_path, "01_first_flight.ipynb", "model = bc.load()", "model = bc.load(speed='fast')"
    )
    nb, outputs = run_all(notebook, "flight", quick, size=(1280, 1000))
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) >= 3
    assert nb.page.locator(".bcm-root").count() >= 2
    shots(nb, nb.page.locator(".bcm-root:visible"), "first-flight")
    _, folder = lab
    assert (folder / "first_flight.html").stat().st_size > 50_000
    # What is selected by hand is followed.
    many = nb.page.locator(".jp-Cell").nth(7)
    many.scroll_into_view_if_needed()
    many.locator("[data-cell='5']").click(modifiers=["Control"])
    many.locator(".bcm-selected[data-cell='5']").wait_for()
    follow = nb.page.locator(".jp-Cell").nth(9)
    assert "seed 14" in follow.inner_text()
    nb.run(9, wait=True)
    follow.get_by_text("seed 5").wait_for()


def test_the_first_run_is_in_view(notebook):
    nb = notebook("first", stored=STORED / "01_first_flight.ipynb", size=(1280, 900))
    page = nb.page
    page.locator(".jp-Notebook").focus()
    for cell in range(4):  # up to the one that shows the run
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(RAN, arg=cell)
    grid = page.locator(".bcm-scroll")
    grid.locator(".bcm-cell").nth(15).wait_for()
    page.wait_for_timeout(500)
    nb.shot("first-run")
    whole = grid.evaluate(
        """scroll => [...scroll.querySelectorAll('.bcm-cell')].filter(cell => {
          const box = cell.getBoundingClientRect();
          return [scroll, scroll.closest('.jp-WindowedPanel-outer')].every(around => {
            const outside = around.getBoundingClientRect();
            return box.top >= outside.top && box.bottom <= outside.bottom;
          });
        }).length"""
    )
    assert whole >= 4, "a row or more, without scrolling"


def test_your_own_model_runs_top_to_bottom(notebook, tmp_path):
    quick = few_steps(
        tmp_path,
        "02_your_own_model.ipynb",
        "model = bc.load(name)",
        "model = bc.load(name); model._defaults['num_inference_steps'] = 8",
    )
    nb, outputs = run_all(notebook, "own", quick, size=(1280, 1000))
    page = nb.page
    text = "".join(str(out.get("text", "")) + str(out.get("data", "")) for out in outputs)
    assert "What to change" in text or "Nothing to change" in text
    assert "times as fast" in text
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) == 5
    assert page.locator(".bcm-root").count() == 5
    shots(nb, page.locator(".bcm-root"), "own-model")


def test_the_grid_runs_top_to_bottom(notebook, lab, tmp_path):
    quick = few_steps(
        tmp_path, "03_the_grid.ipynb", "num_inference_steps=10", "num_inference_steps=2"
    )
    nb, outputs = run_all(notebook, "grid", quick, size=(1280, 1000))
    page = nb.page
    assert "ladybug" in "".join(str(out.get("data", "")) for out in outputs)
    assert sum("beecam-sheet" in str(out.get("data", "")) for out in outputs) >= 3
    assert page.locator(".bcm-tablerow").count() > 3
    page.locator("video.bcm-loaded").nth(2).wait_for()
    # The panel's grid hides until there is a run.
    shots(nb, page.locator(".bcm-root:visible"), "the-grid")
    _, folder = lab
    assert (folder / "the_grid.html").stat().st_size > 50_000
