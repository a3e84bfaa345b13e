"""Grids whose messages are recorded instead of sent to a browser."""

import sys
from pathlib import Path

import comm
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drawn import DrawnModel
from page import RecordingComm

import beecam as bc
from beecam.clips.library import open_library


@pytest.fixture(scope="session")
def sweep():
    return bc.sweep(
        "a {insect} over {place}", insect=["bee", "moth"], place=["sea", "ice"], seed=range(3)
    )


@pytest.fixture(scope="session")
def finished(sweep, tmp_path_factory):
    """A run that has ended, for tests that change nothing of it."""
    opened = open_library(tmp_path_factory.mktemp("finished") / "library")
    yield bc.run(sweep, DrawnModel(), library=opened).wait()
    opened.close()


@pytest.fixture
def show(monkeypatch):
    """Make a grid whose messages are recorded; closed at the end."""
    from beecam_widgets import ClipGrid

    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    made = []

    def make(shown, **arguments):
        made.append(ClipGrid(shown, **arguments))
        return made[-1]

    yield make
    for grid in made:
        grid.close()
