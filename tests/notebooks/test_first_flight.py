"""The tutorial runs from top to bottom, and is stored as a reader should find it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_first_flight.ipynb"
OWN = ROOT / "notebooks" / "02_your_own_model.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook as it ran in a real kernel, as `make demo` runs it."""
    folder = tmp_path_factory.mktemp("flight")
    library = folder / "library"
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks" / "execute.py", NOTEBOOK, "--out", folder / "out"],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
        env={**os.environ, "BEECAM_LIBRARY": str(library)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.mark.notebook
def test_it_runs_with_progress_and_leaves_clips_and_a_gallery(executed):
    folder, progress = executed
    assert "[ 1/10]" in progress
    assert "[10/10]" in progress
    assert "clips made" in progress
    assert len(list((folder / "library" / "media").glob("??/*.mp4"))) == 16 + 24 + 8
    page = (folder / "out" / "first_flight.html").read_text()
    assert page.count("data:image/jpeg;base64,") == page.count("data:video/mp4;base64,") == 24
    assert "made by pollen (Apache-2.0)" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page), "the page needs a network"


@pytest.mark.notebook
def test_every_cell_ran_and_shows_clips_without_a_kernel(executed):
    folder, _ = executed
    notebook = nbformat.read(folder / "out" / NOTEBOOK.name, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    kinds = [out.output_type for cell in code for out in cell.outputs]
    assert "error" not in kinds
    sheets = [
        out.data["text/html"]
        for cell in code
        for out in cell.outputs
        if "beecam-sheet" in out.get("data", {}).get("text/html", "")
    ]
    assert [sheet.count("<img") for sheet in sheets] == [16, 24, 8]
    assert [sheet.count("<video") for sheet in sheets] == [0, 0, 1], "the favourite plays"
    assert (folder / "out" / NOTEBOOK.name).stat().st_size < 1_000_000


@pytest.mark.parametrize(("notebook", "cells", "grids"), [(NOTEBOOK, 10, 3), (OWN, 8, 5)])
def test_it_is_stored_with_its_outputs_and_without_traces_of_a_machine(notebook, cells, grids):
    text = notebook.read_text()
    stored = nbformat.reads(text, as_version=4)
    nbformat.validate(stored)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert len(code) == cells
    assert [cell.execution_count for cell in code] == list(range(1, cells + 1))
    assert sum("beecam-sheet" in str(cell.outputs) for cell in code) == grids
    assert not re.search(r"/(home|root|work|tmp|Users)/\w", text)
    assert len(text) < 1_000_000
    assert all(len(cell.source.splitlines()) <= 12 for cell in code)
