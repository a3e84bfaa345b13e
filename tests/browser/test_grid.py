"""The live grid in a real JupyterLab, used by hand: mouse, keys, reload, reopening."""

import json

import pytest
from labpage import ROOT, focused, frame, pixels, same, started, stop_kernels, until, wait_for

pytestmark = pytest.mark.browser


def asked(notebook, index):
    """Run a cell that prints JSON, and read it."""
    notebook.run(index, wait=True)
    # What a cell prints is drawn a moment after the cell is done.
    text = notebook.output(index)
    assert text.strip()
    return json.loads(text)


def test_grid_fills_while_a_second_cell_runs(notebook, tmp_path):
    # The second cell is busy until it is released, so that a slow machine changes nothing.
    enough = tmp_path / "enough"
    busy = (
        "import os, time\n"
        "for _ in range(1200):\n"
        f"    if os.path.exists({str(enough)!r}): break\n"
        "    time.sleep(0.1)\n"
        "print('slept')"
    )
    nb = notebook("fills", started("fills", seconds=0.15, batch=2), busy)
    page = nb.page
    nb.run(1)
    page.locator(".bcm-cell").first.wait_for()
    nb.run(2)
    # A preview of the predicted clip, with its progress, before the clip is there.
    page.locator(".bcm-cell[data-status=running]:not(.bcm-loading)").first.wait_for()
    nb.shot("running")
    wait_for(page, 4)
    assert page.locator(".bcm-count").inner_text().split()[0] != "0"
    assert "left" in page.locator(".bcm-count").inner_text()
    assert "slept" not in nb.output(2), "the cells must fill while the other cell is still running"
    enough.touch()
    assert pixels(page.locator(".bcm-cell").first) > 10
    assert page.locator(".bcm-cell").first.get_attribute("aria-label").startswith("insect bee")
    nb.run(1)  # re-running re-attaches: the same run continues, in one grid
    wait_for(page, 24)
    assert page.locator(".bcm-root").count() == 1
    assert "24 of 24" in page.locator(".bcm-count").inner_text()
    # The clip that is being scrubbed shows the frame under the pointer, the others play on.
    first, second = page.locator(".bcm-cell").nth(0), page.locator(".bcm-cell").nth(1)
    box = first.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    until(page, same(lambda: frame(first), 0))
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
    until(page, same(lambda: frame(first), 16))
    seen = set()

    def moves():
        seen.add(frame(second))
        assert len(seen) > 2

    until(page, moves)
    nb.shot("scrubbed")
    # In step: clips of one length that aren't scrubbed show one frame.
    page.mouse.move(5, 5)
    together = "() => [...document.querySelectorAll('.bcm-cell canvas')].map(c => c.dataset.frame)"
    until(page, same(lambda: len(set(page.evaluate(together))), 1))


def marked(found):
    """What the keys of the test below left behind."""
    stars, rejected, selected, current, view = found
    assert [stars[1], stars[2]] == [3, 2]
    assert [i for i, x in enumerate(rejected) if x] == [5]
    assert selected
    assert current == 3
    assert view["playing"] is False
    assert view["selected"] == [0, 1]


def leaked(notebook):
    """Which keys, pressed where the focus is now, change the notebook."""
    found = []
    for key in ("b", "a", "m", "y", "z", "v", "c", "x", "x", "Enter", "Escape"):
        before = notebook.state()
        notebook.page.keyboard.press(key)
        notebook.page.wait_for_timeout(30)
        if notebook.state() != before:
            found.append(key)
        if key == "Enter":
            notebook.page.wait_for_timeout(100)
    return found


def test_keys_stay_in_the_grid_and_marks_reach_the_library(notebook):
    ask = (
        "import json\nc = run.clips\n"
        "print(json.dumps([[x.stars for x in c], [x.rejected for x in c], "
        "[x.key for x in grid.selection] == [c[0].key, c[1].key], grid.current.stars, grid.view]))"
    )
    show = (
        started("grid_keys", seeds=4) + "\ngrid = bw.ClipGrid(run, rows=['insect', 'place'])\ngrid"
    )
    nb = notebook("keys", show, ask)
    page = nb.page
    nb.run(1)
    wait_for(page, 16)
    before = nb.cells()
    page.locator(".bcm-scroll").focus()
    page.locator(".bcm-cell.bcm-current[data-cell='0']").wait_for()
    for key in ("ArrowRight", "3", "ArrowDown", "x", "ArrowUp", "ArrowRight", "5", "0", "2"):
        page.keyboard.press(key)
    nb.shot("keyboard")
    page.evaluate(
        "() => { window.heard = [];"
        " document.addEventListener('keydown', event => window.heard.push(event.key)); }"
    )
    assert leaked(nb) == []
    assert page.evaluate("() => window.heard") == [], "other hosts listen on the document"
    page.locator(".bcm-cell").nth(2).click()
    assert leaked(nb) == [], "from the large view"
    assert leaked(nb) == [], "after a click"
    page.locator(".bcm-scrub").focus()
    assert leaked(nb) == [], "from the slider"
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("s")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("?")
    assert page.locator(".bcm-help").is_visible()
    nb.shot("help")
    page.keyboard.press("Escape")
    assert not page.locator(".bcm-help").is_visible()
    until(page, lambda: marked(asked(nb, 2)))
    # The notebook's own keys pass through: Shift+Enter runs the cell, which re-attaches.
    page.locator(".bcm-cell").nth(0).click()
    page.keyboard.press("Escape")
    count = "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.executionCount"
    ran = page.evaluate(count)
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(f"ran => ({count})() > ran", arg=ran)
    wait_for(page, 16)
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert leaked(nb) == [], "after Escape"
    assert nb.cells() == before


