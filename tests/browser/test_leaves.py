"""What surfaces leave behind in the page and in the kernel when their cells are run again."""

import pytest
from labpage import started, until, wait_for

pytestmark = pytest.mark.browser

# The surfaces of a run in which clips exist, as the last line of a cell, and how many each shows.
SURFACES = {
    "run": ("run", 1),
    "set": ("run.clips", 1),
    "grid": ("bw.ClipGrid(run)", 1),
    "table": ("bw.ClipTable(run)", 1),
    "viewer": ("bw.ClipViewer(run)", 1),
    "live": ("bw.live(model, 'a bee')", 1),
    "panel": ("bw.explore(model, library=library)", 2),
    "composed": ("ipywidgets.HBox([bw.ClipGrid(run), bw.ClipTable(run)])", 2),
}
TIMES = 6


class Page:
    """What is alive in a page, by the garbage collector: also what is detached from it."""

    def __init__(self, page):
        self._cdp = page.context.new_cdp_session(page)

    def roots(self):
        """Return how many surfaces are alive."""
        prototype = self._ask("Runtime.evaluate", expression="HTMLDivElement.prototype")
        found = self._cdp.send(
            "Runtime.queryObjects", {"prototypeObjectId": prototype["result"]["objectId"]}
        )
        count = self._ask(
            "Runtime.callFunctionOn",
            objectId=found["objects"]["objectId"],
            returnByValue=True,
            functionDeclaration="function() { return this.filter(node => node.classList.contains('bcm-root')).length; }",
        )
        self._ask("Runtime.releaseObject", objectId=found["objects"]["objectId"])
        return count["result"]["value"]

    def _ask(self, method, **arguments):
        return self._cdp.send(method, arguments)


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.slow
def test_a_view_goes_when_its_cell_is_run_again(notebook, name):
    source, count = SURFACES[name]
    nb = notebook(
        f"leaves_{name}",
        "import ipywidgets\n" + started(f"leaves_{name}", seeds=2) + ".wait()\nNone",
        source,
    )
    page, alive = nb.page, Page(nb.page)
    nb.run(1, wait=True)
    for _ in range(TIMES):
        nb.run(2, wait=True)
        page.locator(".bcm-root").nth(count - 1).wait_for(state="attached")
        # What is open in a view goes with it.
        sort = page.locator(".bcm-root button[aria-label=sort]")
        if sort.count() and sort.first.is_visible():
            sort.first.click()
            page.locator(".bcm-menu").wait_for()

    def views_are_gone():
        # The browser itself may keep what had the focus or the pointer last.
        assert alive.roots() <= 3 * count

    until(page, views_are_gone, seconds=30)


@pytest.mark.slow
def test_cursor_selection_and_focus_are_seen_with_forced_colors(notebook):
    nb = notebook("forced", started("forced", seeds=2) + ".wait()\nNone", "bw.ClipGrid(run)")
    page = nb.page
    nb.run(1, wait=True)
    nb.run(2, wait=True)
    wait_for(page, 8)
    page.emulate_media(forced_colors="active")
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.locator(".bcm-cell.bcm-current.bcm-selected").wait_for()
    style = "node => { const s = getComputedStyle(node); return [s.outlineStyle, s.outlineWidth, s.borderStyle]; }"
    current = page.locator(".bcm-current .bcm-media").evaluate(style)
    other = page.locator(".bcm-cell:not(.bcm-current) .bcm-media").first.evaluate(style)
    assert current == ["solid", "4px", "double"]
    assert other[0] == "none"
    assert page.locator(".bcm-scroll").evaluate(style)[0] == "solid"
    page.emulate_media(forced_colors="none")
