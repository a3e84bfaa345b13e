"""Libraries from strangers: nothing outside the folder is touched, nothing locks the door."""

import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import beecam as bc
from beecam._util.digests import is_digest
from beecam._util.plain_files import open_plain
from beecam.clips.library import Library
from beecam.errors import BeecamWarning, LibraryError, MediaError
from beecam.storage.index_file import NAME
from beecam.storage.locks import LibraryLock, OpeningLock
from helpers import error_message, fill
from strangers import KEY, ONCE, content, opened, six_clips, use

# --- names -----------------------------------------------------------------------------------------


@given(st.text() | st.sampled_from([f"{KEY}\n", KEY.upper(), KEY[:31] + "é", f"../{KEY}"[:32]]))
def test_only_digests_are_names(text):
    assert is_digest(text) == (len(text) == 32 and set(text) <= set("0123456789abcdef"))


@ONCE
@given(st.text() | st.sampled_from(["..", "../..", "../outside/x", "*", "\0", "\ud83d"]))
def test_no_path_is_made_of_another_name(library, name):
    if is_digest(name):
        return
    for make in (library.mp4_path, library.sheet_path):
        with pytest.raises(MediaError, match="is not the key of a clip"):
            make(name)
    with pytest.raises(LibraryError):
        library.row(name)
    assert library.known([name]) == set()
    assert library.table([name]) == {}
    assert name not in library
    library.checkpoints.remove(name)
    assert library.checkpoints.load(name) is None
    assert not library._lock.is_alive(name)
    with pytest.raises(LibraryError):
        library.rate(name, stars=3)


@pytest.mark.parametrize(
    ("key", "session"),
    [
        ("..", "x"),
        ("../../outside", KEY),
        (KEY, "../../outside/"),
        ("*", "*"),
        (KEY, "*"),
        (f"../../outside/{KEY}", KEY),
        (b"\xff\xfe", b"\xff"),
        (3, None),
    ],
)
def test_hostile_pending_rows_remove_nothing(folder, outside, tmp_path, key, session):
    with closing(sqlite3.connect(folder / NAME)) as db, db:
        db.execute("INSERT INTO pending VALUES (?, ?)", (key, session))
    live = folder / "media" / KEY[:2] / f".{KEY}.{'b' * 32}-0.mp4"
    live.parent.mkdir(exist_ok=True)
    live.write_bytes(b"of another process")
    before = content(outside)
    with opened(folder) as library:
        six_clips(library)
        use(library, tmp_path)
    assert content(outside) == before
    assert live.exists()


# --- links and other files -------------------------------------------------------------------------


# What is placed into one library together, and apart from the others.
PLACES = {
    "folders": ["locks", "checkpoints", "inputs", "sweeps", "annotations.jsonl", NAME],
    "media": ["media"],
    "files": [
        f"{NAME}-wal",
        f"{NAME}-shm",
        f"{NAME}-journal",
        f"{NAME}-suspect",
        f"locks/{KEY}.lock",
        "locks/opening.lock",
        f"checkpoints/{KEY}-1-1.safetensors",
        f"sweeps/{KEY}.json",
        f"inputs/{KEY}.png",
        "media/00/" + "0" * 32 + ".mp4",
        "a video",
        "a sheet",
        "a folder of clips",
    ],
}