def test_large_view(notebook):
    show = started("large", batch=3, seeds=3, broken="ice", place='["sea", "ice"]')
    nb = notebook("large", show, "import json\nprint(json.dumps([c.stars for c in run.clips]))")
    page = nb.page
    nb.run(1)
    wait_for(page, 6)
    page.locator("[data-status=failed]").nth(4).wait_for()
    error = page.locator("[data-status=failed] .bcm-note").first
    assert "<b>ice</b>" in error.inner_text(), "an error is shown as text, whatever is in it"
    assert page.locator(".bcm-root b").count() == 0
    nb.shot("error-cell")
    page.locator(".bcm-cell").nth(1).click()
    page.locator("video.bcm-loaded").wait_for()
    assert page.locator("video").evaluate("v => v.videoWidth") == 96
    assert page.locator(".bcm-prompt").inner_text() == "a bee over sea"
    assert "seed=1" in page.locator(".bcm-code").inner_text()
    nb.shot("large")
    page.keyboard.press("4")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('.bcm-code')?.textContent.includes('seed=2')"
    )
    assert page.locator("video").count() == 1
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("Copy code").click()
    page.get_by_text("code copied").wait_for()
    code = page.evaluate("() => navigator.clipboard.readText()")
    assert code.startswith("bc.shot('a bee over sea', seed=2")
    page.keyboard.press("ArrowRight")
    page.locator(".bcm-stagenote.bcm-error").wait_for()
    nb.shot("large-error")
    page.keyboard.press("Escape")
    assert not page.locator(".bcm-lightbox").is_visible()
    assert page.locator("video").count() == 0
    assert page.evaluate("() => document.activeElement.classList.contains('bcm-scroll')")
    until(page, same(lambda: asked(nb, 2), [0, 4, 0, 0, 0, 0]))
    # By mouse: the marks over a cell don't open it.
    page.locator(".bcm-cell").nth(2).hover()
    page.locator(".bcm-hoverbar button").nth(1).click()
    assert not page.locator(".bcm-lightbox").is_visible()
    until(page, same(lambda: asked(nb, 2), [0, 4, 2, 0, 0, 0]))


