"""The notes of a run are shown once, wherever a user looks: by the grid, its sheet or a warning."""

import pytest
from kernel import Kernel

pytestmark = pytest.mark.slow
SETUP = """
import warnings
from beecam.models.model import Note
class Noted(DrawnModel):
    def known_words(self): return ("bee",)
    def notes(self, shots): return [Note("prompt", "a zebra is unknown.", ("zebra",))]
count = 0
def start():
    global count
    count += 1
    return bc.run(bc.sweep("a zebra", seed=[count]), Noted(), library=library)
"""
IGNORED = """
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    start().wait()
"""
RAISED = """
try:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start()
except bc.BeecamWarning:
    print("raised")
"""
# What a cell shows: lines of its text output that have the note, and static sheets that have it.
CELLS = {
    "run": ("start()", 0, 1),
    "grid": ("bw.ClipGrid(start())", 0, 1),
    "displayed within": ("display(start()); print('done')", 0, 1),
    "not shown": ("run = start(); run.wait(); None", 1, 0),
    "clips": ("start().wait().clips", 1, 0),
    "table": ("bw.ClipTable(start())", 1, 0),
    "twice": ("first, second = start(), start(); display(first)", 1, 1),
    "ignored": ("warnings.simplefilter('ignore', bc.BeecamWarning); start().wait(); None", 0, 0),
    "ignored within": (IGNORED, 0, 0),
    "error": (RAISED, 0, 0),
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    started = Kernel(tmp_path_factory.mktemp("notes"))
    started.run("setup", SETUP)
    yield started
    started.close()


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_says_the_notes_of_its_run_once(kernel, name):
    code, warned, static = CELLS[name]
    kernel.run("reset", "warnings.resetwarnings(); ipywidgets.Widget.close_all()")
    kernel.outputs.clear()
    printed = kernel.run(name, code) + kernel.run("next", "None")
    assert printed.count("a zebra is unknown") == warned
    assert ("raised" in printed) == (name == "error")
    assert sum("a zebra is unknown" in html for html in kernel.html()) == static
