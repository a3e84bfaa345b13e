"""Libraries from strangers: nothing outside the folder is touched, and nothing locks the door."""

import json
import math
import os
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beecam._util.digests import is_digest
from beecam.clips.library import Library
from beecam.errors import BeecamError, CheckError, LibraryError, MediaError
from beecam.media import mp4
from beecam.models.model import Checkpoint
from beecam.storage.annotations import AnnotationLog
from beecam.storage.checkpoints import Checkpoints
from beecam.storage.clip_settings import INVALID, check_settings
from beecam.storage.folder import LibraryUnavailableError
from beecam.storage.index_file import NAME
from helpers import fill

KEY = "0123456789abcdef" * 2
ONCE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud83d", "../../x", "<b>", "a" * 5_000, KEY, math.inf, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["shot", "facts"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


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
    """A folder of somebody else, with files of every kind that a library has."""
    outside = tmp_path / "outside"
    (outside / "deeper").mkdir(parents=True)
    for name in (f"{KEY}.lock", "opening.lock", "notes.txt", f".{KEY}.{KEY}-0.mp4", ".x.part"):
        (outside / name).write_text("private")
        os.utime(outside / name, (0, 0))
    (outside / f"{KEY}-1-1.safetensors").write_text("private")
    return outside


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@contextmanager
def opened(folder):
    """Open a library within a minute, or fail: nothing in it may hang."""
    library = []
    thread = threading.Thread(target=lambda: library.append(Library(folder)), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "opening hangs"
    assert library, "opening failed"
    yield library[0]
    library[0].close()


def use(library, tmp_path):
    """Do everything with a library that reads or writes its files."""
    clips = library.clips()
    clips.to_frame()
    clips.query("bee")
    clips.sort("-stars")
    clips.starred  # noqa: B018
    repr(library.sweeps())
    library.known(clips.keys)
    library.checkpoints.find([KEY])
    library.checkpoints.remove(KEY)
    fill(library)
    for clip in library.clips():
        clip.stars = 3
    library.clips()[:6].export_html(tmp_path / "page.html")


def six_clips(library):
    assert len(library) == 6
    assert sorted(clip.stars for clip in library.clips()) == [0, 0, 0, 0, 0, 5]
    assert max(clip.tags for clip in library.clips()) == ("keep",)


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


def test_what_is_set_aside_is_named(folder, outside):
    shutil.rmtree(folder / "locks")
    (folder / "locks").symlink_to(outside)
    with opened(folder) as library:
        (sentence,) = library.healed
        assert "locks was not a folder of the library (a link to" in sentence
        six_clips(library)
    assert (folder / "locks").is_dir()
    assert not (folder / "locks").is_symlink()


# --- settings and lines ----------------------------------------------------------------------------


@ONCE
@given(st.data())
def test_settings_are_valid_or_refused_with_a_known_error(original, data):
    path = next((original / "media").glob("*/*.mp4"))
    changed = mp4.read_settings(path)
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from([changed, changed["shot"], changed["facts"]]))
        if not isinstance(part, dict):
            continue
        name = data.draw(st.sampled_from([*part, "extra", "switch", "conditions", "adapters"]))
        part[name] = data.draw(JSON)
        if not isinstance(changed["shot"], dict) or not isinstance(changed["facts"], dict):
            break
    try:
        key, found = check_settings(changed)
    except INVALID:
        return
    assert is_digest(key)
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert check_settings(json.loads(text)) == (key, found)