def test_what_is_open_closes_when_the_grid_shows_other_clips(notebook, tmp_path):
    # Another thread switches, so that nothing but the switch takes the focus.
    code = (
        "import os, threading, time\n"
        "def alternate():\n"
        "    for turn in range(4):\n"
        f"        while not os.path.exists({str(tmp_path)!r} + f'/{{turn}}'): time.sleep(0.05)\n"
        "        grid.show(other if turn % 2 == 0 else run)\n"
        "threading.Thread(target=alternate, daemon=True).start()"
    )
    nb = notebook(
        "switched",
        started("switched", seeds=2).removesuffix("run")
        + "run.wait()\nother = bc.run(bc.sweep('a {animal}', animal=['fly', 'wasp'], seed=range(4)),"
        " model, library=library).wait()\ngrid = bw.ClipGrid(run)\ngrid",
        code,
        "import json; print(json.dumps([c.stars + 9 * c.rejected + len(c.tags)"
        " for one in (run, other) for c in one.clips]))",
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    nb.run(2, wait=True)
    turns = iter(range(4))

    def switch(shows):
        (tmp_path / str(next(turns))).touch()
        page.locator(".bcm-cell").first.filter(has_text=shows).or_(
            page.locator(
                f".bcm-rowhead:has-text('{shows}'), .bcm-colhead:has-text('{shows}')"
            ).first
        ).first.wait_for()

    opened = ".bcm-lightbox:visible, .bcm-tagbox:visible, .bcm-menu"
    # The large view with the tags of a clip, and the focus in it.
    page.locator(".bcm-cell").nth(3).click()
    page.locator(".bcm-lightbox video.bcm-loaded").wait_for()
    page.keyboard.press("t")
    page.keyboard.type("keep")
    switch("wasp")
    assert page.locator(opened).count() == 0
    assert focused(page, ".bcm-scroll")
    page.mouse.move(2, 2)
    for key in ("5", "x"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    # Clips side by side, and a menu.
    for n in (0, 1):
        page.locator(".bcm-cell").nth(n).click(modifiers=["Control"])
    page.keyboard.press("c")
    page.locator(".bcm-lightbox.bcm-comparing").wait_for()
    page.get_by_label("sort", exact=True).click()
    page.locator(".bcm-menu").wait_for()
    switch("moth")
    assert page.locator(opened).count() == 0
    # The focus is elsewhere in the page, and stays there.
    page.locator(".bcm-cell").nth(3).click()
    page.locator(".bcm-lightbox video.bcm-loaded").wait_for()
    page.locator(".jp-Cell").nth(3).locator(".cm-content").click()
    switch("wasp")
    assert page.locator(opened).count() == 0
    assert not focused(page, ".bcm-root, .bcm-root *")
    assert asked(nb, 3) == [0] * 16


def test_pause_go_on_and_stop(notebook):
    nb = notebook("pause", started("pause", seconds=0.25, batch=1))
    page = nb.page
    nb.run(1)
    wait_for(page, 1)
    page.get_by_role("button", name="pause the run").click()
    page.locator(".bcm-count", has_text="paused").wait_for()
    count = page.locator(".bcm-count").inner_text()
    nb.shot("paused")
    page.wait_for_timeout(1500)
    assert page.locator(".bcm-count").inner_text() == count
    page.get_by_role("button", name="resume the run").click()
    page.wait_for_function(
        "was => document.querySelector('.bcm-count').textContent !== was", arg=count
    )
    wait_for(page, 2)
    queued = page.locator(".bcm-cell[data-status=queued]").last
    queued.hover()
    page.get_by_role("button", name="leave this clip out of the run").click()
    page.locator(".bcm-cell[data-status=cancelled]").first.wait_for()
    page.get_by_role("button", name="stop the run").click()
    page.locator(".bcm-count", has_text="stopped").wait_for()
    nb.shot("stopped")
    assert page.locator(".bcm-cell[data-status=queued]").count() == 0
    page.get_by_role("button", name="generate the missing clips").click()
    page.get_by_role("button", name="pause the run").wait_for()
    wait_for(page, 4)


def test_reload_and_second_view(notebook):
    nb = notebook("reload", started("reload", seconds=0.1), "run.clips")
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-cell").nth(3).click()
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    wait_for(page, 24)
    nb.save()
    nb.open()
    page.locator(".bcm-root").first.scroll_into_view_if_needed()  # out of view, nothing is painted
    wait_for(page, 24)
    assert page.locator(".bcm-cell").nth(3).locator(".bcm-rating").text_content().strip() == "★★★★★"
    assert "bcm-current" in page.locator(".bcm-cell").nth(3).get_attribute("class")
    # The clips of the run as a set: a grid of its own, which needs no run.
    nb.run(2)
    page.locator(".bcm-root").nth(1).wait_for()
    page.wait_for_function("() => document.querySelectorAll('[data-shows=clip]').length >= 48")
    assert page.locator(".beecam-static").count() == 2
    assert page.locator(".beecam-static:visible").count() == 0, (
        "the sheet is hidden beside the grid"
    )


def test_reopened_without_a_kernel_a_static_sheet_is_there(notebook, lab):
    nb = notebook("reopen", started("reopen", seconds=0.05, seeds=3))
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    page.wait_for_timeout(1500)
    saved = nb.save()
    assert len(json.dumps(saved)) < 1_000_000
    stop_kernels(lab[0])
    nb.open()
    page.locator(".beecam-static img").nth(11).wait_for()
    page.locator(".beecam-static").scroll_into_view_if_needed()
    nb.shot("reopened")
    assert page.locator(".beecam-static img").first.evaluate("i => i.naturalWidth") > 0
    assert page.locator(".bcm-root").count() == 0


def test_pollen_end_to_end(notebook):
    weights = ROOT / "kit" / "beecam" / "models" / "pollen" / "weights"
    if not weights.exists():
        pytest.skip("the embedded model has no weights yet")
    show = (
        "model = bc.load()\nrun = bc.run(bc.sweep('a {insect} over a meadow', "
        "insect=['bee', 'ladybug'], seed=range(2)), model, library=bc.library('pollen'))\nrun"
    )
    nb = notebook("pollen", show)
    nb.page.set_default_timeout(90_000)
    nb.run(1)
    wait_for(nb.page, 4)
    assert pixels(nb.page.locator(".bcm-cell").first) > 50
    nb.shot("pollen")


def test_a_press_in_a_scrolled_grid_opens_what_was_pressed(notebook):
    nb = notebook(
        "pressed",
        started("pressed", seeds=20) + "\nbw.ClipGrid(run, rows='seed', size=88, height=300)",
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    scroll = page.locator(".bcm-scroll")
    scroll.evaluate("node => node.scrollTo(0, 700)")
    page.wait_for_timeout(500)
    # After a key focus is visible, also that which a press gives.
    page.keyboard.press("Shift")
    cell = page.locator(".bcm-cell").nth(page.locator(".bcm-cell").count() // 2)
    number = int(cell.get_attribute("data-cell"))
    assert number > 0
    cell.click()
    page.locator(".bcm-lightbox video.bcm-loaded").wait_for()
    assert page.locator(".bcm-current").get_attribute("data-cell") == str(number)
