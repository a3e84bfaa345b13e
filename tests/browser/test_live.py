"""The live view in a real JupyterLab, with the model that ships inside."""

import itertools

import pytest
from labpage import TOKEN, focused, same, until
from measure_live import DRAG, LIVE_CODE

pytestmark = pytest.mark.browser

SMALL = LIVE_CODE.format(more=", library=bc.library({name!r}), num_inference_steps=8")
SUM = """canvas => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum = (sum * 31 + data[i]) % 1000003;
  return sum;
}"""


@pytest.fixture
def live(notebook):
    """Open a live view; gives the notebook and its page."""

    def make(name, *more, theme=None, **look):
        nb = notebook(name, SMALL.format(name=name), *more, **look)
        if not look.get("opened", True):
            nb.open().run(0, wait=True)
        if theme:
            nb.page.evaluate(
                "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
                theme,
            )
        nb.run(1)
        at_rest(nb.page)
        return nb, nb.page

    return make


def at_rest(page):
    """Wait until the clip has all its steps and answers the last request."""
    page.wait_for_function(
        """() => {
          const root = document.querySelector('.bcm-root');
          return root?.dataset.phase === 'clip'
            && Number(root.dataset.shown ?? 0) >= Number(root.dataset.requested ?? 0);
        }"""
    )


def requested(page):
    """The number of requests that the front end has sent."""
    return int(page.locator(".bcm-root").first.get_attribute("data-requested") or 0)


def fill(page, field, text):
    """Type into a field, and wait for the clip of it: text is a request once typing stops."""
    before = requested(page)
    field.fill(text)
    page.wait_for_function(
        "before => Number(document.querySelector('.bcm-root').dataset.requested ?? 0) > before",
        arg=before,
    )
    at_rest(page)


def picture(page):
    """What the clip looks like: its first frame."""
    page.wait_for_function("() => document.querySelector('.bcm-livecanvas').dataset.frame === '0'")
    return page.locator(".bcm-livecanvas").evaluate(SUM)


def printed(nb, index):
    nb.run(index, wait=True)
    text = []

    def there():
        text[:] = [nb.output(index).strip()]
        assert text[0]

    until(nb.page, there)
    return text[0]


def test_the_clip_follows_the_mouse_and_the_keys(live):
    nb, page = live(
        "follows", "print(view.shot.prompt)", "print(view.controls.blend, view.shot.noise)"
    )
    before = picture(page)
    slider = page.get_by_label("Blend").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    phases = set()
    # To and fro until it is seen to follow, before the mouse is let go.
    for i in itertools.count(1):
        across = abs(i % 80 - 40) / 40
        page.mouse.move(box["x"] + 8 + across * box["width"] * 0.7, box["y"] + box["height"] / 2)
        page.wait_for_timeout(25)
        phases.add(page.locator(".bcm-root").get_attribute("data-phase"))
        if phases & {"draft", "preview"} and i >= 80 and across == 1:
            break
    page.mouse.up()
    at_rest(page)
    dragged = picture(page)
    assert dragged != before
    assert page.locator(".bcm-badge").inner_text() == "8 steps"
    nb.shot("live")
    assert "a butterfly over the ocean" in printed(nb, 2)
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    at_rest(page)
    assert picture(page) != dragged
    page.get_by_label("Blend").nth(1).focus()
    page.keyboard.press("End")
    at_rest(page)
    assert "(1, 1.0)" in printed(nb, 3)


def test_keys_play_roll_keep_copy_and_stay_in_the_view(live):
    nb, page = live("keys", "print(len(view.clips), view.clip.shot.seed, view.shot.seed)")
    state = nb.state()
    cells = nb.cells()
    page.locator(".bcm-root").focus()
    page.keyboard.press(" ")
    until(page, same(lambda: page.get_by_role("button", name="play (space)").count(), 1))
    page.keyboard.press(" ")
    before = picture(page)
    page.keyboard.press("r")
    at_rest(page)
    assert picture(page) != before
    page.keyboard.press("k")
    page.locator(".bcm-status").filter(has_text="1 saved").wait_for()
    page.keyboard.press("c")
    page.locator(".bcm-status").filter(has_text="cop").wait_for()
    page.keyboard.press("?")
    page.locator(".bcm-help").wait_for()
    nb.shot("live-help")
    for key in ("Escape", "b", "d", "d", "x"):
        page.keyboard.press(key)
    assert page.locator(".bcm-help").is_hidden()
    assert (nb.state()[1:], nb.cells()) == (state[1:], cells)
    count, kept, now = printed(nb, 2).split()
    assert (count, kept) == ("1", now)


