"""The panel in a real JupyterLab with the real model: typed, filled, run, paused, found again."""

import json

import pytest
from labpage import CONTRAST, find_flaws, same, until, wait_for

pytestmark = pytest.mark.browser

SHOW = "panel = bw.explore(library=bc.library({name!r}), template='a {{insect}} over {{place}}')\npanel"
# Clips in four steps, for tests in which they only have to be there.
FAST = "bc.load(speed='fast'), "


def texts(locator):
    return [one.inner_text().strip() for one in locator.all()]


def chips(page, slot):
    return texts(page.locator(f"[data-slot={slot}] .bcm-chiptext"))


def add(page, slot, *values):
    page.locator(f"[data-slot={slot}] .bcm-add").click()
    for value in values:
        page.keyboard.type(value)
        page.keyboard.press("Enter")


def asked(notebook, index):
    notebook.run(index, wait=True)
    text = notebook.output(index)
    return json.loads(text)


def costs(page):
    return page.locator(".bcm-cost").inner_text()


def opened(notebook, name, *more, **how):
    nb = notebook(name, SHOW.format(name=name), *more, **how)
    nb.run(1)
    nb.page.locator(".bcm-panel").wait_for()
    return nb


def test_the_first_press_makes_eight_clips_and_commas_two_values(notebook):
    show = "panel = bw.explore(bc.load(speed='fast'), library=bc.library('eight'))\npanel"
    nb = notebook("eight", show, size=(1280, 1100))
    page = nb.page
    nb.run(1)
    page.locator(".bcm-panel .bcm-primary:enabled").wait_for()
    assert costs(page).startswith("8 clips")
    assert page.locator(".bcm-unknownword").count() == 0, "the model knows its words"
    nb.shot("panel-first")
    page.locator(".bcm-primary").click()
    wait_for(page, 8)
    add(page, "insect", "moth, ladybug", '"bee, seen from afar"')
    assert chips(page, "insect") == ["bee", "butterfly", "moth", "ladybug", "bee, seen from afar"]


