"""Indexes from strangers: the schema, the header and each row are checked, or built again."""

import json
import math
import sqlite3
from contextlib import closing

import pytest

from beecam.clips.library import Library
from beecam.errors import LibraryError
from beecam.storage.index_file import NAME
from helpers import fill
from strangers import opened, six_clips, use

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


@pytest.mark.parametrize("change", [b"\xdc\x9d", b"\xff\xff", b"\xed\xa0"])
@pytest.mark.parametrize("name", [b"clips_stars", b"clips_created", b"pending"])
def test_a_schema_that_is_not_text_is_set_aside(folder, name, change):
    """SQLite quotes the name in its message, which isn't text then."""
    path = folder / NAME
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes().replace(name, name[:3] + change + name[5:])
    path.write_bytes(data.replace(b"CREATE INDEX", b"CRXATE INDEX").replace(b"E pend", b"E (end"))
    with opened(folder) as library:
        six_clips(library)
        assert "the index was damaged" in library.healed[0]


INDEXES = ("sqlite_autoindex_clips_1", "clips_created", "clips_stars", "clips_timing")


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("checked", ["completely", "by numbers"])
def test_a_page_from_before_hides_no_clip(folder, tmp_path, monkeypatch, name, checked):
    path = folder / NAME
    with closing(sqlite3.connect(path)) as db:
        pages = dict(db.execute("SELECT name, rootpage FROM sqlite_master"))
        size = db.execute("PRAGMA page_size").fetchone()[0]
    part = slice((pages[name] - 1) * size, pages[name] * size)
    before = path.read_bytes()[part]
    with opened(folder) as library:
        fill(library, prompts=("a wasp", "a fly"))
    # As in a copy of the file that was taken while SQLite wrote it.
    data = bytearray(path.read_bytes())
    data[part] = before
    path.write_bytes(data)
    if checked == "by numbers":
        monkeypatch.setattr("beecam.storage.index_file._CHECKED_BYTES", 0)
    with opened(folder) as library:
        assert len(library) == len(library.clips()) == len(library.clips(sort="seed")) == 12
        assert "the index was damaged" in library.healed[0]
        use(library, tmp_path)


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
    "tags that are not JSON": ("tags", "{"),
    "tags of bytes": ("tags", b"\xff"),
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


HUGE = {
    "a value": "UPDATE clips SET shot = json_quote(hex(zeroblob(30000000)))",
    "tags": "UPDATE clips SET tags = json_array(hex(zeroblob(30000000)))",
    "claims": """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
        INSERT INTO pending SELECT printf('%032x', i), printf('%032x', i) FROM n
    """,
}


@pytest.mark.parametrize("name", HUGE)
def test_an_index_of_more_than_a_library_has_is_set_aside_at_once(folder, tmp_path, name):
    with closing(sqlite3.connect(folder / NAME)) as db, db:
        db.execute(HUGE[name])
    with opened(folder) as library:
        six_clips(library)
        assert "the index was damaged" in library.healed[0]
        use(library, tmp_path)


def test_claims_of_many_ended_runs_are_removed_in_one_sentence(folder):
    with closing(sqlite3.connect(folder / NAME)) as db, db:
        rows = [(f"{i:032x}", f"{i:032x}") for i in range(2_000)]
        db.executemany("INSERT INTO pending VALUES (?, ?)", rows)
    with opened(folder) as library:
        assert library.healed == ["2,000 runs that were interrupted have been cleaned up."]
    with closing(sqlite3.connect(folder / NAME)) as db:
        assert not db.execute("SELECT count(*) FROM pending").fetchone()[0]