def test_texts_seeds_and_wrong_input(live):
    nb, page = live(
        "texts", "print(view.shot.prompt, view.shot.seed)", "view.shot = bc.shot('a moth', seed=44)"
    )
    before = picture(page)
    area = page.get_by_label("Prompt A")
    fill(page, area, "a ladybug in a forest at night")
    assert picture(page) != before
    seed = page.get_by_label("Seed A", exact=True)
    seed.fill("12x")
    assert seed.get_attribute("aria-invalid") == "true"
    fill(page, seed, "1234")
    assert printed(nb, 2) == "a ladybug in a forest at night 1234"
    nb.run(3)
    until(page, same(area.input_value, "a moth"))
    until(page, same(seed.input_value, "44"))
    page.get_by_label("Prompt B").fill('<img src=x onerror="document.title=1"> \u202e\U0001f41d')
    fill(page, page.get_by_label("Blend").first, "0.5")
    assert page.locator(".bcm-root img").count() == 0


def test_a_drag_on_the_clip_blends_both(live):
    nb, page = live("pad", "print(view.controls.blend, view.controls.seed_blend)")
    box = page.locator(".bcm-scene").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + box["height"] - 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4, steps=8)
    page.mouse.up()
    at_rest(page)
    across, up = map(float, printed(nb, 2).split())
    assert across == pytest.approx(0.5, abs=0.02)
    assert up == pytest.approx(0.75, abs=0.02)


def test_a_hand_that_never_rests_sees_it_follow(live):
    _, page = live("drag")
    seen = 0
    while seen <= 4:
        seen += round(2 * page.evaluate(DRAG, 2)["pictures_a_second"])
    at_rest(page)


def test_unknown_words_are_noted_below_the_prompts_without_a_jump(live):
    _, page = live("live-words")
    notes, scene = page.locator(".bcm-promptnotes"), page.locator(".bcm-live")
    before = scene.bounding_box()["height"]
    fill(page, page.get_by_label("Prompt A"), "a zebra over dunes")
    notes.get_by_text("pollen ignores 'zebra', which it doesn't know.").wait_for()
    assert scene.bounding_box()["height"] == before
    fill(page, page.get_by_label("Prompt A"), "a bee over dunes")
    until(page, same(notes.inner_text, ""))


