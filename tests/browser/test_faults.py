"""Kernels that go, connections that break, clips that vanish: never a blank widget, always a word."""

import threading

import pytest
from labpage import started, until, wait_for

pytestmark = pytest.mark.browser

RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
END = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
AWAY = ".bcm-connection:visible"
# Pause and stop of the run.
STEER = ".bcm-run > .bcm-button:visible"
TOAST = ".bcm-toast:visible"


def test_a_restart_in_the_middle_of_a_run(notebook):
    nb = notebook("restart", started("restart", seconds=0.25), "bw.explore(model, library=library)")
    page = nb.page
    nb.run(1)
    wait_for(page, 4)
    nb.run(2)
    page.locator(".bcm-panel").wait_for()
    page.evaluate(RESTART)
    for away in (page.locator(AWAY).first, page.locator(".bcm-panelmessage:visible")):
        away.filter(
            has_text="The kernel was restarted or has ended: run the cell again."
        ).wait_for()
    grid = page.locator(".bcm-root").first
    assert grid.locator(STEER).count() == 0
    assert not page.locator(".bcm-footerrow .bcm-primary").is_visible()
    # What is there stays; what can't be kept isn't shown as if it were.
    assert page.locator("[data-shows=clip]").count() >= 4
    page.locator(".bcm-cell").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    grid.locator(TOAST).filter(has_text="run the cell again").wait_for()
    assert not page.locator(".bcm-rating:visible").count()
    nb.shot("restarted")
    nb.run(0, wait=True)
    nb.run(1)
    wait_for(page, 24)
    assert not page.locator(".jp-Cell").nth(1).locator(AWAY).count()


def test_a_kernel_that_has_ended(notebook):
    nb = notebook("ended", started("ended", seeds=2), "bw.ClipTable(run)", "bw.ClipViewer(run)")
    page = nb.page
    for cell in (1, 2, 3):
        nb.run(cell)
    wait_for(page, 8)
    page.locator(".bcm-tablerow").nth(7).wait_for()
    page.evaluate(END)
    # Not every host says it; what can't be sent tells.
    until(page, lambda: _all_say(page, 3))
    page.locator(".bcm-cell").nth(2).click()
    page.keyboard.press("ArrowRight")
    nb.shot("ended")
    # A view that is opened later says it, too.
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:create-output-view'); }")
    until(page, lambda: _all_say(page, 4))


def _all_say(page, count):
    told = page.locator(AWAY).all_inner_texts()
    assert told == ["The kernel was restarted or has ended: run the cell again."] * count


def test_a_connection_that_breaks_and_comes_back(notebook):
    """A long silence is reported; afterwards the grid has the clips generated meanwhile."""
    nb = notebook("broken", started("broken", seconds=0.1, batch=1), opened=False)
    page = nb.page
    through = threading.Event()
    through.set()

    def route(socket):
        server = socket.connect_to_server()
        late = []

        def pass_on(message):
            if through.is_set():
                while late:
                    socket.send(late.pop(0))
                socket.send(message)
            else:
                late.append(message)

        server.on_message(pass_on)

    page.route_web_socket("**/channels**", route)
    nb.open().run(0, wait=True)
    nb.run(1)
    wait_for(page, 3)
    assert page.locator(STEER).count() == 2
    through.clear()
    page.locator(AWAY).filter(has_text="The kernel does not answer").wait_for()
    nb.shot("silent")
    assert page.locator(STEER).count() == 0
    through.set()
    page.locator(AWAY).wait_for(state="hidden")
    wait_for(page, 24)


def test_clips_that_vanish(notebook):
    nb = notebook(
        "vanish",
        started("vanish", seeds=2),
        "gone, unseen = run.clips[0], run.clips[1]\n"
        "library.mp4_path(gone.key).unlink(); library.sheet_path(gone.key).unlink()\n"
        "library.mp4_path(unseen.key).unlink()\n"
        "bw.ClipGrid(run.clips)",
        "import shutil; shutil.rmtree(library.folder)",
    )
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    nb.run(2)
    grid = page.locator(".jp-Cell").nth(2).locator(".bcm-root")
    # The sheet of the first is gone as well; those of the others are there.
    first = grid.locator(".bcm-cell").nth(0)
    first.scroll_into_view_if_needed()  # out of view, a cell lays out nothing
    note = first.locator(".bcm-note")
    note.wait_for()
    assert "missing" in note.inner_text()
    wait_for(page, 15)
    grid.locator(".bcm-cell").nth(1).click()
    grid.locator(".bcm-lightbox").get_by_text("missing").wait_for()
    nb.shot("vanished")
    page.keyboard.press("Escape")
    nb.run(3, wait=True)
    page.keyboard.press("Escape")
    grid.locator(".bcm-cell").nth(4).click()
    page.keyboard.press("Escape")
    page.keyboard.press("5")
    grid.locator(TOAST).wait_for()
    nb.shot("no-library")


def test_a_view_that_was_closed_is_opened_again(notebook):
    nb = notebook("closed", started("closed", seconds=0.2))
    page = nb.page
    nb.run(1)
    wait_for(page, 4)
    nb.save()
    page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    page.locator(".jp-Notebook").wait_for(state="detached")
    page.evaluate(
        # Without braces the opened widget would be the result, which can't be serialized.
        "path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }",
        nb.path.name,
    )
    page.locator(".bcm-cell").first.wait_for()
    wait_for(page, 24)
    assert not page.locator(AWAY).count()
