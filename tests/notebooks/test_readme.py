"""The README's example runs, with few steps: as a script, and as one cell of a notebook."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import beecam as bc

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a library with the example's clips, once a test has generated them."""
    return tmp_path_factory.mktemp("example") / "library"


@pytest.fixture
def example(shared, monkeypatch):
    monkeypatch.setenv("BEECAM_LIBRARY", str(shared))
    text = re.search(
        r"```python\n(import beecam as bc.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    ).group(1)
    assert text.count("model = bc.load()") == 1
    return text.replace("model = bc.load()", "model = bc.load(speed='fast')")


def clips(library):
    """Return the number of generated clips."""
    return len(list((library / "media").glob("??/*.mp4")))


@pytest.mark.slow
def test_the_example_is_a_script(example, shared, tmp_path):
    script = tmp_path / "bees.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=800, env=os.environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Run of 24 cells" in done.stdout
    assert clips(shared) == 24 + 8


@pytest.mark.notebook
def test_the_example_is_a_cell_that_shows_both_runs(example, shared):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(example)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    NotebookClient(notebook, timeout=800).execute()
    assert clips(shared) == 24 + 8
    shown = [out for out in notebook.cells[0].outputs if "data" in out]
    views = [out for out in shown if "application/vnd.jupyter.widget-view+json" in out.data]
    sheets = [out for out in shown if "beecam-sheet" in out.data.get("text/html", "")]
    assert len(views) == len(sheets) == 2, [list(out.data) for out in shown]


def test_the_deck_is_valid(tmp_path):
    path = tmp_path / "ponds.yaml"
    path.write_text(
        re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    )
    deck = bc.deck(path)
    assert len(deck.sweep()) == 2 * 2 * 2 * 2
    assert deck.axes[1].notes[0] == "A mirror. Count the insects."


@pytest.mark.notebook
def test_the_panel_runs_without_a_front_end(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "library"))
    text = (ROOT / "README.md").read_text()
    lines = re.search(
        r"```python\n(import beecam_widgets as bw\n\npanel.*?)```", text, re.DOTALL
    ).group(1)
    before = "import beecam as bc\nmodel = bc.load(speed='fast')\n"
    sources = (before + lines + "panel", "run.wait()\nprint(len(run.clips), panel.grid.run is run)")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    NotebookClient(notebook, timeout=800).execute()
    assert notebook.cells[1].outputs[0].text == "24 True\n"
    assert clips(tmp_path / "library") == 24
    views = [
        out
        for out in notebook.cells[0].outputs
        if "application/vnd.jupyter.widget-view+json" in out.get("data", {})
    ]
    assert len(views) == 2, "the panel, and its grid"
    assert len(nbformat.writes(notebook)) < 1_000_000
