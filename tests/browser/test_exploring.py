"""Exploring by hand in a real JupyterLab: axes, finding, tags, empty places, side by side."""

import pytest
from labpage import find_flaws, focused, notebooks, same, started, until, wait_for
from test_grid import asked

pytestmark = pytest.mark.browser

VIEW = "import json\nprint(json.dumps([grid.view, [c.shot.seed for c in grid.shown]]))"
GRID = "\ngrid = bw.ClipGrid(run, size=88{})\ngrid"


def labels(page):
    """The headers of rows and columns, as they are read."""
    return [
        page.locator(f".bcm-{side}").evaluate_all("all => all.map(one => one.innerText)")
        for side in ("rowhead", "colhead")
    ]


def shown(page):
    """The numbers of the cells on the page, as one reads."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.bcm-cell')]
          .map(cell => [cell.getBoundingClientRect(), Number(cell.dataset.cell)])
          .sort(([a], [b]) => a.top - b.top || a.left - b.left).map(([, cell]) => cell)"""
    )


def test_axes_are_dragged_and_chosen(notebook):
    nb = notebook("axes", started("axes", seeds=3) + GRID.format(""), VIEW)
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    assert labels(page)[1] == ["0", "1", "2"]
    chip = page.locator(".bcm-chip[data-axis=insect]").bounding_box()
    zone = page.locator(".bcm-zone[data-zone=columns]").bounding_box()
    page.mouse.move(chip["x"] + 8, chip["y"] + 8)
    page.mouse.down()
    page.mouse.move(zone["x"] + zone["width"] - 3, zone["y"] + 8, steps=4)
    nb.shot("axis-dragged")
    page.mouse.up()
    until(page, same(lambda: labels(page)[0], ["sea", "dunes"]))
    assert labels(page)[1][:2] == ["0\nbee", "0\nmoth"], "nested, the outer one first"
    assert not page.locator(".bcm-menu").count(), "a drag is not a press"
    # By keys: only one value of the place, then the next one.
    page.locator(".bcm-chip[data-axis=place]").focus()
    page.keyboard.press("Enter")
    page.locator(".bcm-menu").wait_for()
    nb.shot("axis-menu")
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    until(page, same(lambda: len(shown(page)), 6))
    assert page.evaluate("() => document.activeElement.dataset.axis") == "place"
    view, seeds = asked(nb, 2)
    assert (view["rows"], view["columns"], view["fixed"]) == (
        [],
        ["seed", "insect"],
        {"place": "dunes"},
    )
    assert seeds == [0, 1, 2, 0, 1, 2]
    page.get_by_label("next place").click()
    until(page, lambda: page.get_by_text("place: sea").wait_for())
    page.locator(".bcm-chip[data-axis=place]").click()
    page.keyboard.press("Escape")
    assert not page.locator(".bcm-menu").count()
    assert nb.state()[0] == "command", "Escape ends in the menu"