@pytest.mark.slow
@settings(ONCE, max_examples=25)
@given(JSON, st.sampled_from(["shot", "facts", "created", "parents", "version"]))
def test_a_hostile_video_is_left_out_alone(tmp_path_factory, original, value, name):
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("hostile") / "library"))
    path = min((folder / "media").glob("*/*.mp4"))
    changed = {**mp4.read_settings(path), name: value}
    mp4.copy_mp4(path, folder / "new.mp4", changed)
    (folder / "new.mp4").replace(path)
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert 5 <= len(library) <= 6
        assert len(library) == 6 or any(path.name in line for line in library.healed)
        frame = library.clips().to_frame()
        assert len(frame) == len(library)
        assert len(library.clips().contact_sheet().axes) >= len(library)
        library.clips().export_html(folder / "page.html")
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize("depth", [30, 1_000, 100_000])
def test_deep_nesting_is_left_out(folder, depth):
    deep = "[" * depth + "]" * depth
    path = min((folder / "media").glob("*/*.mp4"))
    text = json.dumps({"beecam": {**mp4.read_settings(path), "facts": "DEEP"}})
    import av

    with (
        av.open(str(path)) as source,
        av.open(
            str(folder / "new.mp4"), "w", format="mp4", options={"movflags": "use_metadata_tags"}
        ) as target,
    ):
        target.metadata["comment"] = text.replace('"DEEP"', deep)
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    (folder / "new.mp4").replace(path)
    with (folder / "annotations.jsonl").open("a") as file:
        file.write(f'{{"key": "{path.stem}", "tags": {deep}}}\n')
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "deep.json").write_text(deep)
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert len(library) == 5
        assert any(path.name in line for line in library.healed)
        assert library.sweeps().problems