def test_kept_clips_stay_on_a_shelf_and_return_to_their_settings(live):
    # A page of its own, as it is reloaded.
    nb, page = live(
        "shelf", "print(view.shot.seed, view.shot.prompt, len(view.clips))", opened=False
    )
    height = page.locator(".bcm-live").bounding_box()["height"]
    page.get_by_text("Clips that you keep appear here").wait_for()
    posters = page.locator(".bcm-shelf button")
    seed = page.get_by_label("Seed A", exact=True)
    for count, value in enumerate(("7", "8", "9"), 1):
        fill(page, seed, value)
        page.get_by_role("button", name="keep the clip").click()
        until(page, same(posters.count, count))
        page.locator(".bcm-status").filter(has_text=f"{count} saved").wait_for()
    assert page.locator(".bcm-live").bounding_box()["height"] == height
    # A clip that is added leaves the focus where it is.
    posters.first.focus()
    page.keyboard.press("k")
    page.locator(".bcm-status").filter(has_text="3 saved").wait_for()
    assert focused(page, ".bcm-shelf button:nth-child(1)")
    assert posters.evaluate_all("all => all.filter(one => one.tabIndex === 0).length") == 1
    fill(page, page.get_by_label("Prompt A"), "a moth in snow")
    page.locator(".bcm-shelf [aria-current=true]").wait_for(state="detached")
    posters.first.hover()
    until(
        page,
        same(lambda: posters.first.evaluate("n => getComputedStyle(n).animationName"), "bcm-film"),
    )
    nb.shot("live-shelf")
    posters.first.click()
    until(page, same(seed.input_value, "7"))
    page.locator(".bcm-shelf [aria-current=true] >> nth=0").wait_for()
    assert printed(nb, 2) == "7 a bee over a meadow at noon 3"
    cells = nb.cells()
    posters.first.focus()
    for key in ("End", "ArrowRight", "x", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    until(page, same(seed.input_value, "8"))
    assert focused(page, ".bcm-shelf button:nth-child(2)")
    assert nb.cells() == cells
    page.emulate_media(forced_colors="active")
    look = "n => [getComputedStyle(n).outline, getComputedStyle(n).backgroundImage.slice(0, 9)]"
    assert "solid 3px" in posters.nth(1).evaluate(look)[0]
    assert "none" in posters.nth(0).evaluate(look)[0]
    assert posters.nth(0).evaluate(look)[1] == 'url("blob'
    nb.shot("live-shelf-forced")
    page.emulate_media(forced_colors="none")
    nb.save()
    page.reload()
    nb.ready()
    until(page, same(posters.count, 3))
    until(
        page,
        same(
            lambda: page.locator(".bcm-shelf [aria-current=true]").get_attribute("aria-label"),
            "kept clip 2: a bee over a meadow at noon · seed 8",
        ),
    )


def test_a_busy_kernel_is_said_and_caught_up_with(live):
    nb, page = live("busy", "import time; time.sleep(4)", "print(view.shot.seed)")
    nb.run(2)
    page.wait_for_timeout(300)
    fill(page, page.get_by_label("Seed A", exact=True), "77")
    assert printed(nb, 3) == "77"


def test_a_kernel_that_is_gone_is_said_in_a_sentence(live):
    nb, page = live("gone")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    page.wait_for_timeout(500)
    page.get_by_label("Seed A", exact=True).fill("5")
    page.get_by_text("The kernel was restarted or has ended").wait_for()
    nb.shot("live-gone")
    nb.run(0, wait=True)
    nb.run(1)
    at_rest(page)


def test_what_fails_is_a_sentence_on_the_clip_and_goes_with_the_next(live):
    nb, page = live(
        "fails",
        "kept = type(view.model).generate; type(view.model).generate = lambda *a, **k: 1 / 0",
        "type(view.model).generate = kept",
    )
    nb.run(2, wait=True)
    seed = page.get_by_label("Seed A", exact=True)
    seed.fill("55")
    page.locator(".bcm-scene .bcm-toast").filter(has_text="division by zero").wait_for()
    nb.shot("live-problem")
    nb.run(3, wait=True)
    fill(page, seed, "56")
    assert page.locator(".bcm-toast").is_hidden()


def test_two_views_move_together(live):
    nb, page = live("two", "view")
    page.get_by_label("Blend").nth(0).fill("0.4")
    nb.run(2)
    until(page, same(lambda: page.locator(".bcm-root").count(), 2))
    # The view that is opened later starts with the values of the first.
    assert page.get_by_label("Blend").nth(2).input_value() == "0.4"
    prompt = page.get_by_label("Prompt A").nth(1).input_value()
    assert prompt
    page.get_by_label("Blend").nth(3).fill("0.2")
    until(page, same(page.get_by_label("Blend").nth(1).input_value, "0.2"))
    assert page.get_by_label("Prompt A").nth(0).input_value() == prompt
    page.get_by_label("Blend").nth(0).fill("0.6")
    until(page, same(page.get_by_label("Blend").nth(2).input_value, "0.6"))
    at_rest(page)
    page.wait_for_function(
        """() => new Set([...document.querySelectorAll('.bcm-scene')].map(one => one.dataset.phase))
          .size === 1"""
    )
    page.get_by_label("Seed A", exact=True).nth(1).fill("31")
    until(page, same(page.get_by_label("Seed A", exact=True).nth(0).input_value, "31"))


def test_after_reopening_a_picture_remains(live, lab):
    nb, page = live("reopened")
    fill(page, page.get_by_label("Blend").first, "0.7")
    page.wait_for_timeout(800)
    saved = nb.save()
    texts = "".join(str(output) for cell in saved.cells for output in cell.get("outputs", ()))
    assert texts.count("data:image/webp;base64") == 1
    assert len(texts) < 200_000
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.goto(f"{lab[0]}/lab/workspaces/again/tree/{nb.path.name}?token={TOKEN}")
    page.locator(".beecam-static img").wait_for()
    assert page.locator(".bcm-root").count() == 0
    nb.shot("live-reopened")


@pytest.mark.parametrize(
    ("name", "size", "theme"),
    [
        ("wide-light", (1500, 900), None),
        ("wide-dark", (1500, 900), "JupyterLab Dark"),
        ("narrow-dark", (760, 1100), "JupyterLab Dark"),
    ],
)
def test_how_it_looks(live, name, size, theme):
    nb, page = live(name, size=size, theme=theme)
    page.locator("summary").click()
    fill(page, page.get_by_label("Blend").first, "0.35")
    page.locator(".bcm-root").scroll_into_view_if_needed()
    nb.shot(f"live-{name}")
    wide = page.locator(".bcm-root").evaluate("n => [n.scrollWidth, n.clientWidth]")
    assert wide[0] <= wide[1]