def test_finding_and_ordering(notebook):
    nb = notebook(
        "find", started("find", seeds=3) + GRID.format(""), VIEW, "grid.filter = ''; grid.sort = ''"
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("Home")
    for key in ("4", "ArrowDown", "x", "ArrowDown", "2"):
        page.keyboard.press(key)
    page.keyboard.press("/")
    page.keyboard.type("stars>=2")
    until(page, same(lambda: len(shown(page)), 2))
    nb.shot("found")
    page.keyboard.type(" colour:red")
    page.get_by_text("no 'colour' here").wait_for()
    nb.shot("found-problem")
    assert len(shown(page)) == 2, "a line that makes no sense changes nothing"
    for _ in range(len(" colour:red")):
        page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    until(page, same(lambda: focused(page, ".bcm-scroll"), True))
    # What no longer matches disappears, and the cursor moves to the next.
    page.keyboard.press("Home")
    page.keyboard.press("0")
    until(page, same(lambda: len(shown(page)), 1))
    view, seeds = asked(nb, 2)
    assert view["filter"] == "stars>=2"
    assert len(seeds) == 1
    nb.run(3, wait=True)
    until(page, same(lambda: len(shown(page)), 12))
    page.get_by_text("Hide", exact=True).click()
    until(page, same(lambda: len(shown(page)), 11))
    page.get_by_text("Hide", exact=True).click()
    until(page, same(lambda: len(shown(page)), 12))
    page.get_by_label("sort", exact=True).click()
    page.get_by_role("menuitemradio", name="seed").click()
    until(page, same(lambda: [cell % 3 for cell in shown(page)], [2] * 4 + [1] * 4 + [0] * 4))
    nb.shot("ordered")
    view, seeds = asked(nb, 2)
    assert view["sort"] == "-seed"
    assert seeds == [2] * 4 + [1] * 4 + [0] * 4
    page.keyboard.press("Escape")
    page.locator(".bcm-search .bcm-query").fill("no such word")
    page.get_by_text("No clip matches").wait_for()
    nb.shot("nothing-found")
    page.get_by_text("Clear the filter").click()
    until(page, same(lambda: len(shown(page)), 12))


def test_tags_and_what_another_notebook_marks(notebook):
    count = "import json\nprint(json.dumps([[list(c.tags), c.stars] for c in run.clips]))"
    nb = notebook("tags", started("tags", seeds=2) + GRID.format(""), count)
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-scroll").focus()
    for key in ("Home", "s", "ArrowRight", "s", "t"):
        page.keyboard.press(key)
    page.keyboard.type("keep <b>this</b> 🐝")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    nb.shot("tags")
    page.get_by_label("remove the tag two").click()
    page.keyboard.press("Escape")
    tag = "keep <b>this</b> 🐝"
    until(page, same(lambda: asked(nb, 2)[:3], [[[tag], 0], [[tag], 0], [[], 0]]))
    assert page.locator(".bcm-tags").first.inner_text() == tag
    assert page.locator(".bcm-root b").count() == 0
    # Another kernel on the same library.
    other = notebook(
        "tags-too", "clips = bc.library('tags').clips(sort='created')\nclips[3].stars = 5"
    )
    stars = page.locator(".bcm-rating").filter(has_text="★★★★★")
    other.run(1, wait=True)
    stars.wait_for()


def test_empty_places_are_made_and_clips_made_once_more(notebook):
    sparse = (
        "run = bc.run(bc.sweep('a {insect}', insect=['bee', 'moth'], seed=range(4)).where("
        "lambda cell: cell.coords['insect'] == cell.coords['seed'] % 2), DrawnModel(),"
        " library=bc.library('sparse'))"
    )
    nb = notebook("sparse", sparse + GRID.format(""), VIEW, "run.sweep, len(grid.run.sweep)")
    page = nb.page
    nb.run(1)
    wait_for(page, 4)
    assert page.locator(".bcm-emptycell").count() == 4
    nb.shot("sparse")
    page.locator(".bcm-emptycell").nth(1).click()
    wait_for(page, 5)
    assert page.locator(".bcm-emptycell").count() == 3
    page.get_by_text("Generate 3 more").click()
    wait_for(page, 8)
    assert page.locator(".bcm-emptycell").count() == 0
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("Home")
    page.keyboard.press("r")
    wait_for(page, 9)
    assert len(labels(page)[1]) == 5, "another seed is another column"
    assert page.locator(".bcm-emptycell").count() == 1
    nb.shot("once-more")
    seeds = asked(nb, 2)[1]
    assert len(seeds) == 9
    assert len(set(seeds)) == 5
    # By key the place that is left; where none is, nothing is made.
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("n")
    wait_for(page, 10)
    assert page.locator(".bcm-emptycell").count() == 0
    page.keyboard.press("n")
    page.wait_for_timeout(500)
    assert page.locator(".bcm-cell").count() == 10


def test_clips_side_by_side(notebook):
    nb = notebook("compare", started("compare", seeds=2) + GRID.format(""))
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("c")
    page.get_by_text("Select two to eight clips").wait_for()
    for key in ("Home", "s", "ArrowRight", "s", "ArrowDown", "s", "c"):
        page.keyboard.press(key)
    page.locator("video.bcm-loaded").nth(2).wait_for()
    assert page.locator("video").count() == 3

    def in_step():
        times, length = page.evaluate(
            "() => { const v = [...document.querySelectorAll('video')];"
            " return [v.map(one => one.currentTime), v[0].duration]; }"
        )
        off = [min(abs(t - times[0]), length - abs(t - times[0])) for t in times]
        assert max(off) < 0.125, "within a frame"

    page.wait_for_timeout(1_000)
    until(page, in_step)
    nb.shot("compare")
    assert page.locator(".bcm-panetext").all_inner_texts() == [
        "seed 0 · sea",
        "seed 1 · sea",
        "seed 1 · dunes",
    ]
    # Nothing around the clips is empty, and none is smaller than in the grid.
    boxes = page.locator(".bcm-stage").evaluate_all(
        "all => all.map(one => [one.clientWidth, one.clientHeight])"
    )
    assert all(abs(height - width * 64 / 96) <= 1 for width, height in boxes), boxes
    assert min(width for width, _ in boxes) > 3 * 88
    # Paused, all show the same frame; a step is one frame.
    page.keyboard.press("Space")
    until(
        page,
        same(
            lambda: page.evaluate(
                "() => [...document.querySelectorAll('video')].every(v => v.paused)"
            ),
            True,
        ),
    )
    page.wait_for_timeout(300)
    frames = "() => [...document.querySelectorAll('video')].map(v => Math.floor(v.currentTime * 8))"
    before = page.evaluate(frames)
    assert len(set(before)) == 1
    page.keyboard.press(".")
    until(page, same(lambda: page.evaluate(frames), [(before[0] + 1) % 17] * 3))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("5")
    page.keyboard.press("v")
    visible = "() => [...document.querySelectorAll('.bcm-pane')].filter(p => getComputedStyle(p).visibility === 'visible').length"
    assert page.evaluate(visible) == 1
    first = page.evaluate(
        "() => [...document.querySelectorAll('.bcm-pane')].findIndex(p => p.classList.contains('bcm-activepane'))"
    )
    until(
        page,
        lambda: page.locator(f".bcm-pane.bcm-activepane:not(:nth-child({first + 1}))").wait_for(),
    )
    nb.shot("flicker")
    page.keyboard.press("Escape")
    assert page.locator("video").count() == 0
    assert page.locator(".bcm-rating").filter(has_text="★★★★★").count() == 1


def test_two_surfaces_follow_each_other(notebook):
    other = "second = bw.ClipGrid(run, rows='seed', size=64)\nsecond"
    nb = notebook("follow", started("follow", seeds=2) + GRID.format(""), other, VIEW)
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    nb.run(2)
    wait_for(page, 16)
    first, second = page.locator(".bcm-root").nth(0), page.locator(".bcm-root").nth(1)
    first.locator(".bcm-scroll").focus()
    for key in ("Home", "s", "3"):
        page.keyboard.press(key)
    second.scroll_into_view_if_needed()  # out of view, a grid lays out nothing
    second.locator(".bcm-selected").wait_for()
    second.locator(".bcm-rating").filter(has_text="★★★").wait_for()
    second.locator(".bcm-search .bcm-query").fill("stars>=3")
    until(page, same(lambda: first.locator(".bcm-cell").count(), 1))
    assert first.locator(".bcm-search .bcm-query").input_value() == "stars>=3"
    assert asked(nb, 3)[0]["filter"] == "stars>=3"


def test_the_table_follows_the_grid_and_orders_it(notebook):
    nb = notebook(
        "table",
        started("table", seeds=3) + GRID.format(""),
        "table = bw.ClipTable(run)\ntable",
        "import json\nprint(json.dumps([table.view, grid.sort, len(table.selection)]))",
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    nb.run(2)
    table = page.locator(".bcm-root").nth(1)
    table.locator(".bcm-tablerow").first.wait_for()
    wait_for(page, 16)
    page.get_by_label("sort by seed").click()
    until(page, same(lambda: table.locator(".bcm-tablerow").first.get_attribute("data-cell"), "2"))
    until(page, same(lambda: shown(page)[0], 2), 10)
    assert table.get_by_role("columnheader", name="seed").get_attribute("aria-sort") == "descending"
    table.locator(".bcm-scroll").focus()
    for key in ("Home", "s", "Shift+ArrowDown", "3"):
        page.keyboard.press(key)
    until(page, same(lambda: page.locator(".bcm-cell.bcm-selected").count(), 2))
    until(page, same(lambda: page.locator(".bcm-rating").filter(has_text="★★★").count(), 4))
    nb.shot("table")
    view, order, chosen = asked(nb, 3)
    assert (view["sort"], order, chosen) == ("-seed", "-seed", 2)
    assert find_flaws(page) == []
    page.get_by_label("columns", exact=True).click()
    page.get_by_role("menuitemradio", name="prompt", exact=True).click()
    table.locator(".bcm-value", has_text="a bee over sea").first.wait_for()
    table.get_by_label("find clips").fill("moth")
    until(page, same(lambda: table.locator(".bcm-tablerow").count(), 6))
    pictures = page.locator(".bcm-root").first.locator("[data-shows=clip] canvas")
    until(page, same(lambda: sum(one.is_visible() for one in pictures.all()), 6))
    before = nb.state()
    table.locator(".bcm-scroll").focus()
    for key in ("a", "b", "m", "z", "d", "Enter"):
        page.keyboard.press(key)
    assert nb.state() == before
    # The same keys as in the grid: large, tags, help.
    table.locator(".bcm-lightbox video.bcm-loaded").wait_for()
    nb.shot("table-large")
    page.keyboard.press("t")
    page.keyboard.type("wings")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert not table.locator(".bcm-lightbox").is_visible()
    table.locator(".bcm-tablerow", has_text="wings").wait_for()
    page.keyboard.press("?")
    assert table.locator(".bcm-help").is_visible()
    page.keyboard.press("Escape")
    assert not table.locator(".bcm-help").is_visible()
    table.locator(".bcm-tablerow .bcm-stars button").first.click()
    assert focused(page, ".bcm-tablescroll"), "a pressed star doesn't take the keys away"
    assert find_flaws(page) == []


def test_the_viewer_follows_the_cursor_and_the_selection(notebook):
    nb = notebook(
        "viewer",
        started("viewer", seeds=2) + GRID.format(""),
        "viewer = bw.ClipViewer(run, height=300)\nviewer",
        "import json\nprint(json.dumps([grid.view['current'], [c.stars for c in run.clips]]))",
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    nb.run(2)
    viewer = page.locator(".bcm-root").nth(1)
    viewer.locator("video.bcm-loaded").wait_for()
    page.locator(".bcm-scroll").focus()
    for key in ("Home", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    viewer.get_by_text("place dunes · seed 1").wait_for()
    assert focused(page, ".bcm-scroll"), "keys stay"
    viewer.get_by_label("next clip (→)").click()
    viewer.get_by_text("insect moth · place sea · seed 0").wait_for()
    before = nb.state()
    for key in ("4", "b", "a", "x", "x", "Space", "."):
        page.keyboard.press(key)
    assert nb.state() == before
    until(page, same(lambda: asked(nb, 3), [4, [0, 0, 0, 0, 4, 0, 0, 0]]))
    page.locator(".bcm-scroll").focus()
    for key in ("s", "ArrowRight", "s"):
        page.keyboard.press(key)
    viewer.locator("video.bcm-loaded").nth(1).wait_for()
    nb.shot("viewer")
    assert find_flaws(page) == []


def test_full_screen_and_scrubbing_all(notebook):
    nb = notebook("full", started("full", seeds=3) + GRID.format(""))
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    page.locator(".bcm-scrub").fill("0.5")
    together = "() => [...new Set([...document.querySelectorAll('.bcm-cell canvas')].map(c => c.dataset.frame))]"
    until(page, same(lambda: page.evaluate(together), ["8"]))
    page.locator(".bcm-scroll").focus()
    page.keyboard.press(".")
    until(page, same(lambda: page.evaluate(together), ["9"]))
    page.keyboard.press(",")
    page.keyboard.press(",")
    until(page, same(lambda: page.evaluate(together), ["7"]))
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement?.classList.contains('bcm-root')")
    nb.shot("full-screen")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_nothing_that_axe_finds(notebook, theme):
    nb = notebook(
        f"axe-{theme}", started(f"axe-{theme}", seeds=4, broken="dunes") + GRID.format("")
    )
    page = nb.page
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
        f"JupyterLab {theme}",
    )
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-scroll").focus()
    for key in ("Home", "s", "ArrowRight", "s", "4"):
        page.keyboard.press(key)
    assert find_flaws(page) == [], "the grid"
    page.keyboard.press("t")
    page.keyboard.type("keep")
    page.keyboard.press("Enter")
    assert find_flaws(page) == [], "tags"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert find_flaws(page) == [], "help"
    page.keyboard.press("Escape")
    page.locator(".bcm-chip").first.click()
    page.locator(".bcm-menu").wait_for()
    assert find_flaws(page) == [], "a menu"
    page.keyboard.press("Escape")
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("Enter")
    page.locator("video.bcm-loaded").wait_for()
    assert find_flaws(page) == [], "large"
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.locator("video.bcm-loaded").nth(1).wait_for()
    assert find_flaws(page) == [], "side by side"


def test_by_touch_a_tap_opens_and_a_long_press_selects(browser, lab):
    with notebooks(Touching(browser), *lab) as make:
        nb = make("touch", started("touch", seeds=3) + GRID.format(""))
        page = nb.page
        nb.run(1)
        wait_for(page, 12)
        hand = page.context.new_cdp_session(page)
        cells = page.locator(".bcm-cell")

        def press(cell, milliseconds):
            box = cells.nth(cell).bounding_box()
            point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
            hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
            page.wait_for_timeout(milliseconds)
            hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        chosen = page.locator(".bcm-cell[aria-selected=true]")
        press(1, 50)
        page.locator(".bcm-lightbox").wait_for()
        page.locator(".bcm-lightbox [aria-label^=close]").tap()
        assert chosen.count() == 0
        press(1, 800)
        until(page, same(chosen.count, 1))
        assert not page.locator(".bcm-lightbox").is_visible(), "a long press opens nothing"
        assert page.locator(".bcm-find button", has_text="Compare").is_disabled()
        press(2, 50)
        until(page, same(chosen.count, 2))
        page.locator(".bcm-find button", has_text="Compare 2").tap()
        until(page, same(page.locator(".bcm-pane:visible").count, 2))


class Touching:
    """A browser whose pages are touched."""

    def __init__(self, browser):
        self._browser = browser

    def new_context(self, **how):
        return self._browser.new_context(has_touch=True, **how)