def place(folder, name):
    """Return a path in a library; what was there is removed."""
    first, second, third = sorted((folder / "media").glob("*/*.mp4"))[:3]
    named = {
        "a video": first,
        "a sheet": second.with_suffix(".jpg"),
        "a folder of clips": third.parent,
    }
    path = named.get(name, folder / name)
    path.parent.mkdir(exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("target", ["folder", "file", "dangling", "hard link"])
def test_no_link_is_followed_out_of_a_library(folder, outside, tmp_path, places, target):
    for path in [place(folder, name) for name in PLACES[places]]:
        if target == "hard link":
            path.hardlink_to(outside / "notes.txt")
        else:
            targets = {"folder": outside, "file": outside / "notes.txt", "dangling": outside / "no"}
            path.symlink_to(targets[target])
    before = content(outside)
    with opened(folder) as library:
        use(library, tmp_path)
        assert len(library) >= 6
    assert content(outside) == before
    assert b"cHJpdmF0Z" not in (tmp_path / "page.html").read_bytes(), "private, in base64"


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("kind", ["pipe", "folder", "empty", "garbage"])
def test_other_files_in_a_library_hang_and_lock_nothing(folder, tmp_path, places, kind):
    for path in [place(folder, name) for name in PLACES[places]]:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
            (path / "file").write_text("x")
        else:
            path.write_bytes(b"" if kind == "empty" else b"\x00\xffgarbage\n" * 500)
    with opened(folder) as library:
        use(library, tmp_path)
        assert len(library) >= 6


def test_files_of_the_folders_owner_stay_as_they_are(folder, outside, tmp_path):
    media = folder / "media"
    own = [
        media / "README.txt",
        media / "bee.mp4",
        media / "raw",
        media / "albums" / "cover.jpg",
        media / "albums" / "linked.mp4",
        next(media.glob("*/*.mp4")).parent / "Thumbs.db",
    ]
    (media / "albums").mkdir()
    for path in own:
        if path.name in ("raw", "linked.mp4"):
            path.symlink_to(outside)
        else:
            path.write_text("mine")
    with opened(folder) as library:
        use(library, tmp_path)
        assert any("bee.mp4 was left out" in sentence for sentence in library.healed)
        assert not any("README" in sentence for sentence in library.healed)
    for path in own:
        assert path.is_symlink() if path.name in ("raw", "linked.mp4") else path.read_text()


def test_what_is_set_aside_is_named(folder, outside):
    shutil.rmtree(folder / "locks")
    (folder / "locks").symlink_to(outside)
    with opened(folder) as library:
        (sentence,) = library.healed
        assert "locks was not a folder of the library (a link to" in sentence
        six_clips(library)
    assert (folder / "locks").is_dir()
    assert not (folder / "locks").is_symlink()


# --- what can't be read at present -----------------------------------------------------------------

CLOSED = ["a folder of clips", "a video", f"locks/{KEY}.lock", "locks/opening.lock", "sweeps"]
LOOK = """
import sys
from beecam.clips.library import Library
from beecam.errors import MediaError
with Library(sys.argv[1]) as library:
    for clip in library.clips():
        try:
            clip.frames()
        except MediaError as error:
            assert "can't be read: Permission denied" in str(error), error
    library.clips().to_frame()
    library.sweeps()
    library.clips().export_html(sys.argv[2])
    print(len(library), *library.healed)
"""


@pytest.fixture
def looking(folder, tmp_path):
    """Return a function that uses the library in a process that permissions apply to."""
    command = [sys.executable, "-c", LOOK, str(folder), str(tmp_path / "page.html")]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("permissions don't apply to this user")
        dropped = "--bounding-set=-dac_override,-dac_read_search,-fowner"
        command = ["setpriv", dropped, "--inh-caps=-all", *command]

    def look():
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return look


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
def test_what_a_user_may_not_read_locks_nothing(folder, looking, name):
    videos = sorted((folder / "media").glob("*/*.mp4"))
    path = {"a video": videos[0], "a folder of clips": videos[0].parent}.get(name, folder / name)
    if name.endswith(".lock"):
        path.write_text("")
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.mkdir()
    path.chmod(0)
    assert looking().startswith("6")
    path.chmod(0o700)
    with opened(folder) as library:
        assert len(library) == 6


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["the index", "its rows"])
def test_stars_of_a_log_that_was_unreadable_come_back(folder, looking, lost):
    if lost == "the index":
        (folder / NAME).unlink()
    else:
        with closing(sqlite3.connect(folder / NAME)) as db:
            db.execute("DELETE FROM clips")
            db.commit()
    log = folder / "annotations.jsonl"
    log.chmod(0)
    assert "come back when the library is opened again" in looking()
    log.chmod(0o600)
    with opened(folder) as library:
        six_clips(library)


@pytest.mark.slow
def test_stars_set_while_the_log_is_unreadable_are_newer(folder, looking):
    (folder / NAME).unlink()
    with opened(folder) as library:
        clips = library.clips()
        first, second = clips[0], clips[1]
        first.stars, second.tags = 2, ["early"]
    log = folder / "annotations.jsonl"
    log.chmod(0)
    (folder / NAME).unlink()
    looking()
    with closing(sqlite3.connect(folder / NAME)) as db, db:  # as a clip's `stars = 5` does
        db.execute("UPDATE clips SET stars = 5 WHERE key = ?", (first.key,))
    log.chmod(0o600)
    for _ in range(2):  # the second time, from the log alone
        with opened(folder) as library:
            found = {clip.key: clip for clip in library.clips()}
            assert (found[first.key].stars, found[second.key].tags) == (5, ("early",))
        (folder / NAME).unlink()


