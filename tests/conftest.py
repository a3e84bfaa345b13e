"""What tests of several rooms need."""

import pytest

from beecam.clips.library import open_library


@pytest.fixture
def library(tmp_path):
    opened = open_library(tmp_path / "library")
    yield opened
    opened.close()


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_session(tmp_path_factory):
    """No test reads or writes the user's cache: neither a kernel that serves all tests ..."""
    yield from _cached(tmp_path_factory)


@pytest.fixture(autouse=True, scope="module")
def _cache_of_the_module(_cache_of_the_session, tmp_path_factory):
    """... nor a model that serves a module, which knows nothing that other modules measured ..."""
    yield from _cached(tmp_path_factory)


@pytest.fixture(autouse=True)
def cache(_cache_of_the_module, tmp_path, monkeypatch):
    """... nor one that a single test makes."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BEECAM_CACHE", str(folder))
    return folder


def _cached(folders):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEECAM_CACHE", str(folders.mktemp("cache")))
        yield
