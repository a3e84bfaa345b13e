"""How the grid looks: themes, many clips, one clip, unusual prompts; the screenshots are looked at."""

import pytest
from labpage import CONTRAST, SHOTS, focused, frame, same, started, until, wait_for
from measure import LIBRARY_CODE

pytestmark = pytest.mark.browser


def test_dark_theme(notebook):
    nb = notebook("dark", started("dark", batch=4, seeds=4, broken="ice", place='["sea", "ice"]'))
    page = nb.page
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-root.bcm-dark").wait_for()
    contrast = page.evaluate(
        CONTRAST, [".bcm-inner", ".bcm-outer", ".bcm-count", ".bcm-title", ".bcm-note"]
    )
    assert all(value >= 4.5 for value in contrast.values()), contrast
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("ArrowRight")
    nb.shot("dark")
    page.keyboard.press("Enter")
    page.locator("video.bcm-loaded").wait_for()
    nb.shot("dark-large")
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
    )
    page.locator(".bcm-root:not(.bcm-dark)").wait_for()


def test_many_clips_scroll_smoothly(notebook):
    show = LIBRARY_CODE.format(name="many", count=400)
    nb = notebook("many", show, "bw.ClipGrid(clips, size=96)")
    page = nb.page
    nb.run(1, wait=True)
    nb.run(2)
    wait_for(page, 20)
    cells = page.locator(".bcm-cell").count()
    assert cells < 250, "only what is seen is on the page"
    nb.shot("many")
    scroll = page.locator(".bcm-scroll")
    scroll.evaluate("s => s.scrollTo(0, s.scrollHeight)")
    page.wait_for_timeout(200)
    assert page.locator(".bcm-cell").count() < 250
    wait_for(page, 20)
    # Headers stay in view.
    top = scroll.bounding_box()
    head = page.locator(".bcm-head").bounding_box()
    assert abs(head["y"] - top["y"]) < 2
    scroll.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    nb.shot("many-scrolled")
    current = page.locator(".bcm-cell.bcm-current").bounding_box()
    assert top["x"] < current["x"] < top["x"] + top["width"]


def test_hostile_and_long_prompts_one_clip_and_calm_pages(notebook):
    prompts = [
        "<img src=x onerror=alert(1)> a bee over a meadow in the very early morning light, seen from far",
        "a moth \U0001f98b over a meadow in the very early morning light, seen from near",
        "نحلة فوق مرج a bee over a meadow in the very early morning light, seen from above",
    ]
    show = (
        "library = bc.library('odd')\n"
        f"run = bc.run(bc.sweep({prompts!r}, seed=range(3)), DrawnModel(), library=library).wait()\n"
        "one = bc.run(bc.shot('a bee'), DrawnModel(), library=library).wait()\nrun"
    )
    nb = notebook("odd", show, "one", size=(900, 900), reduced="reduce")
    page = nb.page
    nb.run(1)
    wait_for(page, 9)
    assert page.locator(".bcm-root img").count() == 0
    before = frame(page.locator(".bcm-cell").first)
    page.wait_for_timeout(600)
    assert frame(page.locator(".bcm-cell").first) == before, "calm pages don't move"
    nb.shot("odd-prompts")
    nb.run(2)
    page.locator(".bcm-root").nth(1).wait_for()
    wait_for(page, 10)
    page.locator(".bcm-root").nth(1).scroll_into_view_if_needed()
    nb.shot("one-clip")


LONG = """\
insects = bc.Axis("insect", ["bee", "moth", "a very long insect name that goes on and on"],
                  notes=["small", "at night", ""])
sweep = bc.sweep("a {insect} over {place} at {light}", insect=insects, place=["sea", "the dunes by the sea"],
                 light=["dawn", "dusk"], seed=range(3))
run = bc.run(sweep, DrawnModel(batch=8), library=bc.library("long")).wait()
"""