@pytest.mark.parametrize("linked", [False, True])
def test_a_log_larger_than_any_of_ours_is_set_aside(folder, tmp_path, linked):
    log = folder / "annotations.jsonl"
    os.truncate(log, 2**40)  # takes no room on the disk
    if linked:
        (tmp_path / "second").hardlink_to(log)
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert len(library) == 6
        assert "annotations.jsonl has more than 200,000,000 bytes" in library.healed[0]


def test_a_lock_that_others_look_at_is_seen_as_held(folder):
    with Library(folder) as library:
        lock = library._lock
        with ThreadPoolExecutor(8) as many:
            others = [LibraryLock(folder / "locks") for _ in range(2)]
            seen = many.map(lambda i: others[i % 2].is_alive(lock.name), range(400))
            assert all(seen)
            for one in others:
                one.release()
        assert not lock.is_alive(others[0].name)


def test_a_lock_is_removed_before_another_process_can_take_it(folder, monkeypatch):
    stale = folder / "locks" / f"{KEY}.lock"
    stale.write_text("")
    removed = []

    def remove(path):
        # Who has just created the file, and would hold a lock that no one sees.
        with pytest.raises(Timeout):
            FileLock(path).acquire(timeout=0)
        path.unlink()
        removed.append(path)

    monkeypatch.setattr("beecam.storage.locks.remove_quietly", remove)
    one = LibraryLock(folder / "locks")
    one.remove_stale()
    assert removed == [stale]
    monkeypatch.undo()
    one.release()


def test_the_opening_of_another_user_is_waited_for(folder, monkeypatch):
    path = folder / "locks" / "opening.lock"
    path.touch()

    def open_of_another(path, flags=os.O_RDONLY):
        if flags & os.O_RDWR and path.name == "opening.lock":
            raise PermissionError(13, "Permission denied", str(path))
        return open_plain(path, flags)

    monkeypatch.setattr("beecam.storage.locks.open_plain", open_of_another)
    monkeypatch.setattr("beecam.storage.locks._OPENING_TIMEOUT", 0)
    with FileLock(path):
        assert "another process is opening it" in error_message(
            lambda: Library(folder), LibraryError
        )
    names = {one.name for one in path.parent.iterdir()}
    assert names == {"opening.lock"}, "the lock was renamed, or another one was left"
    with Library(folder):
        pass


def test_an_opening_lock_that_was_removed_meanwhile_holds_nothing(tmp_path, monkeypatch):
    path = tmp_path / "opening.lock"
    found = []

    def open_and_remove(path, flags=os.O_RDONLY):
        found.append(open_plain(path, flags))
        if len(found) == 1:
            path.unlink()
        return found[-1]

    monkeypatch.setattr("beecam.storage.locks.open_plain", open_and_remove)
    lock = OpeningLock(path)
    lock.acquire()
    assert len(found) == 2
    with pytest.raises(Timeout):
        FileLock(path).acquire(timeout=0)
    lock.release()
    lock.release()
    FileLock(path).acquire(timeout=0).lock.release()


def test_thousands_of_stale_locks_are_removed_some_at_a_time(folder, monkeypatch):
    monkeypatch.setattr("beecam.storage.locks._MAX_REMOVED", 10)
    for i in range(25):
        (folder / "locks" / f"{i:032x}.lock").touch()
    for left in (15, 5, 0, 0):
        with Library(folder) as library:
            names = {path.stem for path in (folder / "locks").glob("*.lock")}
            assert len(names - {library._lock.name, "opening"}) == left


# --- files and rows --------------------------------------------------------------------------------


def test_clips_without_a_row_are_listed_and_rows_without_a_clip_are_not(folder):
    with opened(folder) as library:
        lost, gone = (clip.key for clip in library.clips(stars=5)), library.clips()[0].key
        lost = next(lost)
        library._index.remove([lost])
        library.mp4_path(gone).unlink()
        assert lost != gone
    with opened(folder) as library:
        assert len(library) == 5
        assert lost in library
        assert gone not in library
        assert library[lost].stars == 5
        assert len(library.healed) == 2
    with opened(folder) as library:
        assert library.healed == []