@ONCE
@given(st.lists(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), max_size=6))
def test_only_whole_and_valid_lines_of_the_log_count(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("log") / "annotations.jsonl"
    log = AnnotationLog(path)
    log.add(KEY, stars=4)
    for line in lines:
        with path.open("ab") as file:  # without its end, as after a short write
            file.write(line.replace(b"\n", b" "))
        log.add(KEY, stars=2, tags=["a"])
    found, damaged = log.read()
    assert found == {KEY: {"stars": 2, "tags": ["a"]} if lines else {"stars": 4}}
    assert damaged <= len(lines)
    assert log.since(0)[1] == found


@ONCE
@given(JSON, st.sampled_from(["stars", "tags", "rejected"]))
def test_annotations_of_others_are_valid_or_ignored(tmp_path_factory, value, name):
    path = tmp_path_factory.mktemp("log") / "annotations.jsonl"
    path.write_text(json.dumps({"key": KEY, name: value}) + "\n")
    found, damaged = AnnotationLog(path).read()
    for change in found.values():
        json.dumps(change, ensure_ascii=False, allow_nan=False).encode()
    assert bool(found) != bool(damaged)


# --- the index -------------------------------------------------------------------------------------


SCHEMAS = {
    "a trigger": "CREATE TRIGGER t AFTER UPDATE ON clips BEGIN DELETE FROM clips; END",
    "a view": "CREATE VIEW v AS SELECT 1",
    "an endless view": """
        ALTER TABLE clips RENAME TO hidden;
        CREATE VIEW clips AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT i AS key, i AS created, i AS shot FROM n;
    """,
    "a missing column": "ALTER TABLE clips DROP COLUMN parents",
    "a further column": "ALTER TABLE clips ADD COLUMN more GENERATED ALWAYS AS (length(shot))",
    "an index on an expression": "CREATE INDEX i ON clips (length(shot))",
    "a missing table": "DROP TABLE pending",
    "a missing index": "DROP INDEX clips_stars",
    "another table": "CREATE TABLE more (a)",
    "a virtual table": "CREATE VIRTUAL TABLE more USING fts5(a)",
    "a wild format": "PRAGMA user_version = -7",
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_index_of_another_schema_is_set_aside(folder, tmp_path, name):
    with closing(sqlite3.connect(folder / NAME, isolation_level=None)) as db:
        db.executescript(SCHEMAS[name])
    with opened(folder) as library:
        six_clips(library)
        assert "the index was damaged" in library.healed[0]
        use(library, tmp_path)
    assert list(folder.glob(f"{NAME}.damaged-*"))


@pytest.mark.slow
@pytest.mark.parametrize("at", range(100))
def test_a_wrong_byte_in_the_header_loses_nothing(folder, at):
    path = folder / NAME
    data = bytearray(path.read_bytes())
    data[at] = (data[at] + 0x55) % 256
    path.write_bytes(data)
    if at == 63:  # the number of the format
        with pytest.raises(LibraryError, match=r"newer beecam.*move library\.sqlite away"):
            Library(folder)
        return
    with opened(folder) as library:
        six_clips(library)
        library.clips()[0].stars = 1


ROWS = {
    "a key": ("key", "../../outside/x"),
    "a key of bytes": ("key", b"\xff\xfe"),
    "bad JSON": ("shot", "{"),
    "no shot": ("shot", "[]"),
    "another shot": ("shot", '{"prompt": "x", "noise": [[1, 1.0]]}'),
    "a shot of numbers": ("shot", '{"prompt": 3, "noise": [[1, 1.0]]}'),
    "a large seed": ("shot", '{"prompt": "x", "noise": [[1180591620717411303424, 1.0]]}'),
    "NaN": ("shot", '{"prompt": "x", "noise": [[1, NaN]]}'),
    "deep nesting": ("shot", "[" * 900 + "]" * 900),
    "a shot that isn't UTF-8": ("shot", b'{"prompt": "\xff"}'),
    "facts of a list": ("facts", "[1]"),
    "a deep fact": ("facts", '{"sheet": ' + "[" * 900 + "]" * 900 + "}"),
    "a wrong layout": ("facts", '{"sheet": {"frames": -1, "width": "x"}, "width": 0}'),
    "half a surrogate": ("facts", '{"license": "\\ud83d"}'),
    "bad parents": ("parents", '["../x"]'),
    "parents of a number": ("parents", "3"),
    "stars of a word": ("stars", "many"),
    "many stars": ("stars", 10**12),
    "no rejection": ("rejected", "no"),
    "tags of a number": ("tags", "3"),
    "tags of numbers": ("tags", "[1, 2]"),
    "half a surrogate in tags": ("tags", '["\\ud83d"]'),
    "a date of a word": ("created", "yesterday"),
    "an endless date": ("created", math.inf),
    "seconds of a word": ("seconds", "fast"),
    "a prompt that isn't UTF-8": ("prompt", b"\xff\xfe"),
    "a model of bytes": ("model", b"\x00"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("live", [False, True])
def test_a_damaged_row_is_restored_from_its_video(folder, outside, tmp_path, name, live):
    column, value = ROWS[name]
    as_text = isinstance(value, bytes) and column in ("shot", "prompt", "key")
    slot = "CAST(? AS TEXT)" if as_text else "?"

    def damage():
        with closing(sqlite3.connect(folder / NAME)) as db, db:
            db.execute(
                f"UPDATE clips SET {column} = {slot} WHERE key = (SELECT min(key) FROM clips)",
                (value,),
            )

    if not live:
        damage()
    with opened(folder) as library:
        if live:
            damage()
        clips = library.clips()
        assert len(clips) == 6 - (live and column == "key")
        clips.to_frame()
        library.clips("é")
        for clip in clips:
            assert clip.prompt in ("a bee", "a moth")
            assert library.seconds_for(clip.shot) is not None
        use(library, tmp_path)
    with opened(folder) as library:
        assert len(library) == 6
        use(library, tmp_path)
        json.dumps(library.table(library.clips().keys), ensure_ascii=False).encode()


def test_a_row_of_a_damaged_video_is_left_out_alone(folder):
    key = min((folder / "media").glob("*/*.mp4")).stem
    (folder / "media" / key[:2] / f"{key}.mp4").write_bytes(b"damaged")
    with opened(folder) as library:
        clips = library.clips()
        with closing(sqlite3.connect(folder / NAME)) as db, db:
            db.execute("UPDATE clips SET shot = '[]' WHERE key = ?", (key,))
        frame = clips.to_frame()
        assert list(frame["key"]) == list(clips.keys)
        assert frame["prompt"].notna().sum() == 5
        clips.contact_sheet()
        assert any(key[:8] in line for line in library.healed)
        assert len(library) == 5


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


# --- checkpoints -----------------------------------------------------------------------------------


def checkpoint(step=3, batch=2):
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(2, 3)).astype(np.float32), "n": np.int64(4)[None]}
    return Checkpoint(step, batch, 1, arrays, {"parts": {"x": 1}})


@ONCE
@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_checkpoint_is_not_used(tmp_path_factory, at, change):
    stored = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    stored.store(KEY, checkpoint())
    (path,) = stored._folder.iterdir()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= change
    path.write_bytes(data)
    found = stored.load(KEY)
    if found is not None:  # a byte that means nothing, such as a space
        assert found.notes == checkpoint().notes
        assert all((found.arrays[n] == a).all() for n, a in checkpoint().arrays.items())
    else:
        assert stored.find([KEY]) == {}


@pytest.mark.parametrize("name", [f"{'b' * 32}-3-2", f"{KEY}-4-2", f"{KEY}-3-3"])
def test_a_checkpoint_under_another_name_is_not_used(tmp_path, name):
    stored = Checkpoints(tmp_path)
    stored.store(KEY, checkpoint())
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / f"{name}.safetensors")
    assert stored.load(name[:32]) is None


def test_other_files_among_checkpoints_are_left_alone(tmp_path):
    stored = Checkpoints(tmp_path)
    names = ["x-y-z.safetensors", f"{KEY}.safetensors", f"{KEY}-a-b.safetensors", "-.safetensors"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert stored.find([KEY, "x"]) == {}
    assert stored.load(KEY) is None
    stored.remove(KEY)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


# --- text, and disks that don't answer ----------------------------------------------------------------

HALF = "half \ud83d"


@pytest.mark.parametrize(
    "call",
    [
        lambda library: library.clips(HALF),
        lambda library: library.clips(model=HALF),
        lambda library: library.clips(tag=HALF),
        lambda library: library.clips(sort=HALF),
        lambda library: library.clips().sort(HALF),
        lambda library: library.clips().query(f"{HALF}:3"),
        lambda library: library.clips().query(f"{HALF}>=3"),
        lambda library: library.clips().where(**{HALF: 3}),
        lambda library: library.sweep(HALF),
        lambda library: library.tag(library.clips()[0].key, [HALF]),
        lambda library: library.rate(HALF, stars=3),
        lambda library: library.row(HALF),
        lambda library: library.take(HALF),
        lambda library: library[HALF],
        lambda library: library.clips().pivot(HALF, "seed"),
    ],
)
def test_half_of_a_surrogate_pair_gets_a_sentence_that_can_be_shown(folder, call):
    with opened(folder) as library:
        with pytest.raises((BeecamError, KeyError)) as error:
            call(library)
        str(error.value).encode()


def test_searching_for_half_of_a_surrogate_pair_finds_nothing(folder):
    with opened(folder) as library:
        assert len(library.clips().query("\ud83d")) == 0
        assert HALF not in library
        assert library.keys_with_prefix(HALF) == []


def test_a_locked_index_gets_a_sentence(folder, monkeypatch):
    monkeypatch.setattr("beecam.storage.index_file._BUSY_TIMEOUT", 0.05)
    with opened(folder) as library, closing(sqlite3.connect(folder / NAME)) as other:
        clip = library.clips()[0]
        other.execute("BEGIN IMMEDIATE")
        for change in (
            lambda: setattr(clip, "stars", 1),
            lambda: setattr(clip, "tags", ["a"]),
            lambda: library.copy_annotations(clip.key, library.clips(stars=5)[0].key),
            lambda: library.store(clip.shot, clip.frames(), clip.facts),
        ):
            with pytest.raises(LibraryUnavailableError, match="has locked the index; close that"):
                change()
        with opened(folder) as second:  # nothing has to be written
            six_clips(second)
        other.rollback()
        clip.stars = 1
        assert clip.stars == 1


def test_a_full_disk_gets_a_sentence(folder):
    with opened(folder) as library:
        clip = library.clips()[0]
        pages = library._index._db.execute("PRAGMA page_count").fetchone()[0]
        library._index._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LibraryUnavailableError, match="the disk is full; free some space"):
            clip.tags = [f"tag {i} {'x' * 200}" for i in range(900)]
        with pytest.raises(OSError, match="the disk is full"):
            library.store(clip.shot.replace(prompt="x" * 4_000), clip.frames(), clip.facts)
        clip.stars = 2
        assert clip.stars == 2


def test_tags_that_cannot_be_shown_are_refused(library):
    clip = fill(library)[0]
    with pytest.raises(CheckError, match="half of a surrogate pair, at character 5"):
        clip.tags = ["fine", HALF]
    assert clip.tags == ()
