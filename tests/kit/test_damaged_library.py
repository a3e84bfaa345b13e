"""Damaged indexes and media: what is found is repaired, rebuilt or reported."""

import shutil
import sqlite3

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library, open_library
from beecam.errors import LibraryError, MediaError
from beecam.storage.healing import Healing
from helpers import PATIENCE


def sweep(n):
    return bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(n // 2), num_inference_steps=1)


@pytest.fixture
def stored(ltx, tmp_path):
    """A closed library with eight clips, two of them starred."""
    with open_library(tmp_path / "stored") as opened:
        clips = bc.run(sweep(8), ltx, library=opened).wait(PATIENCE).clips
        clips[1].stars = 5
        clips[6].stars = 2
    return tmp_path / "stored"


def starred(opened):
    return sorted(clip.stars for clip in opened.clips(stars=1))


def test_an_interrupted_rebuild_is_repeated_with_the_stars(stored, monkeypatch):
    (stored / "library.sqlite").unlink()
    restore, restored = Healing._restore, []

    def dies(self, key):
        restored.append(key)
        if len(restored) > 4:
            raise RuntimeError("killed")
        return restore(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(Healing, "_restore", dies)
        with pytest.raises(RuntimeError):
            Library(stored)
    opened = Library(stored)
    assert len(opened) == 8
    assert starred(opened) == [2, 5]
    assert "rebuilt" in opened.healed[0]
    opened.close()
    assert Library(stored).healed == []


def test_an_empty_index_is_rebuilt(stored):
    (stored / "library.sqlite").write_bytes(b"")
    opened = Library(stored)
    assert len(opened) == 8
    assert starred(opened) == [2, 5]
    opened.close()


@pytest.mark.parametrize("page", range(8))
def test_an_index_damaged_anywhere_is_rebuilt(stored, page):
    path = stored / "library.sqlite"
    data = bytearray(path.read_bytes())
    if page * 4096 >= len(data):
        pytest.skip("the index has fewer pages")
    data[page * 4096 : (page + 1) * 4096] = np.random.default_rng(page).bytes(4096)
    path.write_bytes(data)
    opened = Library(stored)
    assert len(opened) == 8
    assert starred(opened) == [2, 5]
    assert opened.healed
    opened.close()


def test_a_database_of_another_program_is_moved_away(stored):
    path = stored / "library.sqlite"
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (a)")
        db.execute("PRAGMA user_version = 1")
    opened = Library(stored)
    assert len(opened) == 8
    assert list(stored.glob("library.sqlite.damaged-*"))
    opened.close()


def test_damage_found_later_is_reported_and_repaired_by_the_next_opening(stored, monkeypatch):
    monkeypatch.setattr("beecam.storage.index_file._CHECKED_BYTES", 0)
    opened = Library(stored)
    path = stored / "library.sqlite"
    opened._index._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\x07" * (len(data) - 4096)
    path.write_bytes(data)
    opened._index._db.execute("PRAGMA shrink_memory")
    with pytest.raises(LibraryError, match=r"damaged .* open it again"):
        opened.clips()[0].shot  # noqa: B018
    opened.close()
    again = Library(stored)
    assert len(again) == 8
    again.close()


@pytest.mark.parametrize("suffix", [".mp4", ".jpg"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_truncated_file_is_generated_again(ltx, stored, suffix, keep):
    opened = Library(stored)
    path = next((stored / "media").glob(f"*/*{suffix}"))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    run = bc.run(sweep(8), ltx, library=opened).wait(PATIENCE)
    counts = run.changes().run.counts
    assert (counts["cached"], counts["done"]) == (7, 1)
    assert all(len(clip.frames()) == 9 for clip in opened.clips())
    opened.close()


def test_a_damaged_sheet_affects_only_its_own_clip(stored):
    opened = Library(stored)
    path = next((stored / "media").glob("*/*.jpg"))
    path.write_bytes(b"\xff\xd8 nothing \xff\xd9")
    assert len(opened.clips().contact_sheet().axes) >= 8
    opened.close()


def test_a_damaged_video_names_what_to_do(stored):
    opened = Library(stored)
    clip = opened.clips()[0]
    clip.path.write_bytes(b"not a video")
    with pytest.raises(MediaError, match="Delete it and run its sweep again"):
        clip.frames()
    opened.close()


@pytest.mark.parametrize(
    "change", [{"facts": None}, {"facts": [1]}, {"created": None}, {"shot": 3}]
)
def test_a_foreign_file_among_the_media_blocks_nothing(stored, change, moving):
    from beecam.media import mp4

    path = next((stored / "media").glob("*/*.mp4"))
    settings = {**mp4.read_settings(path), **change}
    mp4.write_mp4(path, moving, 8, {k: v for k, v in settings.items() if v is not None})
    (stored / "library.sqlite").unlink()
    opened = Library(stored)
    assert 7 <= len(opened) <= 8
    opened.close()


def test_healing_keeps_files_of_live_processes(stored):
    live = Library(stored)
    key, ended = live.clips()[0].key, "d" * 32
    half = live.mp4_path(key).with_name(f".{key}.{live._lock.name}-0.mp4")
    dead = live.mp4_path(key).with_name(f".{key}.{ended}-0.mp4")
    half.write_bytes(b"half")
    dead.write_bytes(b"half")
    live._index.begin(key, ended)
    other = Library(stored)
    assert half.exists()
    assert not dead.exists()
    other.close()
    live.close()
    shutil.rmtree(stored)
