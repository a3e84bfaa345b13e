"""The cache folder, and the notes that it holds."""

import sys
from pathlib import Path

import pytest
from filelock import FileLock

from beecam._util import cache
from beecam._util.cache import Notes, cache_folder


def test_the_folder_can_be_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BEECAM_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("BEECAM_CACHE", "~/here")
    assert cache_folder() == Path.home() / "here"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folders of Linux")
def test_by_default_it_is_beecam_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("BEECAM_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "beecam"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "beecam"
    assert not (tmp_path / "beecam").exists(), "naming the folder does not create it"


def test_notes_are_stored_by_name(tmp_path):
    notes = Notes(tmp_path / "new" / "notes.json")
    assert notes.read("pollen") == {}
    assert notes.change("pollen", lambda note: {**note, "largest": 8}) == {"largest": 8}
    assert notes.change("pollen", lambda note: {**note, "fits": 4}) == {"largest": 8, "fits": 4}
    assert Notes(tmp_path / "new" / "notes.json").read("pollen") == {"largest": 8, "fits": 4}
    assert notes.read("other") == {}


def test_the_oldest_notes_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_NOTES", 2)
    notes = Notes(tmp_path / "notes.json")
    for name in ("a", "b", "a", "c"):
        notes.change(name, lambda note: {"times": note.get("times", 0) + 1})
    assert [notes.read(name) for name in "abc"] == [{"times": 2}, {}, {"times": 1}]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"pollen": 3}'])
def test_a_damaged_file_is_replaced(tmp_path, text):
    (tmp_path / "notes.json").write_text(text)
    notes = Notes(tmp_path / "notes.json")
    assert notes.read("pollen") == {}
    assert notes.change("pollen", lambda note: {**note, "largest": 8}) == {"largest": 8}
    assert notes.read("pollen") == {"largest": 8}


def test_a_note_that_cannot_be_stored_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_LOCK_TIMEOUT", 0.05)
    with FileLock(tmp_path / "notes.json.lock"):
        assert Notes(tmp_path / "notes.json").change("pollen", dict) is None
    (tmp_path / "file").write_text("")
    assert Notes(tmp_path / "file" / "notes.json").change("pollen", dict) is None
