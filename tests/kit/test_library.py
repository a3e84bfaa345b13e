"""The library: finished clips stay, whatever happens to the folder."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library, open_library
from beecam.errors import CheckError, LibraryError, MediaError
from beecam.media import mp4, sheets
from beecam.shots.shot import Shot
from beecam.storage.index import NAME as INDEX
from helpers import PATIENCE


def shot(prompt="a bee", seed=0):
    return Shot(
        prompt=prompt,
        noise=((seed, 1.0),),
        negative_prompt="",
        width=32,
        height=32,
        num_frames=5,
        fps=8.0,
        num_inference_steps=4,
        guidance_scale=3.0,
        scheduler="Euler",
        model="tiny",
        revision="0",
    )


def add(library, prompt="a bee", seed=0, parents=(), **facts):
    frames = np.full((5, 32, 32, 3), seed % 256, np.uint8)
    facts = {"sheet": sheets.sheet_layout(frames), "width": 32, "height": 32, **facts}
    return library.add(shot(prompt, seed), frames, facts, parents)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "library"


def test_a_clip_is_restored_with_everything(library):
    first = add(library, "a bee", 1)
    clip = add(library, "a moth", 7, parents=[first.key], seconds=0.5)
    again = library[clip.key[:10]]
    assert again == clip
    assert again.shot == shot("a moth", 7)
    assert again.parents == (first.key,)
    assert again.facts["seconds"] == 0.5
    assert again.frames().shape == (5, 32, 32, 3)
    assert (again.stars, again.rejected, again.tags) == (0, False, ())
    again.stars, again.rejected, again.tags = 4, True, ["night", "night", "<b>"]
    assert (clip.stars, clip.rejected, clip.tags) == (4, True, ("night", "<b>"))


def test_the_mp4_stores_the_complete_shot(library):
    clip = add(library, "a 🐝 <script>", 3)
    assert Shot.from_dict(mp4.read_settings(clip.path)["shot"]) == clip.shot


def test_clips_are_found_and_sorted(library):
    for i, prompt in enumerate(["a bee", "a moth", "Two Bees"]):
        add(library, prompt, i).stars = i
    prompts = lambda **how: [c.shot.prompt for c in library.clips(**how)]  # noqa: E731
    assert prompts() == ["Two Bees", "a moth", "a bee"]
    assert prompts(prompt="BEE", sort="created") == ["a bee", "Two Bees"]
    assert [clip.prompt for clip in library.clips("bee", sort="created")] == ["a bee", "Two Bees"]
    assert [clip.prompt for clip in library.clips("bee", stars=1)] == ["Two Bees"]
    assert len(library.clips("wasp")) == 0
    assert prompts(stars=1, sort="-stars") == ["Two Bees", "a moth"]
    assert prompts(sort="seed", limit=1) == ["a bee"]
    library.clips()[0].rejected = True
    assert prompts(rejected=False) == ["a moth", "a bee"]
    library.clips(prompt="moth")[0].tags = ["keep"]
    assert prompts(tag="keep") == ["a moth"]
    assert prompts(model="other") == []
    with pytest.raises(CheckError, match=r"sort='-star'.*Did you mean stars"):
        library.clips(sort="-star")


@pytest.mark.parametrize("stars", [-1, 6, 2.5, True, "3"])
def test_stars_out_of_range_are_named(library, stars):
    clip = add(library)
    with pytest.raises(CheckError, match=r"stars=.* from 0 to 5"):
        clip.stars = stars
    assert clip.stars == 0


def test_tags_must_be_a_list_of_strings(library):
    clip = add(library)
    with pytest.raises(CheckError, match=r"give a list"):
        clip.tags = "night"
    with pytest.raises(CheckError, match=r"3 is not a string"):
        clip.tags = [3]


def test_the_same_folder_is_the_same_library_and_opens_again_after_closing(folder):
    one = open_library(folder)
    assert open_library(folder) is one
    add(one)
    one.close()
    with pytest.raises(LibraryError, match=r"is closed; bc\.library\(\) opens it"):
        len(one)
    again = open_library(folder)
    assert len(again) == 1
    again.close()


def test_a_removed_folder_takes_no_annotations_and_can_be_opened_again(folder):
    one = open_library(folder)
    clip = add(one)
    shutil.rmtree(folder)
    with pytest.raises(LibraryError, match="is gone: its folder was moved or removed"):
        clip.stars = 3
    again = open_library(folder)
    assert len(again) == 0
    add(again).stars = 3
    assert again.clips()[0].stars == 3
    again.close()


def test_an_empty_library_is_still_the_one_that_was_named(library, ltx, monkeypatch, tmp_path):
    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "other"))
    bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE)
    assert len(library) == 1
    assert not (tmp_path / "other").exists()


def test_the_environment_names_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "mine"))
    with open_library() as library:
        assert library.folder == tmp_path / "mine"


def test_two_threads_and_two_openings_share_a_folder(folder):
    one, two = Library(folder), Library(folder)
    threads = [
        threading.Thread(target=lambda lib=lib, n=n: [add(lib, "x", 10 * n + i) for i in range(8)])
        for n, lib in enumerate([one, two, one, two])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(one) == len(two) == 32
    one.clips()[0].stars = 3
    assert two.clips(stars=3)[0].stars == 3
    one.close()
    two.close()


def test_the_index_can_be_rebuilt_from_the_media_alone(folder):
    with open_library(folder) as library:
        keys = {add(library, "a bee", i, seconds=0.1).key for i in range(4)}
        (library.folder / "media" / "00").mkdir(exist_ok=True)
        (library.folder / "media" / "00" / "notes.mp4").write_bytes(b"not a clip")
    for name in (INDEX, f"{INDEX}-wal", f"{INDEX}-shm"):
        (folder / name).unlink(missing_ok=True)
    with open_library(folder) as again:
        assert {clip.key for clip in again.clips()} == keys
        assert again.clips()[0].facts["seconds"] == 0.1
        assert any("rebuilt from 4 clips" in line for line in again.healed)
        assert any("notes.mp4 was left out" in line for line in again.healed)


def test_a_missing_sheet_is_restored_when_rebuilding(folder):
    with open_library(folder) as library:
        clip = add(library, seed=5)
        library.sheet_path(clip.key).unlink()
    (folder / INDEX).unlink()
    with open_library(folder) as again:
        assert again.clips()[0].sheet_bytes()[:2] == b"\xff\xd8"


def test_a_damaged_index_is_kept_aside_and_rebuilt(folder):
    with open_library(folder) as library:
        add(library)
    (folder / INDEX).write_bytes(b"this is not a database" * 1000)
    with open_library(folder) as again:
        assert len(again) == 1
        assert any("damaged" in line for line in again.healed)
    assert list(folder.glob(f"{INDEX}.damaged-*"))


def test_stars_and_tags_survive_a_lost_index(folder):
    with open_library(folder) as library:
        one, two, three = (add(library, "a bee", seed) for seed in range(3))
        one.stars, one.tags, one.stars = 2, ["night", "<b>"], 5
        two.rejected = True
    with (folder / "annotations.jsonl").open("ab") as file:
        for line in ("{cut off", "7", '{"key": 3}', f'{{"key": "{three.key}", "stars": "x"}}'):
            file.write(line.encode() + b"\n")
    (folder / INDEX).write_bytes(b"this is not a database" * 1000)
    with open_library(folder) as again:
        one, two, three = (again[clip.key] for clip in (one, two, three))
        assert (one.stars, one.rejected, one.tags) == (5, False, ("night", "<b>"))
        assert (two.stars, two.rejected, two.tags) == (0, True, ())
        assert (three.stars, three.rejected, three.tags) == (0, False, ())
        assert len(again.clips(stars=5)) == 1


def test_a_folder_is_a_path():
    with pytest.raises(LibraryError, match=r"library\(3\): the path of a folder is needed"):
        open_library(3)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    path = tmp_path / "taken"
    path.write_text("x")
    with pytest.raises(LibraryError, match=r"taken' is a file; name a folder"):
        open_library(path)
    assert path.read_text() == "x"


def test_a_newer_library_is_left_alone(folder):
    with open_library(folder) as library:
        add(library)
    with sqlite3.connect(folder / INDEX) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LibraryError, match=r"newer beecam \(format 99.*update beecam"):
        open_library(folder)
    with sqlite3.connect(folder / INDEX) as db:
        assert db.execute("SELECT count(*) FROM clips").fetchone() == (1,)
    db.close()


@pytest.mark.skipif(os.name != "posix", reason="permissions are tested where they are POSIX's")
def test_a_read_only_folder_is_named():
    folder = Path(tempfile.mkdtemp())
    with open_library(folder) as library:
        add(library)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:  # root can write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(LibraryError, match=r"may not write there; change its permissions"):
            Library(folder)
        with pytest.raises(LibraryError, match=r"may not write there"):
            Library(folder / "inside")
    finally:
        os.seteuid(user)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_full_disk_is_an_error_that_leaves_nothing_behind(library, monkeypatch):
    add(library, seed=1)

    def full(path, frames):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sheets, "write_sheet", full)
    with pytest.raises(OSError, match="No space"):
        add(library, seed=2)
    monkeypatch.undo()
    assert len(library) == 1
    temporary_files = [p for p in (library.folder / "media").rglob("*") if p.name.startswith(".")]
    assert temporary_files == []
    add(library, seed=2)
    assert len(library) == 2


def test_a_missing_media_file_is_named_and_generated_again(library, ltx):
    sweep = bc.sweep("a bee", seed=[0, 1])
    clips = bc.run(sweep, ltx, library=library).wait(PATIENCE).clips
    clips[0].path.unlink()
    with pytest.raises(MediaError, match=r"is missing; run its sweep again"):
        clips[0].frames()
    assert "missing" in clips[0]._repr_html_()
    clips[0].stars = 5
    run = bc.run(sweep, ltx, library=library).wait(PATIENCE)
    assert run.changes().run.counts["done"] == 1
    assert run.changes().run.counts["cached"] == 1
    assert clips[0].frames().shape == (9, 32, 32, 3)
    assert clips[0].stars == 5


def test_a_corrupt_mp4_is_named(library):
    clip = add(library)
    clip.path.write_bytes(clip.path.read_bytes()[:300])
    with pytest.raises(MediaError, match=r"damaged"):
        clip.frames()


def test_an_unknown_clip_is_named(library):
    with pytest.raises(LibraryError, match="is not in"):
        library.row("0" * 32)
    with pytest.raises(LibraryError, match="is not in"):
        library.rate("0" * 32, stars=1)
    with pytest.raises(KeyError, match="no clip"):
        library["abc"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["write_sheet", "sync_folder"])
def test_files_of_a_killed_process_are_healed(folder, moment):
    code = f"""
