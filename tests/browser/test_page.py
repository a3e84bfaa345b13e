"""The offline page, opened as a file with the network off and used by hand."""

import contextlib
import re

import pytest
from drawn import DrawnModel
from labpage import SHOTS, find_flaws, frame, pixels, same, until
from test_exploring import labels, shown

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import open_library
from beecam.export import notebook
from beecam.sweeps.axes import Axis

pytestmark = pytest.mark.browser

HOSTILE = (
    "</script><script>document.title='owned'</script><!-- <img src=x onerror=document.title='owned'>"
    " \u2028 \u202enحلة 🦋"
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    library = open_library(tmp_path_factory.mktemp("page") / "library")
    sweep = bc.sweep(
        "a {insect} over {place}", insect=["bee", "moth"], place=["sea", "dunes"], seed=range(3)
    )
    run = bc.run(sweep, DrawnModel(batch=4), library=library).wait()
    run.clips[1].stars = 4
    run.clips[2].stars, run.clips[5].rejected = 2, True
    yield run.clips
    library.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open clips as a page; nothing may be loaded from elsewhere, or be said in the console."""
    with contextlib.ExitStack() as ending:

        def make(
            clips,
            *,
            size=(1280, 860),
            scheme="light",
            script=True,
            axe=False,
            touch=False,
            **export,
        ):
            path = clips.export_html(tmp_path / "page.html", **export)
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme=scheme,
                offline=True,
                java_script_enabled=script,
                bypass_csp=axe,
                has_touch=touch,
                is_mobile=touch,
            )
            ending.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            said, asked = [], []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url[:60]))
            ending.callback(lambda: _quiet(said, asked))
            page.goto(f"file://{path}")
            return page

        yield make


def _quiet(said, asked):
    assert said == [], "a violation of the policy, or an error"
    assert [url for url in asked if not re.match("file:|data:|blob:", url)] == []


def ready(page, count):
    page.locator("[data-shows=clip]").nth(count - 1).wait_for()


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_clips_play_and_are_arranged_found_and_ordered(opened, clips):
    page = opened(clips, title="Bees and moths")
    ready(page, 12)
    shot(page, "page")
    assert page.locator("h1").inner_text() == "Bees and moths"
    assert pixels(page.locator(".bcm-cell").first) > 10
    before = frame(page.locator(".bcm-cell").first)
    until(page, lambda: _differs(frame(page.locator(".bcm-cell").first), before))
    # What needs a kernel is not there.
    for name in ("run", "stop the run", "generate the clips of the empty cells"):
        assert page.get_by_role("button", name=name, exact=True).count() == 0
    # An axis is dragged to the columns.
    chip = page.locator(".bcm-chip[data-axis=insect]").bounding_box()
    zone = page.locator(".bcm-zone[data-zone=columns]").bounding_box()
    page.mouse.move(chip["x"] + 8, chip["y"] + 8)
    page.mouse.down()
    page.mouse.move(zone["x"] + zone["width"] - 3, zone["y"] + 8, steps=4)
    page.mouse.up()
    until(page, same(lambda: labels(page)[0], ["sea", "dunes"]))
    # Found and ordered, also by stars that were given here.
    page.locator(".bcm-cell[data-cell='0']").hover()
    page.locator(".bcm-hoverbar button").nth(4).click()
    find = page.get_by_role("searchbox", name="find clips")
    find.fill("stars>=1 -is:rejected")
    until(page, same(lambda: sorted(shown(page)), [0, 1, 2]))
    page.get_by_role("button", name="sort").click()
    page.locator(".bcm-menuitem", has_text="stars").click()
    until(page, same(lambda: shown(page), [0, 1, 2]))
    shot(page, "page-ordered")
    find.fill("nothing:1")
    page.locator(".bcm-problem", has_text="no 'nothing' here").wait_for()


def _differs(now, before):
    assert now != before


def test_a_clip_is_opened_and_clips_are_compared_by_keys(opened, clips):
    page = opened(clips, title="Keys")
    ready(page, 12)
    page.locator(".bcm-scroll").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("5")
    assert page.locator(".bcm-cell[data-cell='1'] .bcm-rating").text_content().strip() == "★★★★★"
    page.keyboard.press("Enter")
    page.locator("video.bcm-loaded").wait_for()
    shot(page, "page-large")
    side = page.locator(".bcm-details").inner_text()
    assert "a bee over sea" in side
    assert "bc.shot('a bee over sea'" in side
    first = page.locator("video.bcm-loaded").evaluate("v => v.currentTime")
    until(
        page,
        lambda: _differs(page.locator("video.bcm-loaded").evaluate("v => v.currentTime"), first),
    )
    page.keyboard.press("Escape")
    for key in ("s", "ArrowRight", "s", "c"):
        page.keyboard.press(key)
    page.locator("video.bcm-loaded").nth(1).wait_for()
    assert page.locator(".bcm-pane").count() == 2
    shot(page, "page-compared")
    assert page.locator(".bcm-panetext").all_inner_texts() == ["seed 1", "seed 2"]
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.locator(".bcm-tagbox input").fill("odd one")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.locator(".bcm-tags", has_text="odd one").count() == 2
    page.keyboard.press("?")
    help_ = page.locator(".bcm-help").inner_text()
    assert "side by side" in help_
    assert "another seed" not in help_, "no kernel, no other clip"
    page.keyboard.press("r")
    assert page.locator(".bcm-toast:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_axe_finds_in_the_page(opened, clips, scheme):
    page = opened(clips, scheme=scheme, axe=True)
    ready(page, 12)
    assert find_flaws(page, "body") == []


def test_hostile_texts_run_nothing_and_break_nothing(opened, clips, tmp_path):
    library = clips.library
    odd = ClipSet(
        library,
        clips.keys[:4],
        title=HOSTILE,
        axes=[
            Axis(HOSTILE, (1, 2), labels=(HOSTILE, "very " * 1000), notes=(HOSTILE, HOSTILE)),
            Axis("constructor", (1, 2), labels=("__proto__", "toString")),
        ],
        coords=[{HOSTILE: i // 2, "constructor": i % 2} for i in range(4)],
    )
    prompts = bc.run(bc.sweep(HOSTILE, seed=range(2)), DrawnModel(), library=library).wait().clips
    prompts[0].tags, prompts[0].stars = [HOSTILE[:80]], 3
    for number, some in enumerate((odd, prompts)):
        page = opened(some, title=HOSTILE)
        ready(page, len(some))
        shot(page, f"page-hostile-{number}")
        assert page.locator("h1").inner_text().startswith("</script><script>")
        assert page.title().startswith("</script>")
        page.locator(".bcm-cell").first.click()
        page.locator("video.bcm-loaded").wait_for()
        page.keyboard.press("Escape")
        find = page.get_by_role("searchbox", name="find clips")
        find.fill("<script>")
        page.wait_for_timeout(300)
        assert len(shown(page)) == 2
        assert page.locator("img:visible, iframe").count() == 0
        assert page.evaluate("() => document.scripts.length") == 2
        assert "owned" not in {page.title(), page.evaluate("() => document.title")}


def test_without_javascript_and_on_paper_it_is_a_contact_sheet(opened, clips):
    page = opened(clips, script=False)
    page.locator("figure img").nth(11).wait_for()
    assert page.locator("figure video:visible").count() == 2, "the starred ones"
    assert page.locator("noscript p").is_visible()
    shot(page, "page-without-script")
    page = opened(clips, size=(800, 1000))
    ready(page, 12)
    assert page.locator("figure:visible").count() == 0
    page.emulate_media(media="print")
    page.locator("figure img").nth(11).wait_for()
    assert page.locator(".bcm-root:visible").count() == 0
    drawn = "all => all.every(one => one.naturalWidth > 0)"
    until(page, same(lambda: page.locator("figure img").evaluate_all(drawn), True))
    shot(page, "page-printed")


def test_what_was_left_out_is_said_and_plays_from_its_sheet(opened, clips):
    clips.library.sheet_path(clips.keys[11]).rename(
        clips.library.sheet_path(clips.keys[11]).with_suffix(".x")
    )
    page = opened(clips, max_bytes=350_000)
    ready(page, 11)
    note = page.locator(".bcm-cell[data-cell='11'] .bcm-note")
    assert "image was missing" in note.inner_text()
    assert re.search(r"the videos of 2 of 11 clips", page.locator("footer").inner_text())
    page.locator(".bcm-cell").first.click()
    page.wait_for_timeout(500)
    assert page.locator("video").locator("visible=true").count() == 0
    still = page.locator(".bcm-poster")
    assert (
        still.evaluate(
            "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
        )
        > 10
    )
    shot(page, "page-left-out")


def test_narrow_and_dark(opened, clips):
    page = opened(clips, size=(390, 760), scheme="dark")
    ready(page, 6)
    page.locator(".bcm-root.bcm-dark").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    shot(page, "page-narrow-dark")
    page.emulate_media(color_scheme="light")
    page.locator(".bcm-root:not(.bcm-dark)").wait_for()


@pytest.mark.parametrize("wide", [320, 390, 700])
def test_a_finger_opens_and_closes_a_clip_on_a_phone(opened, clips, wide):
    page = opened(clips, size=(wide, 760), touch=True)
    ready(page, 6)
    page.locator(".bcm-cell").first.tap()
    page.locator("video.bcm-loaded").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    shot(page, f"page-large-{wide}")
    page.get_by_role("button", name="reject (X)").last.tap()
    page.get_by_role("button", name="close (Esc)").tap()
    page.locator(".bcm-lightbox").wait_for(state="hidden")


def test_the_page_starts_as_the_grid_of_the_notebook(opened, clips, monkeypatch):
    settings = {
        "rows": ["seed"],
        "columns": ["insect"],
        "fixed": {"place": "dunes"},
        "filter": "seed<2",
        "sort": "",
    }
    monkeypatch.setattr(notebook, "_views", [lambda *_: settings])
    page = opened(clips, title="As in the notebook")
    until(page, same(lambda: shown(page), [3, 9, 4, 10]))
    ready(page, 4)
    shot(page, "page-layout")
    assert labels(page) == [["0", "1"], ["bee", "moth"]]
    assert _zones(page) == {"rows": ["seed"], "columns": ["insect"], "fixed": ["place: dunes"]}
    assert page.get_by_role("searchbox", name="find clips").input_value() == "seed<2"
    # The settings are a start: all of them can be changed.
    page.get_by_role("button", name="next place").click()
    until(page, same(lambda: sorted(shown(page)), [0, 1, 6, 7]))
    page = opened(clips, rows=["place", "insect"], columns="seed")
    until(page, same(lambda: sorted(shown(page)), [0, 1, 3, 4, 6, 7, 9, 10]))
    shot(page, "page-layout-in-code")
    assert _zones(page) == {"rows": ["place", "insect"], "columns": ["seed"], "fixed": []}


def _zones(page):
    """The texts of the chips in each zone."""
    return {
        zone: page.locator(f".bcm-zone[data-zone={zone}] .bcm-chip").all_inner_texts()
        for zone in ("rows", "columns", "fixed")
    }
