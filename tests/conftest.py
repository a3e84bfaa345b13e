"""What tests of several rooms need."""

import pytest

from beecam.library import open_library


@pytest.fixture
def library(tmp_path):
    opened = open_library(tmp_path / "library")
    yield opened
    opened.close()