import os, sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
from test_library import add, open_library

library = open_library({str(folder)!r})
add(library, seed=1)
library.clips()[0].stars = 2
def die(*args):
    os._exit(9)
module = sys.modules["beecam.media.sheets" if {moment!r} == "write_sheet" else "beecam.storage.media_files"]
setattr(module, {moment!r}, die)
add(library, seed=2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    with open_library(folder) as library:
        complete = 1 if moment == "write_sheet" else 2
        assert len(library) == complete
        assert library.clips(stars=2)[0].shot.seed == 1
        for clip in library.clips():
            assert clip.frames().shape == (5, 32, 32, 3)
            assert clip.sheet_bytes()
        assert not list((folder / "media").rglob(".*"))
        assert library.healed
        add(library, seed=2)
        assert len(library) == 2


def test_a_live_process_is_not_mistaken_for_a_dead_one(folder):
    one = Library(folder)
    one._index.begin("0" * 32, one._lock.name)
    two = Library(folder)
    assert two.healed == []
    assert one._index.unfinished() == {one._lock.name: ["0" * 32]}
    two.close()
    one.close()
    three = Library(folder)
    assert three.healed
    assert three._index.unfinished() == {}
    three.close()


def test_settings_from_others_never_name_another_file(folder):
    with open_library(folder) as library:
        clip = add(library, seed=1)
        settings = mp4.read_settings(clip.path)
        settings["shot"]["prompt"] = "another"
        foreign = library.mp4_path("f" * 32)
        foreign.parent.mkdir(exist_ok=True)
        mp4.write_mp4(foreign, clip.frames(), 8, settings)
        assert library.rebuild() == 0
        assert len(library) == 1
        assert "not its shot's key" in library.healed[-1]


def test_one_folder_by_several_names_is_one_library(tmp_path, monkeypatch):
    folder, other = tmp_path / "bees", tmp_path / "moths"
    with bc.library(folder) as library:
        (tmp_path / "link").symlink_to(folder)
        monkeypatch.chdir(folder)
        names = [folder, f"{folder}/", tmp_path / "link", ".", "../bees", "locks/..", "../link/."]
        assert all(bc.library(name) is library for name in names)
        assert bc.library(other) is not library
        folder.rename(tmp_path / "wasps")
        assert bc.library(tmp_path / "wasps") is not library, "the open one writes nothing there"
        bc.library(tmp_path / "wasps").close()
        bc.library(other).close()
