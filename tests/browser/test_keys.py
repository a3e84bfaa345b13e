"""Keys that are meant for a surface never act on the notebook, whose single letters cut and delete cells."""

import string

import pytest
from labpage import focused, same, started, until, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OTHER = "# another cell"
RUN = started("keys", seeds=2).removesuffix("run")
CLIP = ".bcm-cell[data-shows=clip]"
# By name: what shows it, what to wait for and point at, and the keys that it has a command for.
SURFACES = {
    "grid": (RUN + "bw.ClipGrid(run)", CLIP, "x0scv?nprty,.x"),
    "table": (RUN + "bw.ClipTable(run)", ".bcm-tablerow " + CLIP, "x0scv?prty,.x"),
    "viewer": (RUN + "bw.ClipViewer(run)", ".bcm-stage", "x0scv?prty,.x"),
    "live": ("bw.live(bc.load(), num_inference_steps=2)", ".bcm-scene", "kcr?c"),
    "panel": ("bw.explore()", ".bcm-cost", ""),
}
# Without F, for full screen.
EVERY = [
    *string.ascii_lowercase.replace("f", ""),
    *"059,./?+-=",
    "Enter",
    "Delete",
    "Backspace",
    "Space",
]


def changed(nb, keys):
    """Which of the keys, pressed one after the other, change the notebook's cells or its mode."""
    found = []
    for key in keys:
        before = nb.state()
        nb.page.keyboard.press(key)
        nb.page.wait_for_timeout(30)
        if nb.state() != before:
            found.append(key)
        # Closes what it opened.
        nb.page.keyboard.press("Escape")
    return found


def select_another_cell(nb, index=2):
    """Press left of a cell, which selects it in command mode."""
    nb.page.locator(".jp-Cell").nth(index).locator(".jp-InputPrompt").click()
    assert not focused(nb.page, ".bcm-root, .bcm-root *")


def shown(nb, place):
    nb.run(1)
    nb.page.locator(place).first.wait_for()
    nb.page.wait_for_timeout(300)
    nb.page.locator(place).first.scroll_into_view_if_needed()
    return nb.page.locator(place).first


@pytest.mark.parametrize("name", SURFACES)
def test_no_key_of_a_surface_reaches_the_notebook(notebook, name):
    show, place, keys = SURFACES[name]
    nb = notebook(f"keys-{name}", show, OTHER, OTHER)
    page = nb.page
    node = shown(nb, place)
    # Another cell is selected, and the pointer is on the surface.
    for key in keys:
        select_another_cell(nb)
        node.hover()
        assert changed(nb, [key]) == [], f"{key} with the pointer on the {name}"
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    # The surface was used last, with the pointer on it or away from it.
    if name == "panel":
        page.locator(".bcm-panel summary").first.focus()
    else:
        node.click()
    if name in ("grid", "table"):
        page.keyboard.press("Escape")
    for _ in range(3):
        page.keyboard.press("Escape")
    assert changed(nb, EVERY) == [], "after Escape"
    page.mouse.move(2, 2)
    for _ in range(3):
        page.keyboard.press("Escape")
    assert changed(nb, EVERY) == [], "with the pointer away"
    # What has the focus goes.
    page.evaluate("() => document.activeElement.blur()")
    assert changed(nb, EVERY) == [], "without a focus"
    # The ways out are a press outside and Tab; then keys are the notebook's again.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    while page.evaluate("() => !!document.activeElement.closest('.bcm-root')"):
        page.keyboard.press("Tab")
    select_another_cell(nb)
    assert changed(nb, ["x"]) == ["x"]


def test_keys_mark_the_clip_under_the_pointer(notebook):
    nb = notebook(
        "pointed",
        RUN.replace("'keys'", "'pointed'")
        + "grid = bw.ClipGrid(run, rows='seed', height=300, size=120)\ngrid",
        OTHER,
    )
    page = nb.page
    shown(nb, CLIP)
    wait_for(page, 4)
    cells = page.locator(".bcm-cell")
    # Their text, shown or not: the bar under the pointer has stars of its own and hides these.
    marks = lambda: [cells.nth(i).locator(".bcm-rating").text_content().strip() for i in range(4)]  # noqa: E731
    current = lambda: page.locator(".bcm-cell.bcm-current").get_attribute("data-cell")  # noqa: E731
    select_another_cell(nb)
    cells.nth(2).hover()
    page.keyboard.press("x")
    until(page, same(marks, ["", "", "✕", ""]))
    assert focused(page, ".bcm-scroll")
    # The pointer moves to another clip: it was used last.
    cells.nth(1).hover()
    page.keyboard.press("3")
    until(page, same(marks, ["", "★★★", "✕", ""]))
    # An arrow key starts at the current clip and is used last until the pointer moves.
    page.keyboard.press("ArrowDown")
    number = current()
    assert number != cells.nth(1).get_attribute("data-cell")
    page.keyboard.press("5")
    until(
        page,
        lambda: page.locator(
            f".bcm-cell[data-cell='{number}'] .bcm-rating", has_text="★★★★★"
        ).wait_for(state="attached"),
    )
    # A button over a clip that goes with the pointer takes no key with it.
    cells.nth(0).hover()
    page.locator(".bcm-hoverbar button").nth(1).click()
    until(
        page, lambda: cells.nth(0).locator(".bcm-rating", has_text="★★").wait_for(state="attached")
    )
    page.mouse.move(2, 2)
    before = nb.state()
    page.keyboard.press("x")
    page.wait_for_timeout(50)
    assert nb.state() == before


def test_typing_and_buttons_elsewhere_keep_their_keys(notebook):
    nb = notebook("typing", RUN.replace("'keys'", "'typing'") + "bw.ClipGrid(run)", "a = 1")
    page = nb.page
    node = shown(nb, CLIP)
    page.locator(".jp-Cell").nth(2).locator(".cm-content").click()
    page.keyboard.press("End")
    node.hover()
    page.keyboard.type("x3 ")
    assert page.locator(".jp-Cell").nth(2).locator(".cm-content").inner_text() == "a = 1x3 "
    assert page.locator(".bcm-rating", has_text="✕").count() == 0
    # A key that no command is for is the notebook's: A inserts a cell.
    select_another_cell(nb)
    node.hover()
    assert changed(nb, ["a"]) == ["a"]
    # A page that scrolls under the pointer doesn't point at anything.
    select_another_cell(nb, 0)
    assert changed(nb, ["x"]) == ["x"]