def test_long_labels_have_room_and_stand_in_line(notebook):
    nb = notebook(
        "long",
        LONG + "bw.ClipTable(run)",
        'bw.ClipGrid(run, rows=["insect", "place", "light"], height=360, size=80)',
    )
    page = nb.page
    nb.run(1)
    lines = page.locator(".bcm-tablehead, .bcm-tablerow")
    lines.nth(12).wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:toggle-main')")
    for wide in (1280, 420):
        page.set_viewport_size({"width": wide, "height": 900})
        page.wait_for_timeout(300)
        nb.shot(f"table-{wide}")
        lefts = lines.evaluate_all(
            "all => all.map(line => [...line.children].slice(1).map(one => one.offsetLeft).join())"
        )
        assert len(set(lefts)) == 1, "all rows have the columns of the head"
    nb.run(2)
    grid = page.locator(".bcm-root").nth(1)
    grid.locator(".bcm-rowhead").nth(3).wait_for()
    for wide in (420, 1280):
        page.set_viewport_size({"width": wide, "height": 900})
        page.wait_for_timeout(300)
        grid.scroll_into_view_if_needed()
        nb.shot(f"heads-{wide}")
        cut = grid.locator(".bcm-rowhead, .bcm-colhead").evaluate_all(
            """all => all.filter(head => {
              const [outside, parts] = [head.getBoundingClientRect(), [...head.children]];
              return parts.some(one => {
                const box = one.getBoundingClientRect();
                return box.top < outside.top - 1 || box.bottom > outside.bottom + 1;
              });
            }).map(head => head.textContent)"""
        )
        assert cut == []
        # A group says its label once, with the note, also where it is scrolled into.
        dunes = "the dunes by…" if wide == 420 else "the dunes by the sea"
        assert outer(grid)[:3] == ["bee (small)", "sea", dunes]
    grid.locator(".bcm-scroll").evaluate("s => s.scrollTo(0, 150)")
    until(
        page,
        same(lambda: outer(grid)[:3], ["bee (small)", "the dunes by the sea", "moth (at night)"]),
    )


def outer(grid):
    """The labels of outer axes that are shown, from the top."""
    # At once: rows come and go while the table is scrolled.
    return grid.locator(".bcm-scroll").evaluate(
        """scroll => {
          const top = scroll.getBoundingClientRect().top;
          return [...scroll.querySelectorAll(".bcm-outer")]
            .map(one => [one.getBoundingClientRect().top - top, one])
            .filter(([y, one]) => y > 30 && y < 300 && getComputedStyle(one).visibility === "visible")
            .sort(([a], [b]) => a - b).map(([, one]) => one.innerText);
        }"""
    )


FOUR_AXES = """\
sweep = bc.sweep("a {insect} over {place} at {light}", insect=["bee", "moth", "fly"], place=["sea", "ice", "dunes"],
                 light=["dawn", "noon", "dusk"], seed=range(3), height=96, num_frames=9)
run = bc.run(sweep, DrawnModel(batch=27), library=bc.library("four")).wait()
"""
# How many cells are whole in the scroll area, and which controls of the bar overlap.
_IN_VIEW = """root => {
  const area = root.querySelector(".bcm-scroll").getBoundingClientRect();
  const [left, top] = [
    Math.max(...[...root.querySelectorAll(".bcm-rowhead")].map(one => one.getBoundingClientRect().right)),
    root.querySelector(".bcm-head").getBoundingClientRect().bottom,
  ];
  const whole = [...root.querySelectorAll(".bcm-cell")].map(one => one.getBoundingClientRect()).filter(
    box => box.left >= left - 1 && box.top >= top - 1 && box.right <= area.right + 1 && box.bottom <= area.bottom + 1);
  const controls = [...root.querySelectorAll(".bcm-toolbar button, .bcm-toolbar input, .bcm-count")]
    .filter(one => one.checkVisibility()).map(one => one.getBoundingClientRect());
  const overlapping = controls.filter((a, i) => controls.slice(i + 1).some(
    b => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length;
  return [whole.length, overlapping];
}"""


