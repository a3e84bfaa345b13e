"""Widgets whose messages are recorded instead of sent to a browser."""

import sys
from pathlib import Path

import comm
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drawn import DrawnModel
from front_end import RecordingComm

import beecam as bc
from beecam.clips.library import open_library


@pytest.fixture(scope="session")
def sweep():
    return bc.sweep(
        "a {insect} over {place}", insect=["bee", "moth"], place=["sea", "ice"], seed=range(3)
    )


@pytest.fixture(scope="module")
def finished(sweep, tmp_path_factory):
    """Return a finished run, for tests that don't change it."""
    opened = open_library(tmp_path_factory.mktemp("finished") / "library")
    yield bc.run(sweep, DrawnModel(), library=opened).wait()
    opened.close()


@pytest.fixture
def show(monkeypatch):
    """Return a function that creates a grid whose messages are recorded; closed after the test."""
    from beecam_widgets import ClipGrid

    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    grids = []

    def create(clips, **arguments):
        grids.append(ClipGrid(clips, **arguments))
        return grids[-1]

    yield create
    for grid in grids:
        grid.close()
