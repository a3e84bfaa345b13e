"""What tests of several rooms need."""

from pathlib import Path

import pytest

from beecam.clips.library import open_library

# The files that take longest, from the longest on: begun first, none is left for one worker alone
# at the end. `make test` runs whole files side by side, so that what a file shares is made once.
LONGEST = (
    "browser/test_first_flight.py",
    "kit/pollen/test_modes.py",
    "browser/test_live.py",
    "browser/test_panel.py",
    "kit/pollen/training/test_stages.py",
    "kit/pollen/training/test_tuning.py",
    "kit/pollen/training/test_optimization.py",
    "notebooks/test_readme.py",
    "notebooks/test_first_flight.py",
    "browser/test_exploring.py",
    "browser/test_grid.py",
    "browser/test_hosts.py",
    "kit/pollen/training/test_distillation.py",
    "kit/pollen/training/test_rewards.py",
    "house/test_install.py",
    "bench/test_bench.py",
    "browser/test_remains.py",
    "browser/test_faults.py",
    "kit/pollen/test_weights.py",
    "kit/test_live.py",
    "kit/test_kill.py",
    "kit/test_inputs.py",
    "kit/test_loras.py",
    "kit/test_speed.py",
)


def pytest_collection_modifyitems(items):
    """Put the files that take longest first."""
    here = Path(__file__).parent
    rank = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


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
