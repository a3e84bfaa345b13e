"""The file of a library's index: opening it, whatever was put in its place.

The index can be rebuilt from the media, so that any doubt ends the same way: the file is renamed,
never changed or removed, and a new one is made. What is compared before anything of the file is
used: that it is a plain file with one name, its header, its schema word for word (no view, trigger
or other column can run or hang), its structure if it is small, SQLite's indexes with the table, and
the types of every row.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from beecam._util.files import remove_quietly, sync_folder
from beecam._util.plain_files import is_plain, read_plain, set_aside
from beecam.errors import LibraryError
from beecam.storage.folder import unavailable
from beecam.storage.own_files import make_way

VERSION = 1
NAME = "library.sqlite"
# Suffix of a file that marks the index as damaged, until the next opening checks it.
SUSPECT = "-suspect"
_SCHEMA = """
CREATE TABLE clips (
    key TEXT PRIMARY KEY, created REAL NOT NULL, model TEXT NOT NULL, timing TEXT NOT NULL,
    prompt TEXT NOT NULL, seed INTEGER NOT NULL, seconds REAL, shot TEXT NOT NULL,
    facts TEXT NOT NULL, parents TEXT NOT NULL DEFAULT '[]', stars INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0, tags TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX clips_created ON clips (created, key);
CREATE INDEX clips_stars ON clips (stars, rejected, created, key);
CREATE INDEX clips_timing ON clips (timing, created, seconds);
CREATE TABLE pending (key TEXT, session TEXT);
"""
_IS_DIGEST = "typeof({0}) = 'text' AND length({0}) = 32 AND {0} NOT GLOB '*[^0-9a-f]*'"
# What every row holds; `rows.py` checks the content of those that are read.
_VALID_ROW = f"""
{_IS_DIGEST.format("key")}
AND typeof(created) IN ('real', 'integer') AND created BETWEEN 0 AND 253402300799
AND typeof(model) = 'text' AND typeof(timing) = 'text' AND typeof(prompt) = 'text'
AND typeof(seed) = 'integer' AND seed >= 0
AND (seconds IS NULL OR (typeof(seconds) IN ('real', 'integer') AND abs(seconds) < 1e15))
AND typeof(shot) = 'text' AND typeof(facts) = 'text' AND typeof(parents) = 'text'
AND json_valid(shot) AND json_valid(facts) AND json_valid(parents)
AND typeof(stars) = 'integer' AND stars BETWEEN 0 AND 5
AND typeof(rejected) = 'integer' AND rejected IN (0, 1)
AND typeof(tags) = 'text' AND json_valid(tags)
"""
_VALID_PENDING = f"{_IS_DIGEST.format('key')} AND {_IS_DIGEST.format('session')}"
# A larger number in the header was not written by any beecam.
_MAX_VERSION = 1_000
# Checking a larger index completely at every opening would take longer than opening it.
_CHECKED_BYTES = 20_000_000
# What SQLite's indexes hold, in numbers: a copy that was taken while it wrote has some pages that
# are older than others, and queries by such an index pass over clips without any error.
_INDEXED = {
    "sqlite_autoindex_clips_1": "sum(length(key))",
    "clips_created": "count(created), sum(CAST(created AS INTEGER))",
    "clips_stars": "sum(stars), sum(rejected), sum(CAST(created AS INTEGER))",
    "clips_timing": "sum(length(timing)), count(seconds)",
}
# Instructions of SQLite's machine: reading our own schema takes a few hundred.
_SCHEMA_STEPS = 1_000_000
_BUSY_TIMEOUT = 10  # seconds
# Of a value; clips have a tenth of it. SQLite's own limit is a gigabyte, which a row would take.
_MAX_VALUE = 20_000_000  # bytes
# A run claims the clips of a few batches. Each claim of a process that has ended is looked for in
# the media, which would take minutes for a hundred thousand.
_MAX_PENDING = 5_000
_HEADER = 100  # bytes; see https://sqlite.org/fileformat2.html#the_database_header
# The bytes of the header that are the same in every index: format versions, sizes, UTF-8, zeros.
_CONSTANT = {18: (1, 2), 19: (1, 2), 20: (0,), 21: (64,), 22: (32,), 23: (32,)}
_CONSTANT |= {**dict.fromkeys((*range(52, 59), *range(64, 92)), (0,)), 59: (1,)}


class _DamageError(Exception):
    """Why a file can't be the index."""


@dataclass
class IndexFile:
    """An open index.

    Attributes:
        db: The connection.
        fresh: Whether it is new and may lack rows of existing media.
        damaged: The path to which a damaged index was moved, or None.
        repairs: A sentence about each repair.
    """

    db: sqlite3.Connection
    fresh: bool
    damaged: Path | None
    repairs: list[str]


def open_index(folder: Path, is_alone: Callable[[], bool] = lambda: True) -> IndexFile:
    """Open the index of a library's folder, creating it if it doesn't exist.

    Args:
        folder: The folder.
        is_alone: Returns whether no other process has the library open.

    Raises:
        LibraryError: It was written by a newer version.
        LibraryUnavailableError: The index can't be opened or written there at present.
    """
    path = folder / NAME
    repairs: list[str] = []
    # A journal names files that SQLite would remove. Ours has none: it is made elsewhere and
    # renamed, and changed through a write-ahead log.
    remove_quietly(Path(f"{path}-journal"))
    for suffix in ("-wal", "-shm", "-journal", SUSPECT):
        make_way(Path(f"{path}{suffix}"), repairs, writable=True)
    damaged = _set_closed_aside(path, repairs, is_alone)
    if os.path.lexists(path):
        try:
            return IndexFile(*_open(folder, path, repairs), None, repairs)
        except _DamageError as error:
            damaged = set_aside(path, "damaged")
            repairs.append(f"the index was damaged ({error}); it is kept as {damaged.name}.")
    _create(folder, path)
    return IndexFile(*_open(folder, path, repairs), damaged, repairs)


def _set_closed_aside(path: Path, repairs: list[str], is_alone: Callable[[], bool]) -> Path | None:
    """Rename an index that this user may not read or write; return where it is now.

    A copy of a read-only disk is closed like that, and everything in it comes from the media. That
    of another user who works with it stays: opening then fails.
    """
    for suffix in ("", "-wal", "-shm"):
        file = Path(f"{path}{suffix}")
        if not is_plain(file) or os.access(file, os.R_OK | os.W_OK):
            continue
        if not os.access(path.parent, os.W_OK | os.X_OK) or not is_alone():
            return None
        moved = set_aside(file, "not-writable")
        repairs.append(f"{file.name} can't be written by this user; it is kept as {moved.name}.")
        if not suffix:
            return moved
    return None


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit the changes of a `with` block together, or none of them after an error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A full disk has ended the transaction already, or closing the index after an interrupt.
        with contextlib.suppress(sqlite3.ProgrammingError):
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _create(folder: Path, path: Path) -> None:
    """Make an empty index in place of what was left of another one."""
    for suffix in ("-wal", "-shm", SUSPECT):
        remove_quietly(Path(f"{path}{suffix}"))
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        db = sqlite3.connect(temporary, isolation_level=None)
        try:
            db.executescript(_SCHEMA)
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
        temporary.replace(path)
        sync_folder(folder)
    except sqlite3.Error as error:
        raise (unavailable(folder, error) or error) from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            remove_quietly(Path(f"{temporary}{suffix}"))


def _open(folder: Path, path: Path, repairs: list[str]) -> tuple[sqlite3.Connection, bool]:
    _check_header(path)
    db = None
    try:
        db = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
        db.create_function("casefold", 1, _casefold, deterministic=True)
        # A row that isn't UTF-8 must not fail a query of others; `rows.py` finds it.
        db.text_factory = _decode
        _check_schema(db)
        version = _check_version(folder, db)
        # NORMAL may lose the last rows in a power failure, but not when a process is killed.
        # Their media is complete by then, and opening compares media and rows.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        _check_structure(db, path)
        _remove_invalid_rows(db, repairs)
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        if found := unavailable(folder, error):
            raise found from error
        raise _DamageError(error) from error
    except UnicodeDecodeError as error:  # in SQLite's message, which quotes the damage
        if db is not None:
            db.close()
        raise _DamageError("its schema isn't text") from error
    except BaseException:
        if db is not None:
            db.close()
        raise
    return db, version == 0


def _check_header(path: Path) -> None:
    if not is_plain(path, writable=True):
        raise _DamageError("it isn't a plain file of its own")
    with read_plain(path) as file:
        head = file.read(_HEADER)
    if len(head) < _HEADER or not head.startswith(b"SQLite format 3\0"):
        raise _DamageError("it isn't a database")
    wrong = [at for at, allowed in _CONSTANT.items() if head[at] not in allowed]
    if wrong:
        raise _DamageError(f"byte {wrong[0]} of its header is wrong")


def _check_schema(db: sqlite3.Connection) -> None:
    # Functions in the schema of a stranger could read and write files, if extensions are loaded.
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.set_progress_handler(lambda: 1, _SCHEMA_STEPS)
    try:
        found = _schema_of(db)
    finally:
        db.set_progress_handler(None, 0)
    if found != _own_schema():
        raise _DamageError("its tables aren't those of a library")


@cache
def _own_schema() -> tuple[tuple[str, ...], ...]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _schema_of(db)


def _schema_of(db: sqlite3.Connection) -> tuple[tuple[str, ...], ...]:
    rows = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 50").fetchall()
    return tuple(sorted(tuple(str(value) for value in row) for row in rows))


def _check_version(folder: Path, db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if VERSION < version <= _MAX_VERSION:
        raise LibraryError(
            f"library {str(folder)!r} was written by a newer beecam (format {version}, this one "
            f"reads up to {VERSION}): update beecam, or name another folder. If no newer one has "
            f"opened it, move {NAME} away: the index is then rebuilt from the media."
        )
    if not 0 <= version <= VERSION:
        raise _DamageError(f"its format is {version}")
    return version


def _check_structure(db: sqlite3.Connection, path: Path) -> None:
    suspect = Path(f"{path}{SUSPECT}")
    if suspect.exists() or path.stat().st_size < _CHECKED_BYTES:
        # `quick_check` doesn't compare the table with its indexes.
        answer = " ".join(db.execute("PRAGMA integrity_check(1)").fetchone()[0].split())
        if answer != "ok":
            raise _DamageError(answer)
        remove_quietly(suspect)
        return
    # The names are ours. The table is read once, for all of them.
    own = db.execute(f"SELECT {', '.join(_INDEXED.values())} FROM clips NOT INDEXED").fetchone()  # noqa: S608
    found: tuple[Any, ...] = ()
    for name, numbers in _INDEXED.items():
        found += db.execute(f"SELECT {numbers} FROM clips INDEXED BY {name}").fetchone()  # noqa: S608
    if found != own:
        raise _DamageError("SQLite's indexes don't agree with its table")


def _remove_invalid_rows(db: sqlite3.Connection, repairs: list[str]) -> None:
    """Remove rows that aren't those of a clip; what has media is restored from it."""
    if db.execute("SELECT 1 FROM pending LIMIT 1 OFFSET ?", (_MAX_PENDING,)).fetchone():
        raise _DamageError(f"more than {_MAX_PENDING:,} clips are pending")
    removed = 0
    for table, valid in (("clips", _VALID_ROW), ("pending", _VALID_PENDING)):
        # The names are ours. A row for which the test is NULL isn't valid either.
        sql = f"FROM {table} WHERE ({valid}) IS NOT TRUE"
        if db.execute(f"SELECT 1 {sql} LIMIT 1").fetchone():
            with transaction(db):
                removed += db.execute(f"DELETE {sql}").rowcount
    if removed:
        repairs.append(f"{removed:,} rows of the index were damaged and have been removed.")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _casefold(data: bytes | str) -> str:
    return (data.decode("utf-8", "replace") if isinstance(data, bytes) else data).casefold()