def test_a_template_is_typed_its_axes_filled_and_its_grid_fills(notebook):
    ask = (
        "print(__import__('json').dumps([panel.template, {n: list(a.values) for n, a in "
        "panel.axes.items()}, len(panel.sweep), panel.current_run.status]))"
    )
    nb = opened(notebook, "typed", ask, size=(1280, 1100))
    page = nb.page
    assert not page.locator(".bcm-scroll").is_visible(), "the grid waits for a run"
    area = page.locator(".bcm-templateinput")
    assert texts(page.locator(".bcm-mirror mark")) == ["{insect}", "{place}"]
    area.click()
    page.keyboard.press("End")
    page.keyboard.type(", {view")
    assert page.locator("[data-slot=view]").count() == 0
    assert texts(page.locator(".bcm-mirror mark.bcm-invalid")) == ["{view"]
    page.keyboard.type("}")
    assert page.locator("[data-slot=view]").count() == 1, "at once"
    until(page, same(lambda: costs(page), "Add values to insect, place, view"))
    assert page.locator(".bcm-primary").is_disabled()
    nb.shot("panel-slots")
    # The browser's own undo works in the field, and does not undo the notebook.
    before = nb.state()
    page.keyboard.press("Control+z")
    until(page, same(lambda: page.locator("[data-slot=view]").count(), 0))
    page.keyboard.press("Control+Shift+z")
    until(page, same(lambda: page.locator("[data-slot=view]").count(), 1))
    assert nb.state() == before
    add(page, "insect", "a bee", "a ladybug")
    page.locator("[data-slot=place] .bcm-add").evaluate(
        """node => {
          const data = new DataTransfer();
          data.setData('text/plain', 'the ocean\\n a meadow\\n\\nthe ocean\\n');
          node.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    add(page, "view", "seen from a drone")
    assert chips(page, "place") == ["the ocean", "a meadow"]
    until(page, same(lambda: costs(page).split(" · ")[0], "4 clips = 2 insect × 2 place"))
    # A slot that is deleted takes its values along, and brings them back.
    area.click()
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    assert page.locator("[data-slot=view]").count() == 0
    page.keyboard.type("}")
    assert chips(page, "view") == ["seen from a drone"]
    page.locator("summary", has_text="Arguments").click()
    steps = page.locator(".bcm-argument", has_text="num_inference_steps")
    steps.locator("input").first.fill("4")
    assert "denoising steps" in page.locator(".bcm-helpline").inner_text()
    page.locator("summary", has_text="Arguments").click()
    nb.shot("panel-filled")
    page.locator(".bcm-primary").click()
    wait_for(page, 4)
    assert page.locator(".bcm-scroll").is_visible()
    until(page, same(lambda: costs(page).split(" · ")[1], "all generated already"))
    nb.shot("panel-made")
    assert asked(nb, 2) == [
        "a {insect} over {place}, {view}",
        {
            "insect": ["a bee", "a ladybug"],
            "place": ["the ocean", "a meadow"],
            "view": ["seen from a drone"],
        },
        4,
        "done",
    ]
    # Re-running the cell re-attaches: what was done by hand is still there.
    nb.run(1, wait=True)
    until(page, same(lambda: chips(page, "insect"), ["a bee", "a ladybug"]))
    assert page.locator(".bcm-panel").count() == 1
    wait_for(page, 4)


def test_pause_stop_and_earlier_sweeps(notebook):
    nb = opened(notebook, "steered", size=(1280, 1100))
    page = nb.page
    page.locator(".bcm-deckpicker select").first.select_option("insects over landscapes")
    until(page, same(lambda: costs(page)[:24], "32 clips drawn from 480:"))
    assert "a user explored insects" in page.locator(".bcm-panelmessage").inner_text()
    page.locator("[data-slot=insect] .bcm-chiptext").first.hover()
    until(page, same(lambda: page.locator(".bcm-hint").inner_text()[:4], "bee:"))
    page.wait_for_timeout(300)
    assert page.locator(".bcm-hint").inner_text()[:4] == "bee:", "the page stands still"
    page.locator(".bcm-sweepname").fill("bees at dusk")
    nb.shot("panel-deck")
    page.locator(".bcm-primary").click()
    pause = page.locator(".bcm-panel button", has_text="Pause")
    pause.wait_for()
    wait_for(page, 1)
    pause.click()
    go = page.locator(".bcm-primary", has_text="Resume")
    go.wait_for()
    nb.shot("panel-paused")
    made = page.locator("[data-shows=clip]").count()
    page.wait_for_timeout(1200)
    assert page.locator("[data-shows=clip]").count() <= made + 4, "a pause makes no more clips"
    go.click()
    page.locator(".bcm-panel button", has_text="Stop").click()
    page.locator(".bcm-primary", has_text="Generate").wait_for()
    until(page, same(lambda: "generated already" in costs(page), True))
    page.locator(".bcm-deckpicker button", has_text="Undo").click()
    until(
        page,
        same(lambda: page.locator(".bcm-templateinput").input_value(), "a {insect} over {place}"),
    )
    earlier = page.locator(".bcm-history")
    value = earlier.locator("option", has_text="bees at dusk").first.get_attribute("value")
    earlier.select_option(value)
    until(page, same(lambda: page.locator(".bcm-sweepname").input_value(), "bees at dusk"))
    assert len(chips(page, "place")) == 10
    assert page.locator("[data-slot=place] .bcm-chiptext").first.inner_text() == "meadow"
    page.locator(".bcm-intent").fill("a watch in an advert")
    page.keyboard.press("Enter")
    until(
        page,
        same(
            lambda: "'product shot' was taken" in page.locator(".bcm-panelmessage").inner_text(),
            True,
        ),
    )


def test_by_keyboard_alone_and_nothing_leaks_to_the_notebook(notebook):
    ask = "print(__import__('json').dumps([list(panel.axes['insect'].values), list(panel.axes['insect'].labels), len(panel.seeds), panel.current_run is not None]))"
    nb = opened(notebook, "keys", ask, size=(1280, 1100))
    page = nb.page
    before = nb.cells()
    page.locator(".bcm-templateinput").focus()
    # German keyboards type braces with AltGr, which is Ctrl and Alt together.
    page.keyboard.press("Control+a")
    page.keyboard.type("a {insect} by night: b a m y z x c v d d")
    page.keyboard.press("Tab")
    page.keyboard.type("bee")
    page.keyboard.press("Enter")
    page.keyboard.type("moth")
    page.keyboard.press("Enter")
    page.keyboard.type("wasp")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Delete")
    until(page, same(lambda: chips(page, "insect"), ["bee", "wasp"]))
    assert page.evaluate("document.activeElement.textContent") == "wasp"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("a wasp, said otherwise")
    page.keyboard.press("Enter")
    until(page, same(lambda: chips(page, "insect"), ["bee", "a wasp, said otherwise"]))
    for key in ("b", "a", "d", "d", "m", "y"):
        page.keyboard.press(key)  # on a chip: nothing, and nothing in the notebook
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    until(page, same(lambda: costs(page)[:28], "4 clips = 2 insect × 2 seed "))
    for _ in range(12):
        if "bcm-primary" in page.evaluate("document.activeElement.className"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for(page, 4)
    page.keyboard.press("Escape")
    assert nb.cells() == before
    assert nb.state()[0] == "command"
    values, labels, seeds, ran = asked(nb, 2)
    assert (values, labels) == (["bee", "wasp"], ["bee", "a wasp, said otherwise"])
    assert (seeds, ran) == (2, True)
    # Shift+Enter in a field is the notebook's: it runs the cell, which re-attaches.
    page.locator(".bcm-templateinput").focus()
    page.keyboard.press("Shift+Enter")
    until(page, same(lambda: chips(page, "insect"), ["bee", "a wasp, said otherwise"]))
    assert nb.cells() == before
    assert "\n" not in page.locator(".bcm-templateinput").input_value()


def test_code_and_hands_meet_in_one_state(notebook):
    set_ = (
        "panel.template = 'a <b>{x}</b> \U0001f98b'\npanel.axes = {'x': ['<img src=x onerror=alert(1)>', 'نحلة']}\n"
        "panel.arguments = {'guidance_scale': [1, 3], 'num_frames': 20}"
    )
    nb = opened(notebook, "code", set_, size=(900, 1000), scheme="dark")
    page = nb.page
    nb.run(2, wait=True)
    until(page, same(lambda: len(chips(page, "x")), 2))
    assert page.locator(".bcm-panel img").count() == 0
    assert page.locator(".bcm-templateinput").input_value() == "a <b>{x}</b> \U0001f98b"
    problem = page.locator(".bcm-argument", has_text="num_frames").locator(".bcm-fieldproblem")
    until(page, same(lambda: "nearest are 17 and 25" in problem.inner_text(), True))
    assert costs(page) == "1 problem to fix"
    nb.shot("panel-problem")
    field = page.locator(".bcm-argument", has_text="num_frames").locator("input").first
    field.focus()
    page.keyboard.press("ArrowDown")
    assert field.input_value() == "17"
    until(page, same(lambda: costs(page)[:8], "4 clips "))
    several = (
        page.locator(".bcm-argument", has_text="num_inference_steps").get_by_role("button").first
    )
    page.locator(".bcm-argument", has_text="num_inference_steps").get_by_role(
        "button", name="several values"
    ).click()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    until(page, same(lambda: costs(page)[:8], "8 clips "))
    assert several.is_visible()
    page.locator("summary", has_text="Code").click()
    until(
        page,
        same(
            lambda: (
                "num_inference_steps=[20, 2]" in page.locator(".bcm-panel .bcm-code").inner_text()
            ),
            True,
        ),
    )


@pytest.mark.parametrize("theme", ["Dark", "Light"])
@pytest.mark.parametrize("width", [1400, 620])
def test_how_it_looks(notebook, theme, width):
    # The page's own theme counts, whatever the system likes.
    system = "light" if theme == "Dark" else "dark"
    show = (
        f"panel = bw.explore({FAST}library=bc.library('looks'), deck='insects over landscapes')\n"
        "panel.sample, panel.seeds = 6, 1\npanel"
    )
    nb = notebook(f"panel-{theme}-{width}", show, size=(width, 1100), scheme=system)
    page = nb.page
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
        f"JupyterLab {theme}",
    )
    nb.run(1)
    page.locator(".bcm-panel").wait_for()
    page.locator(".bcm-primary").click()
    until(page, same(lambda: page.locator(".bcm-count").inner_text(), "6 of 6"))
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(5, 5)
    root = page.locator(".bcm-panel")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), "nothing sticks out"
    for one in page.locator(".bcm-root").all():  # the grid, too
        assert one.evaluate("node => node.classList.contains('bcm-dark')") == (theme == "Dark")
    read = [
        ".bcm-fieldname",
        ".bcm-chiptext",
        ".bcm-panelmessage",
        ".bcm-muted",
        ".bcm-sectionhead",
        ".bcm-cost",
    ]
    contrast = page.evaluate(CONTRAST, read)
    assert len(contrast) == len(read)
    assert min(contrast.values()) >= 4.5, contrast
    nb.shot(f"panel-{theme}-{width}")


def options(page):
    return texts(page.locator(".bcm-completions [role=option]"))


def test_unknown_words_are_underlined_and_known_ones_offered(notebook):
    nb = opened(notebook, "words", size=(900, 900))
    page = nb.page
    before = nb.cells()
    area, note = page.locator(".bcm-templateinput"), page.locator(".bcm-wordnotes")
    underlined = page.locator(".bcm-mirror .bcm-unknownword")
    area.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("a zebra and a bee over ")
    seeds = page.locator(".bcm-numberinput").first
    top = seeds.bounding_box()["y"]
    until(page, same(lambda: texts(underlined), ["zebra"]))
    assert note.inner_text() == "pollen ignores 'zebra', which it doesn't know."
    assert underlined.evaluate("node => getComputedStyle(node).textDecorationStyle") == "wavy"
    assert seeds.bounding_box()["y"] == top, "a note has its place"
    box = underlined.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    assert "'zebra'" in area.get_attribute("title")
    # What is typed is completed; the keys of the list reach nothing else.
    page.keyboard.type("mead")
    until(page, same(lambda: options(page), ["meadow"]))
    active = page.locator(f"#{area.get_attribute('aria-activedescendant')}")
    assert (active.inner_text(), active.get_attribute("aria-selected")) == ("meadow", "true")
    nb.shot("words-template")
    page.keyboard.press("Enter")
    assert area.input_value() == "a zebra and a bee over meadow"
    assert options(page) == []
    page.keyboard.press("Control+z")
    assert area.input_value() == "a zebra and a bee over mead", "it can be undone"
    page.keyboard.press("Control+Shift+z")
    page.keyboard.type(" in da")
    until(page, same(lambda: options(page)[:2], ["damselfly", "dark"]))
    page.keyboard.press("Escape")
    assert options(page) == []
    assert page.evaluate("document.activeElement.className") == "bcm-templateinput", (
        "nothing else closes"
    )
    page.keyboard.type("y")
    until(page, same(lambda: options(page), ["daybreak", "daylight"]))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert area.input_value().endswith(" in daylight")
    page.keyboard.type(" near a {mea")
    page.wait_for_timeout(200)
    assert options(page) == [], "this is the name of a slot"
    assert nb.cells() == before


def test_words_of_values_are_underlined_and_completed(notebook):
    ask = (
        "print(__import__('json').dumps([list(panel.axes['place'].values), "
        "[list(note.words) for note in panel.notes]]))"
    )
    nb = opened(notebook, "values", ask, size=(900, 900))
    page = nb.page
    add(page, "place", "a gas station")
    underlined = page.locator(".bcm-axes .bcm-unknownword")
    until(page, same(lambda: texts(underlined), ["gas", "station"]))
    assert "'gas station'" in page.locator("[data-slot=place] .bcm-chiptext").get_attribute("title")
    page.keyboard.type("mead")
    page.get_by_role("option", name="meadow").click()
    page.keyboard.press("Enter")
    assert chips(page, "place") == ["a gas station", "meadow"]
    page.keyboard.type("island")
    until(page, same(lambda: options(page), ["islands"]))
    nb.shot("words-value")
    page.keyboard.press("Enter")
    expected = ["a gas station", "meadow", "island"]
    assert chips(page, "place") == expected, "a known word is not replaced by a longer one"
    assert options(page) == []
    add(page, "insect", "bee")
    until(page, same(lambda: costs(page)[:18], "3 clips = 3 place "))
    assert asked(nb, 2) == [expected, [["gas station"]]]


@pytest.mark.parametrize("theme", ["Dark", "Light"])
@pytest.mark.parametrize("width", [1400, 620])
def test_how_notes_look(notebook, theme, width):
    show = (
        "panel = bw.explore(library=bc.library('words'), deck='product shot')\n"
        "panel.template = 'a zebra and ' + panel.template\npanel"
    )
    nb = notebook(f"words-{theme}-{width}", show, size=(width, 1100))
    page = nb.page
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})",
        f"JupyterLab {theme}",
    )
    nb.run(1)
    root = page.locator(".bcm-panel")
    root.locator(".bcm-axes .bcm-unknownword").first.wait_for()
    area = page.locator(".bcm-templateinput")
    area.click()
    page.keyboard.press("End")
    page.keyboard.type(" at da")
    listed = page.locator(".bcm-completions")
    listed.wait_for()
    page.wait_for_timeout(500)
    nb.shot(f"words-{theme}-{width}")
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), "nothing sticks out"
    inside, outside = listed.bounding_box(), root.bounding_box()
    assert inside["y"] + inside["height"] <= outside["y"] + outside["height"]
    assert inside["x"] + inside["width"] <= outside["x"] + outside["width"]
    read = [".bcm-wordnote", ".bcm-completion", ".bcm-completion[aria-selected=true]"]
    assert min(page.evaluate(CONTRAST, read).values()) >= 4.5
    assert find_flaws(page, ".bcm-panel") == []
    height = page.locator(".bcm-wordnotes").bounding_box()["height"]
    page.keyboard.press("Control+a")
    page.keyboard.type("a bee")
    until(page, same(lambda: page.locator(".bcm-wordnote").count(), 0))
    assert page.locator(".bcm-wordnotes").bounding_box()["height"] == height, "nothing moves"
