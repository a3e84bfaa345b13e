"""Fixtures of all tests, and the order in which test files run."""

import gc
from pathlib import Path

import pytest
from hypothesis import settings

from beecam.clips.library import open_library

# The slowest files, the slowest first: they start first, so that no worker is left with a long file
# at the end. `make test` distributes whole files, so that fixtures of a file are created once.
LONGEST = (
    "kit/test_families.py",
    "browser/test_live.py",
    "kit/test_no_effect.py",
    "kit/pollen/training/test_tuning.py",
    "widgets/test_panel.py",
    "kit/pollen/test_weights.py",
    "browser/test_looks.py",
    "kit/pollen/training/test_rewards.py",
    "kit/test_rarer_families.py",
    "browser/test_keys.py",
    "browser/test_leaves.py",
    "browser/test_panel.py",
    "browser/test_first_flight.py",
    "browser/test_remains.py",
    "kit/test_owner_state.py",
    "bench/test_bench.py",
    "kit/test_kill.py",
    "browser/test_exploring.py",
    "browser/test_grid.py",
    "browser/test_hosts.py",
    "kit/pollen/test_modes.py",
    "notebooks/test_first_flight.py",
    "kit/test_concurrent_batches.py",
    "browser/test_faults.py",
    "notebooks/test_readme.py",
    "kit/pollen/training/test_stages.py",
)

# Importing torch, diffusers and all tests leaves millions of objects that stay: looking through them
# for garbage again and again took a quarter of the collection's time, and a twentieth of the tests'.
gc.disable()

# How long one example takes says nothing on a busy machine.
settings.register_profile("beecam", deadline=None)
settings.load_profile("beecam")


def pytest_collection_modifyitems(items):
    """Run the slowest files first."""
    folder = Path(__file__).parent
    rank = {folder / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish():
    """Leave what the collection imported out of garbage collection, which tests have as usual."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def library(tmp_path):
    opened = open_library(tmp_path / "library")
    yield opened
    opened.close()


@pytest.fixture(autouse=True, scope="session")
def _session_cache(tmp_path_factory):
    """Use a temporary cache in the whole session: no test reads or writes the user's cache."""
    yield from _temporary_cache(tmp_path_factory)


@pytest.fixture(autouse=True, scope="module")
def _module_cache(_session_cache, tmp_path_factory):
    """Use a cache of its own per module: models of a module don't share measurements of others."""
    yield from _temporary_cache(tmp_path_factory)


@pytest.fixture(autouse=True)
def cache(_module_cache, tmp_path, monkeypatch):
    """Use a cache of its own per test; return its folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BEECAM_CACHE", str(folder))
    return folder


def _temporary_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEECAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
