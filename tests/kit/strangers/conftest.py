"""Copies of a library, and a folder of someone else beside it."""

import os
import shutil
from pathlib import Path

import pytest

from beecam.clips.library import Library
from helpers import fill
from strangers import KEY


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A closed library with six clips, of which one has stars and another one tags."""
    folder = tmp_path_factory.mktemp("original") / "library"
    with Library(folder) as library:
        clips = fill(library)
        clips[1].stars = 5
        clips[2].tags = ["keep"]
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "library", symlinks=True))


@pytest.fixture
def outside(tmp_path):
    """A folder of someone else, with files of every kind that a library has."""
    outside = tmp_path / "outside"
    (outside / "deeper").mkdir(parents=True)
    for name in (f"{KEY}.lock", "opening.lock", "notes.txt", f".{KEY}.{KEY}-0.mp4", ".x.part"):
        (outside / name).write_text("private")
        os.utime(outside / name, (0, 0))
    (outside / f"{KEY}-1-1.safetensors").write_text("private")
    return outside