def test_a_lost_write_ahead_log_loses_no_clip(tmp_path):
    with Library(tmp_path / "library") as library:
        fill(library)[0].stars = 3
        copied = tmp_path / "copied"
        shutil.copytree(library.folder, copied, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    with opened(copied) as library:
        assert len(library) == 6
        assert len(library.clips(stars=3)) == 1


def test_a_clip_that_another_process_is_writing_is_left_to_it(folder):
    with opened(folder) as one:
        key = one.clips()[0].key
        one._index.begin(key, one._lock.name)
        one._index.remove([key])
        with opened(folder) as two:
            assert key not in two


def test_stars_of_a_clip_whose_video_is_gone_come_back_with_it(folder):
    with opened(folder) as library:
        clip = library.clips(stars=5)[0]
        path, data = clip.path, clip.mp4_bytes()
    (folder / "annotations.jsonl").unlink()
    path.unlink()
    with opened(folder) as library:
        assert len(library) == 5
    path.write_bytes(data)
    with opened(folder) as library:
        six = sorted(clip.stars for clip in library.clips())
        assert six == [0, 0, 0, 0, 0, 5]


# --- names that another program has changed --------------------------------------------------------


def in_capitals(folder, what):
    """Rename files of a library as programs do that know capitals only."""
    video = min((folder / "media").glob("*/*.mp4"))
    if what == "suffix":
        video.rename(video.with_suffix(".MP4"))
        sheet = video.with_suffix(".jpg")
        sheet.rename(sheet.with_suffix(".JPG"))
    elif what == "name":
        video.rename(video.with_name(video.name.upper()))
    elif what == "folder":
        found = [one for one in (folder / "media").iterdir() if one.name != one.name.upper()]
        for one in found:
            one.rename(one.with_name(one.name.upper()))
        assert found
    else:
        for name in ("media", "annotations.jsonl"):
            (folder / name).rename(folder / name.upper())


@pytest.mark.parametrize("what", ["suffix", "name", "folder", "all"])
@pytest.mark.parametrize("index", [True, False])
def test_files_that_were_renamed_in_capitals_are_found_and_named(folder, what, index):
    in_capitals(folder, what)
    if not index:
        (folder / NAME).unlink()
    with opened(folder) as library:
        six_clips(library)
        for clip in library.clips():
            assert clip.frames().shape
            assert clip.sheet_bytes()
        assert any("was renamed to" in line for line in library.healed)
    with opened(folder) as library:
        assert library.healed == []


def test_a_second_file_of_a_clip_in_capitals_is_left_out_and_named(folder):
    video = min((folder / "media").glob("*/*.mp4"))
    other = video.with_name(video.name.upper())
    other.write_bytes(b"another one")
    with opened(folder) as library:
        six_clips(library)
        assert any(other.name in line and "left out" in line for line in library.healed)
    assert other.read_bytes() == b"another one"


def test_clips_whose_videos_are_gone_are_named(folder):
    video = min((folder / "media").glob("*/*.mp4"))
    video.rename(video.with_suffix(".mov"))
    with opened(folder) as library:
        assert any(video.stem[:8] in line for line in library.healed)


# --- names that aren't text ------------------------------------------------------------------------


def test_names_that_are_not_text_break_nothing(folder, tmp_path):
    odd = os.fsdecode(b"b\xffe")
    try:
        place = tmp_path / odd
        place.mkdir()
    except OSError:
        pytest.skip("names are text here")
    video = min((folder / "media").glob("*/*.mp4"))
    shutil.copy(video, place / f"{odd}.mp4")
    (place / f"{odd}.yaml").write_text("name: 3")
    (place / f"{odd}-2.mp4").write_text("x")
    for name in (f"media/{odd}", f"sweeps/{odd}.json", f"checkpoints/{odd}", f"locks/{odd}.lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    (video.parent / f"{odd}.mp4").write_text("x")
    moved = folder.rename(place / "library")
    with opened(moved) as strange:
        use(strange, tmp_path)
        texts = [*strange.healed, *strange.sweeps().problems, repr(strange)]
        strange.clips()[0].save(place / f"{odd}.webp")
        strange.clips().export_html(place / f"{odd}.html")
    with Library(tmp_path / "own") as library, pytest.warns(BeecamWarning) as warned:
        assert len(library.take(place)) == 1
    texts += [str(one.message) for one in warned] + list(bc.decks(place).problems)
    assert bc.read_media(place / f"{odd}.webp") is not None
    image = bc.read_media(place / f"{odd}.webp")
    sweep = bc.sweep("a bee", image=[image, clip_image(place, odd)])
    texts += [repr(sweep), *sweep.axes[0].labels]
    for text in texts:
        text.encode()


def clip_image(place, odd):
    Image.new("RGB", (8, 8)).save(place / f"{odd}.png")
    return bc.read_media(place / f"{odd}.png")
