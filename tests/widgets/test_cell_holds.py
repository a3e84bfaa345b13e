"""What is left in the kernel and in the notebook when cells are run again."""

import pytest
from kernel import Kernel

pytestmark = pytest.mark.slow

TIMES = 4
COUNTS = (
    "(len(ipywidgets.widgets.widget._instances), len(get_ipython().kernel.comm_manager.comms),"
    " sum(one.name.startswith('beecam') for one in threading.enumerate()))"
)
# What a cell ends in, and whether it displays a widget by itself.
SURFACES = {
    "run": "run",
    "set": "run.clips",
    "grid": "bw.ClipGrid(run)",
    "named grid": "grid = bw.ClipGrid(run)\ngrid",
    "table": "bw.ClipTable(run)",
    "viewer": "bw.ClipViewer(run)",
    "live": "bw.live(DrawnModel(), 'a bee')",
    "panel of another model": "bw.explore(DrawnModel(), library=library)",
    "displayed": "display(bw.ClipGrid(run)); display(bw.ClipTable(run))",
    "composed": "ipywidgets.HBox([bw.ClipGrid(run), bw.ClipTable(run)])",
    "never displayed": "bw.ClipGrid(run); None",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    kernel.run(
        "sweep",
        "sweep = bc.sweep('a {insect}', insect=['bee', 'moth'], seed=range(2))\n"
        "run = bc.run(sweep, DrawnModel(), library=library).wait()\nNone",
    )
    yield kernel
    kernel.close()


@pytest.fixture
def surfaces(kernel):
    """Return the kernel without the surfaces of earlier tests."""
    kernel.run("surfaces", "ipywidgets.Widget.close_all()\nOut.clear()")
    kernel.outputs.clear()
    return kernel


def own_widgets(kernel):
    return kernel.value(
        "sum(type(one).__module__.startswith('beecam') for one in ipywidgets.widgets.widget._instances.values())"
    )


@pytest.mark.parametrize("name", SURFACES)
def test_running_a_cell_again_leaves_one_surface(surfaces, name):
    kernel = surfaces
    kernel.run("a", SURFACES[name])
    kernel.run("b", "None")
    count = own_widgets(kernel)
    before = kernel.value(COUNTS)
    for _ in range(TIMES):
        kernel.run("a", SURFACES[name])
    kernel.run("b", "None")
    assert own_widgets(kernel) == count
    if name == "composed":
        return  # the boxes are not ours
    after = kernel.value(COUNTS)
    assert after[:2] == before[:2]
    kernel.run("a", "None")
    if name != "named grid":
        assert own_widgets(kernel) == 0


def test_a_surface_stays_while_a_cell_a_page_or_a_variable_holds_it(surfaces):
    kernel = surfaces
    kernel.run("make", "grid = bw.ClipGrid(run, size=77)\nNone")
    kernel.run("show", "grid")
    kernel.run("show", "grid")
    kernel.run("make", "other = bw.ClipTable(run)\nNone")
    kernel.run("show", "None")
    assert kernel.value("grid.closed") is False, "it has a name"
    kernel.run("show", "grid")
    kernel.run("rename", "kept = [grid]; del grid")
    assert kernel.value("kept[0].closed") is False, "a cell shows it"
    [model] = kernel.models("show")
    kernel.send(model, kind="opened", client="page")
    kernel.run("show", "None")
    assert kernel.value("kept[0].closed") is False, "a page shows it, as in another widget"
    kernel.send(model, kind="closed", client="page")
    kernel.run("next", "None")
    assert kernel.value("kept[0].closed") is True


def test_a_closed_surface_says_so(surfaces):
    kernel = surfaces
    kernel.run(
        "one",
        "kept = [bw.ClipGrid(run), bw.ClipTable(run.clips), bw.live(DrawnModel(), 'a bee'), bw.explore(DrawnModel(), library=library)]\nfor _one in kept: display(_one)",
    )
    kernel.run("one", "for _one in kept: assert not _one.closed")
    for i, name in enumerate(("ClipGrid", "ClipTable", "Live", "Panel")):
        kernel.run("two", f"display(kept[{i}])")
        [(_, data)] = kernel.outputs["two"]
        assert f"This {name} is closed" in data["text/plain"]
        assert f"This {name} is closed" in data["text/html"]
        assert "closed" in kernel.value(f"repr(kept[{i}])")
    assert "bw.ClipGrid(run)" in kernel.run(
        "three", "try: kept[0].show(run)\nexcept bc.BeecamError as error: print(error)"
    )


@pytest.mark.parametrize(
    "source",
    [
        "bw.explore(model, library=library)",
        "bw.live(model, 'a bee')",
        "bc.run(sweep, model, library=library).wait()",
        "bc.run(sweep, model, library=library).wait().clips",
        "run = bc.run(sweep, model, library=library).wait()\nrun",
        "get_ipython().run_cell('bc.run(sweep, model, library=library).wait()').result",
    ],
)
def test_a_model_goes_with_the_last_surface_that_uses_it(surfaces, source):
    kernel = surfaces
    kernel.run(
        "models",
        "models = weakref.WeakSet()\ndef new():\n    model = DrawnModel(); models.add(model); return model",
    )
    for _ in range(TIMES):
        kernel.run("a", source.replace("model", "new()", 1))
    kernel.run("b", "gc.collect(); None")
    assert kernel.value("len(models)") == 1


def test_a_run_that_two_cells_end_in_stays_the_result_of_one(surfaces):
    kernel = surfaces
    kernel.run("a", "run")
    kernel.run("c", "run")
    kernel.run("a", "y = 1")
    assert kernel.value("[one is run for one in Out.values()][-1:]") == [True]
    assert kernel.value("_ is run") is True


def test_a_cell_that_fails_keeps_the_result_that_it_had(surfaces):
    kernel = surfaces
    kernel.run("a", "bc.run(sweep, DrawnModel(), library=library).wait()")
    number = kernel.value("max(Out)")
    with pytest.raises(AssertionError):
        kernel.run("a", f"_{number}.clips.to_fram()")
    kernel.run("b", "None")  # the host drops what is sent while an error is being reported
    assert kernel.value(f"_{number} is Out[{number}]") is True
    kernel.run("a", f"len(_{number}.clips.to_frame())")
    assert kernel.value(f"{number} in Out") is False


def test_results_of_other_cells_and_of_other_objects_stay(surfaces):
    kernel = surfaces
    kernel.run("a", "run")
    kernel.run("b", "[run]")
    numbers = kernel.value("[n for n, one in Out.items() if one is run or one == [run]]")
    kernel.run("b", "[1]")
    kernel.run("a", "run")
    kernel.run("a", "12")
    kernel.run("a", "13")
    assert kernel.value("[one for one in Out.values() if one is run]") == []
    assert kernel.value("run.clips[0].prompt")
    assert kernel.value(f"Out[{numbers[1]}] == [run]") is True
    assert kernel.value("list(Out.values())[-2:]") == [12, 13]
    assert kernel.value("(_, __)") == (13, 12)
    kernel.run("a", "run")
    assert kernel.value("_ is run") is True


def sheets(kernel):
    return sum("beecam-sheet" in html for html in kernel.html())


@pytest.mark.parametrize(
    "sources",
    [
        ["run"] * 6,
        ["display(run)\nrun.wait()"],
        ["run", "run.clips", "bw.ClipGrid(run)", "bw.ClipTable(run)", "bw.ClipViewer(run.clips)"],
        ["bw.ClipTable(run)", "bw.ClipTable(run)", "display(run); run"],
        ["grid = bw.ClipGrid(run)\ngrid", "grid", "grid", "run"],
    ],
)
def test_the_same_clips_have_one_sheet_in_a_notebook(surfaces, sources):
    kernel = surfaces
    for i, source in enumerate(sources):
        kernel.run(f"cell {i}", source)
    until(kernel, lambda: sheets(kernel) == 1)
    # The one that has it goes: another one takes it over.
    for i in reversed(range(1, len(sources))):
        kernel.run(f"cell {i}", "None")
        kernel.run("other", "grid = None")
        until(kernel, lambda: sheets(kernel) == 1)


def until(kernel, condition):
    for _ in range(100):
        kernel.run("", "import time; time.sleep(0.05)", silent=True)
        if condition():
            return
    assert condition()


def test_an_unfinished_run_shows_its_clips_so_far(surfaces):
    kernel = surfaces
    slow = "slow = bc.run(bc.sweep('a {insect}', insect=['bee', 'wasp', 'fly'], seed=range(2)), DrawnModel(0.4, batch=1), library=library)\n"
    kernel.run("a", slow + "slow")
    assert "so far" in kernel.html()[-1]
    kernel.run("b", "while not slow.clips: threading.Event().wait(0.05)")
    assert "of 6 clips so far, the run has not ended" in kernel.html()[-1]
    assert "<img" in kernel.html()[-1] or "<video" in kernel.html()[-1]
    kernel.run("c", "slow.wait(); None")
    until(kernel, lambda: "so far" not in kernel.html()[-1])
    assert kernel.html()[-1].count("<img") == 6


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("run", "a {insect}: 4 of 4 clips"),
        ("bw.ClipTable(run.clips)", "4 of 4 clips"),
        ("bw.live(DrawnModel(), 'a bee')", "Live view of drawn: bc.shot('a bee"),
        ("bw.explore(DrawnModel(), library=library)", "0 of 0 clips"),
    ],
)
def test_plain_text_says_what_is_shown(surfaces, source, line):
    surfaces.run("a", source)
    texts = [data["text/plain"] for _, data in surfaces.outputs["a"]]
    assert not [text for text in texts if " object" in text]
    assert line in texts[-1]


@pytest.mark.parametrize("box", ["HBox", "VBox", "Tab", "Accordion"])
def test_a_surface_inside_another_widget_leaves_a_sheet(surfaces, box):
    kernel = surfaces
    for _ in range(2):
        kernel.run("a", f"ipywidgets.{box}([bw.ClipTable(run), bw.ClipGrid(run)])")
        until(kernel, lambda: sheets(kernel) == 1)
    kernel.run("a", "bw.ClipGrid(run); None")
    assert sheets(kernel) == 0, "nothing is shown"
