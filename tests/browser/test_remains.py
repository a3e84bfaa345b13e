"""What remains of a grid without a kernel: the notebook reopened, and converted to HTML."""

import re
import subprocess
import sys

import pytest
from labpage import SHOTS, started, stop_kernels, until, wait_for

from beecam_widgets._notebook.assets import load_assets

pytestmark = pytest.mark.browser

HOSTILE = "</div></td><script>document.title='owned'</script><img src=x onerror=alert(1)>"
PLAYS = "v => v.readyState >= 2 && !v.paused && v.videoWidth > 0"


def sheet_of(saved):
    """The static sheet as the notebook has it."""
    outputs = [out for cell in saved.cells for out in cell.get("outputs", [])]
    texts = [out.get("data", {}).get("text/html", "") for out in outputs]
    return next(text for text in texts if "beecam-static" in text)


def starred(notebook, name, **more):
    """A notebook whose run has ended, and in which two clips were starred by hand."""
    nb = notebook(name, started(name, seeds=3, **more))
    page = nb.page
    nb.run(1)
    wait_for(page, 12)
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("4")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("2")
    until(page, lambda: _has(sheet_of(nb.save()).count("<video"), 2))
    return nb


def _has(found, wanted):
    assert found == wanted


def see_them_play(page, films, *, pressed=False):
    """Both starred videos play while they are visible: chromium pauses the others.

    What is above may still grow after a video was scrolled to, so it is scrolled to again. In a
    notebook it may take a press: a video whose cell JupyterLab puts into the page later than it
    made it, as all further down and on a slow machine the first, is one that chromium no longer
    starts by itself.
    """
    until(page, lambda: _has(films.count(), 2))
    for film in films.all():

        def plays(film=film):
            film.scroll_into_view_if_needed()
            if pressed and film.evaluate("v => v.readyState >= 2 && v.paused"):
                film.click()
            assert film.evaluate(PLAYS)

        until(page, plays)


def test_reopened_without_a_kernel_starred_clips_play(notebook, lab):
    nb = starred(notebook, "remains")
    page = nb.page
    saved = sheet_of(nb.save())
    assert len(saved) < 1_000_000
    assert saved.count("<img") == 10
    stop_kernels(lab[0])
    nb.open()
    films = page.locator(".beecam-static video")
    films.nth(1).wait_for()
    assert page.locator(".bcm-root").count() == 0
    see_them_play(page, films, pressed=True)
    assert page.locator(".beecam-static img").count() == 10
    nb.shot("remains-lab")
    # Also where the notebook is not trusted, as one from someone else.
    page.evaluate("""() => {
      const { model } = window.jupyterapp.shell.currentWidget.content;
      for (const cell of model.cells) cell.trusted = false;
    }""")
    see_them_play(page, films, pressed=True)


def test_axes_are_headers(notebook, lab):
    nb = notebook(
        "headers",
        "library = bc.library('headers')\n"
        f"sweep = bc.sweep('a bee over {{place}}', place=['the sea', {HOSTILE!r}], seed=range(4))\n"
        "run = bc.run(sweep, DrawnModel(), library=library).wait()\n"
        "run.clips[2].stars = 3\nrun",
    )
    page = nb.page
    nb.run(1, wait=True)
    wait_for(page, 8)
    nb.save()
    stop_kernels(lab[0])
    nb.open()
    sheet = page.locator(".beecam-static table")
    sheet.wait_for()
    sheet.scroll_into_view_if_needed()
    assert sheet.locator("th").all_inner_texts() == ["0", "1", "2", "3", "the sea", HOSTILE]
    assert sheet.locator("video").count() == 1
    assert sheet.locator("tr").nth(1).locator("td").nth(2).locator("video").count() == 1
    assert "owned" not in page.title()
    nb.shot("remains-table")


def test_converted_to_html_the_page_shows_the_sheet(notebook, browser, tmp_path):
    nb = starred(notebook, "converted")
    for scheme in ("light", "dark"):
        program = [sys.executable, "-m", "nbconvert", "--to", "html", nb.path]
        done = subprocess.run(
            [*program, "--output-dir", tmp_path, "--output", scheme, "--theme", scheme],
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stderr
        context = browser.new_context(offline=True, viewport={"width": 1100, "height": 900})
        page = context.new_page()
        page.goto(f"file://{tmp_path}/{scheme}.html")
        films = page.locator(".beecam-static video")
        films.nth(1).wait_for()
        see_them_play(page, films)
        assert page.locator(".beecam-static img:visible").count() == 10
        page.locator(".beecam-static").scroll_into_view_if_needed()
        page.screenshot(path=SHOTS / f"remains-converted-{scheme}.png")
        assert not re.search("Error displaying widget", page.locator("body").inner_text())
        context.close()


MOUNT = """async ([script, style, traits]) => {
  document.head.append(Object.assign(document.createElement('style'), { textContent: style }));
  const address = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const { default: widget } = await import(address);
  const heard = {};
  window.model = {
    get: name => traits[name], set: () => {}, save_changes: () => {}, send: () => {},
    on: (name, act) => { heard[name] = act; }, off: () => {},
    hear: (...message) => heard['msg:custom'](...message),
  };
  const { initialize, render } = widget();
  initialize({ model });
  render({ model, el: document.querySelector('main') });
}"""
HEAD = {
    "kind": "cells",
    "version": 1,
    "token": "t",
    "extends": "",
    "total": 1,
    "title": "",
    "live": False,
    "drafts": False,
    "fills": False,
    "model": "",
    "aspect": 1,
    "axes": [],
}


def test_where_no_kernel_answers_the_sheet_stands_in_for_the_grid(browser):
    """As in a converted page that finds the widgets' code on a network, but no kernel."""
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.set_content('<main></main><div class="beecam-static the-sheet">the sheet</div>')
    traits = {
        "_surface": "grid",
        "rows": [],
        "columns": [],
        "fixed": {},
        "size": 0,
        "height": 300,
        "playing": False,
        "speed": 1,
        "filter": "",
        "sort": "",
        "_current": -1,
        "_selected": [],
        "_sheet": "the-sheet",
    }
    page.evaluate(MOUNT, [*load_assets("clips"), traits])
    grid, sheet = page.locator(".bcm-root"), page.locator(".the-sheet")
    assert grid.is_visible()
    assert sheet.is_hidden()
    page.clock.run_for(9_000)
    assert grid.is_hidden()
    assert sheet.is_visible()
    # The kernel was only busy.
    page.evaluate("head => window.model.hear(head, [new DataView(new ArrayBuffer(0))])", HEAD)
    assert grid.is_visible()
    assert sheet.is_hidden()
    context.close()
