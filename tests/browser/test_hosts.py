"""Pages other than JupyterLab's: Notebook 7, and dashboards by Voila."""

import re

import pytest
from labpage import (
    CONTRAST,
    PREAMBLE,
    TOKEN,
    dashboards,
    same,
    started,
    until,
    wait_for,
    write_notebook,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from beecam.clips.library import Library

pytestmark = pytest.mark.browser

GRID = """\
run = bc.run(bc.sweep("a {insect} over {place}", insect=["bee", "moth"],
                      place=["a meadow", "the ocean"], seed=range(2)),
             DrawnModel(), library=bc.library("voila"))
run"""
PANEL = """\
panel = bw.explore(DrawnModel(), library=bc.library("voila-panel"), deck="insects over landscapes")
panel.sample = 4
panel"""
LIVE = "bw.live(bc.load(), library=bc.library('voila-live'), num_inference_steps=8)"


def run_by_keys(page, cell):
    """Run a cell by its keys; again where the page was not ready for them."""
    begun = cell.locator(".jp-InputPrompt").filter(has_text=re.compile(r"[*\d]")).first
    for _ in range(20):
        cell.click()
        page.keyboard.press("Shift+Enter")
        try:
            begun.wait_for(timeout=10_000)
        except PlaywrightTimeoutError:
            continue
        return
    raise AssertionError("the cell never ran")


def test_notebook_7(notebook):
    """It hears keys before the page does, so that here only the mark on the focus helps."""
    nb = notebook("seven", started("seven", seeds=3), "import time; time.sleep(2)", opened=False)
    page = nb.page
    page.goto(f"{nb.address}/notebooks/{nb.path.name}?token={TOKEN}")
    cells = page.locator(".jp-Notebook .jp-Cell")
    cells.nth(2).wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    for place in range(3):
        run_by_keys(page, cells.nth(place))
    wait_for(page, 12)
    assert page.locator(".beecam-static").count() == 1
    assert page.locator(".beecam-static:visible").count() == 0
    page.locator(".bcm-cell").nth(1).click()
    page.keyboard.press("5")
    page.keyboard.press("Escape")
    before = cells.count()
    for key in ("b", "a", "m"):
        page.keyboard.press(key)
        page.wait_for_timeout(50)
        assert cells.count() == before, f"{key} leaked to the notebook"
    assert page.locator(".bcm-rating").nth(1).text_content().strip() == "★★★★★"
    nb.shot("notebook-7")


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    """A Voila server over three notebooks, as a teacher would start it: its address and folder."""
    folder = tmp_path_factory.mktemp("voila")
    for name, source in (("grid", GRID), ("panel", PANEL), ("live", LIVE)):
        write_notebook(folder / f"{name}.ipynb", (PREAMBLE, source))
    with dashboards(folder) as (address, _):
        yield address, folder


@pytest.fixture
def dashboard(browser, voila):
    """A function that opens one of the dashboards in a theme."""
    contexts = []

    def make(name, theme="light"):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{voila[0]}/voila/render/{name}.ipynb?theme={theme}")
        return page

    yield make
    for context in contexts:
        context.close()


def test_a_grid_in_voila(dashboard, voila):
    page = dashboard("grid")
    wait_for(page, 8)
    assert page.locator(".beecam-static:visible").count() == 0, (
        "the sheet is for where no kernel is"
    )
    page.locator(".bcm-axischip, .bcm-chip[data-axis=insect]").first.wait_for()
    page.locator(".bcm-cell").nth(1).click()
    page.keyboard.press("4")
    page.wait_for_function("() => document.querySelector('.bcm-lightbox video')?.currentTime > 0.2")
    page.keyboard.press("Escape")
    until(page, same(lambda: page.locator(".bcm-rating").nth(1).text_content().strip(), "★★★★"))

    def kept():
        with Library(voila[1] / "voila") as library:
            assert [clip.stars for clip in library.clips(stars=4)] == [4]

    until(page, kept)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_panel_in_voila(dashboard, theme):
    page = dashboard("panel", theme)
    page.locator(".bcm-primary").click()
    wait_for(page, 4)
    roots = page.locator(".bcm-root").all()
    assert len(roots) == 2
    for root in roots:
        dark = root.evaluate("node => node.classList.contains('bcm-dark')")
        assert dark == (theme == "dark")
    contrast = page.evaluate(
        CONTRAST, [".bcm-fieldname", ".bcm-valuechip", ".bcm-cost", ".bcm-count"]
    )
    assert min(contrast.values()) >= 4.5, contrast


def test_a_live_view_in_voila(dashboard):
    page = dashboard("live", "dark")
    page.wait_for_function("() => document.querySelector('.bcm-root')?.dataset.phase === 'clip'")
    before = page.locator(".bcm-root").get_attribute("data-shown")
    page.get_by_label("Blend").first.fill("0.6")
    page.wait_for_function(
        "before => document.querySelector('.bcm-root').dataset.shown !== before", arg=before
    )
    assert page.locator(".beecam-static:visible").count() == 0