def test_most_of_81_clips_of_four_axes_are_whole(notebook):
    nb = notebook("four", FOUR_AXES + "bw.ClipGrid(run)")
    page = nb.page
    nb.run(1)
    page.locator(".bcm-cell").nth(26).wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:toggle-main')")
    root = page.locator(".bcm-root")
    for wide, least in ((1280, 40), (620, 20), (360, 6)):
        page.set_viewport_size({"width": wide, "height": 900})

        def check(least=least):
            count, overlapping = root.evaluate(_IN_VIEW)
            assert page.locator(".bcm-count").inner_text() == f"81 of 81 · {count} in view"
            assert count >= least
            assert overlapping == 0

        until(page, check)
        nb.shot(f"four-axes-{wide}")
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    page.locator(".bcm-root.bcm-dark").wait_for()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(500)
    nb.shot("four-axes-dark")
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
    )
    page.locator(".bcm-root:not(.bcm-dark)").wait_for()


def test_nothing_moves_while_clips_are_selected_found_and_arranged(notebook):
    """Places are kept: what the pointer is on stays where it is."""
    show = started("places", seeds=4, broken="ice", place='["sea", "ice"]')
    nb = notebook("places", show, "# below")
    page = nb.page
    nb.run(1)
    wait_for(page, 8)
    page.locator(".bcm-run", has_text="Retry failed").wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:toggle-main')")
    query = page.locator(".bcm-query").first
    for wide in (1280, 620, 360):
        page.set_viewport_size({"width": wide, "height": 900})
        page.wait_for_timeout(500)

        def places():
            root = page.locator(".bcm-root")
            tops = ".bcm-find, .bcm-look, .bcm-scroll:not([hidden]), .bcm-empty:not([hidden])"
            return root.evaluate(
                """(root, tops) => {
                  const boxes = [...root.querySelectorAll(tops)].map(one => one.getBoundingClientRect());
                  const { top, height } = root.getBoundingClientRect();
                  return [...boxes.map(box => box.top - top), height].map(Math.round);
                }""",
                tops,
            )

        before = places()
        page.locator(".bcm-scroll").focus()
        page.keyboard.press("Home")
        for key in ("s", "ArrowRight", "s", "ArrowRight", "s"):
            page.keyboard.press(key)
            assert places() == before, key
        page.locator(".bcm-root").evaluate("root => root.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(300)
        chip = page.locator(".bcm-chip").first.bounding_box()
        page.mouse.move(chip["x"] + 5, chip["y"] + 5)
        page.mouse.down()
        page.mouse.move(chip["x"] + 45, chip["y"] + 14, steps=3)
        only = page.locator(".bcm-zone[data-zone=fixed]")
        assert only.is_visible()
        assert places() == before, "while an axis is dragged"
        page.mouse.move(2, 2)
        page.mouse.up()
        assert not only.is_visible()
        query.fill("no such word")
        page.get_by_text("No clip matches").wait_for()
        assert places() == before, "while nothing is found"
        page.get_by_role("button", name="clear the filter").click()
        page.get_by_text("No clip matches").wait_for(state="hidden")
        assert places() == before
        page.locator(".bcm-scroll").focus()
        page.keyboard.press("Escape")


def test_labels_are_read_in_full_and_errors_uncovered(notebook):
    long = (
        "the dunes by the sea in the very early morning light of a day in March, seen from a ship"
    )
    nb = notebook("labels", started("labels", seeds=2, broken="ice", place=f'["ice", {long!r}]'))
    page = nb.page
    nb.run(1)
    wait_for(page, 4)
    page.locator("[data-status=failed]").first.hover()
    assert page.locator(".bcm-scrubbing").count() == 0
    page.locator(".bcm-rowhead", has_text="dunes").first.click()
    page.locator(".bcm-menuitem", has_text=long).wait_for()
    nb.shot("label-in-full")
    page.keyboard.press("Escape")
    assert page.locator(".bcm-menu").count() == 0
    assert page.locator("[role=grid]").get_attribute("aria-label") == "a {insect} over {place}"


# How wide clips are; of tall ones, how high.
LONGER_SIDES = """() => [...document.querySelectorAll('.bcm-media, .bcm-stage, .jp-RenderedHTML video')]
  .filter(one => one.checkVisibility()).map(one => Math.max(one.clientWidth, one.clientHeight))"""


@pytest.mark.slow
def test_one_or_two_clips_are_at_least_320_pixels_wide_everywhere(notebook):
    made = """\
model, library = DrawnModel(), bc.library("few")
one = bc.run(bc.shot("a bee"), model, library=library).wait()
two = bc.run(bc.sweep("a bee", seed=[1, 2]), model, library=library).wait()
tall = bc.run(bc.shot("a bee", width=96, height=160), model, library=library).wait()
clip = one.clips[0]
table = bc.run(bc.sweep("a {x}", x=["bee"], seed=[1, 2]), model, library=library).wait()"""
    shows = {
        "one": 1,
        "two": 2,
        "tall": 1,
        "bw.ClipGrid(table, rows=['x'])": 2,
        "bw.ClipViewer(one)": 1,
        "clip": 1,
    }
    nb = notebook("few", made, *shows)
    page = nb.page
    nb.run(1, wait=True)
    for index, (source, count) in enumerate(shows.items(), 2):
        nb.run(index, wait=True)

        def check(count=count, source=source):
            sides = page.evaluate(LONGER_SIDES)
            assert len(sides) == count, source
            assert min(sides) >= 320, (source, sides)

        until(page, check)
        nb.shot(f"few-{index}")
        page.evaluate(CLEAR, index)


@pytest.mark.slow
def test_rows_of_a_table_have_one_height_and_drafts_a_mark(notebook):
    made = """\
model, library = DrawnModel(), bc.library("rows")
run = bc.run(bc.sweep("a {x}", x=["bee", "moth"], seed=range(3)), model, library=library).wait()
tall = bc.run(bc.shot("a bee", width=96, height=160), model, library=library).wait()
draft = bc.run(bc.sweep("a {x}", x=["ant"]), model, library=library, draft=0.5).wait()"""
    shows = {
        "bw.ClipTable(run.clips[:1])": (1, 0),
        "bw.ClipTable(run.clips[:2])": (2, 0),
        "bw.ClipTable(run.clips[:3])": (3, 0),
        "bw.ClipTable(tall)": (1, 0),
        "bw.ClipTable(library.clips())": (8, 1),
        "bw.ClipGrid(library.clips(), size=64)": (8, 1),
        "bw.ClipGrid(library.clips(), size=160)": (8, 1),
        "bw.ClipGrid(draft)": (1, 0),
    }
    nb = notebook("rows", made, *shows)
    page = nb.page
    nb.run(1, wait=True)
    heights = set()
    for index, (source, (count, drafts)) in enumerate(shows.items(), 2):
        nb.run(index, wait=True)
        wait_for(page, count)
        marks = page.get_by_text("draft", exact=True)
        until(page, same(marks.count, drafts))
        assert all(one.is_visible() for one in marks.all()), source
        if drafts:
            assert marks.evaluate("n => getComputedStyle(n).opacity") == "1"
        heights |= set(
            page.locator(".bcm-tablerow").evaluate_all("n => n.map(r => r.offsetHeight)")
        )
        nb.shot(f"rows-{index}")
        page.evaluate(CLEAR, index)
    nb.run(2 + len(shows) - 1, wait=True)
    count = page.locator(".bcm-toolbar .bcm-count")
    until(page, same(lambda: count.get_attribute("title") == count.inner_text() != "", True))
    assert len(heights) == 1
    assert heights.pop() < 80


CLEAR = """index => {
  window.jupyterapp.shell.currentWidget.content.widgets[index].model.clearExecution();
}"""

# What scrolls around a grid or a table, itself included, but not the notebook.
SCROLLS = """place => [...document.querySelectorAll(`${place} .bcm-scroll`)].map(node => {
  let count = 0;
  for (let at = node; at; at = at.parentElement) {
    if (at.matches('.jp-WindowedPanel-outer')) break;
    const scrolls = /auto|scroll/.test(getComputedStyle(at).overflowY);
    if (scrolls && at.scrollHeight > at.clientHeight) count += 1;
  }
  return count;
})"""
FILLS = """root => root.offsetHeight > 0.9 * root.closest('.jp-LinkedOutputView').offsetHeight"""
COMMAND = """name => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 1;
  notebook.deselectAll();
  return window.jupyterapp.commands.execute(name);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("surface", ["run", "bw.ClipTable(run.wait())"])
def test_outputs_of_a_limited_height_have_one_scroll(notebook, surface):
    nb = notebook("one-scroll", started("one-scroll", seeds=20) + "\n" + surface)
    page = nb.page
    nb.run(1)
    wait_for(page, 3)
    until(page, same(lambda: page.evaluate(SCROLLS, ".jp-Notebook"), [1]))
    before = page.locator(".bcm-scroll").bounding_box()["height"]
    page.evaluate(COMMAND, "notebook:enable-output-scrolling")
    until(page, same(lambda: page.evaluate(SCROLLS, ".jp-Notebook"), [1]))
    assert page.locator(".bcm-scroll").bounding_box()["height"] < before
    page.evaluate(COMMAND, "notebook:disable-output-scrolling")
    until(page, same(lambda: page.locator(".bcm-scroll").bounding_box()["height"], before))
    page.evaluate(COMMAND, "notebook:create-output-view")
    view = page.locator(".jp-LinkedOutputView")
    view.locator("[data-shows=clip]").first.wait_for()
    for height in (1200, 1000):
        page.set_viewport_size({"width": 1280, "height": height})
        until(page, same(lambda: page.evaluate(SCROLLS, ".jp-LinkedOutputView"), [1]))
        # It takes what there is.
        until(page, same(lambda: view.locator(".bcm-root").evaluate(FILLS), True))
    nb.shot("one-scroll")
    page.evaluate(
        """() => [...window.jupyterapp.shell.widgets('main')]
        .filter(one => one.node.querySelector('.jp-LinkedOutputView')).forEach(one => one.dispose())"""
    )


NOTED = """\
import warnings; warnings.simplefilter("ignore")
class Noted(DrawnModel):
    def known_words(self):
        return ("bee",)

    def notes(self, shots):
        from beecam.models.model import Note
        return [Note("prompt", f"prompt: drawn ignores <b>word {i}</b>, which it doesn't know.") for i in range(30)]

run = bc.run(bc.sweep("a bee", seed=range(3)), Noted(), library=bc.library("noted")).wait()
"""


def test_notes_of_a_run_are_one_line_that_opens_and_goes(notebook):
    nb = notebook("noted", NOTED + "bw.ClipGrid(run)", "bw.ClipTable(run)")
    page = nb.page
    nb.run(1)
    wait_for(page, 3)
    line = page.locator(".bcm-notes")
    assert line.bounding_box()["height"] < 32
    assert line.locator("b").count() == 0
    page.locator(".bcm-root").screenshot(path=SHOTS / "notes.png")
    state = nb.state()
    text = line.locator(".bcm-notetext")
    text.focus()
    page.keyboard.press("Enter")
    until(page, same(lambda: line.bounding_box()["height"] > 200, True))
    assert text.inner_text().splitlines()[-1] == "run.notes has 10 more notes."
    page.locator(".bcm-root").screenshot(path=SHOTS / "notes-open.png")
    page.keyboard.press(" ")
    until(page, same(lambda: line.bounding_box()["height"] < 32, True))
    line.get_by_role("button", name="dismiss").click()
    line.wait_for(state="hidden")
    assert focused(page, ".bcm-scroll")
    assert nb.state() == state
    # Another surface has them, too.
    nb.run(2)
    page.locator(".bcm-tablerow").first.wait_for()
    assert page.locator(".bcm-notes:visible").count() == 1
