"""A real JupyterLab in a real chromium, one server for all tests."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets")]

import labpage  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    with labpage.launched() as opened:
        yield opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server; gives its address and its folder."""
    folder = tmp_path_factory.mktemp("lab")
    with labpage.served(folder) as address:
        yield address, folder


@pytest.fixture
def notebook(browser, lab):
    """A function that opens a notebook with given cells."""
    with labpage.notebooks(browser, *lab) as make:
        yield make
