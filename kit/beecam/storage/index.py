"""A library's index: one SQLite file. Nothing outside this module knows SQL."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beecam._util.files import remove_quietly
from beecam.errors import LibraryError
from beecam.shots.shot import Shot

VERSION = 1
NAME = "library.sqlite"
SORTS = ("created", "stars", "prompt", "model", "seed", "seconds")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    key TEXT PRIMARY KEY, created REAL NOT NULL, model TEXT NOT NULL, timing TEXT NOT NULL,
    prompt TEXT NOT NULL, seed INTEGER NOT NULL, seconds REAL, shot TEXT NOT NULL,
    facts TEXT NOT NULL, parents TEXT NOT NULL DEFAULT '[]', stars INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0, tags TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS clips_created ON clips (created, key);
CREATE INDEX IF NOT EXISTS clips_stars ON clips (stars, rejected, created, key);
CREATE INDEX IF NOT EXISTS clips_timing ON clips (timing, created, seconds);
CREATE TABLE IF NOT EXISTS pending (key TEXT, session TEXT);
"""
# Suffix of a file that marks the index as damaged, until the next opening checks it.
_SUSPECT = "-suspect"
_ANNOTATIONS = ("stars", "rejected", "tags")
_TABLE_COLUMNS = "shot, facts, created, stars, rejected, tags"
_KEYS_PER_QUERY = 500
# SQLite's codes of what isn't the file's fault: trying again later may work.
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: (errno.EBUSY, "another program has locked the index"),
    sqlite3.SQLITE_LOCKED: (errno.EBUSY, "another program has locked the index"),
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "the disk is full"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "the disk is full or doesn't answer"),
    sqlite3.SQLITE_CANTOPEN: (errno.EIO, "the disk is full or doesn't answer"),
    sqlite3.SQLITE_READONLY: (errno.EACCES, "this user may not write there"),
}
# Checking a larger index at every opening would take longer than opening it.
_CHECKED_BYTES = 20_000_000


class Index:
    """The rows of a library's clips; safe to use from several threads and processes.

    Attributes:
        fresh: Whether it is new and may lack rows of existing media, until `mark_complete()`.
        damaged: The path to which a damaged index was moved, or None.
        closed: Whether it was closed.
    """

    def __init__(self, folder: Path) -> None:
        """Open the index of a library's folder, creating it if it doesn't exist.

        Raises:
            LibraryError: It was written by a newer version.
            sqlite3.OperationalError: The index can't be opened or written there.
        """
        self.closed = False
        self.damaged: Path | None = None
        self._folder = folder
        self._lock = threading.RLock()
        path = folder / NAME
        try:
            self._db = self._connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
                raise
            self._move_away(path)
            self._db = self._connect(path)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._db.close()

    @property
    def exists(self) -> bool:
        """Whether the file that was opened is still at its path, not moved, removed or replaced."""
        return _identity(self._folder / NAME) == self._file

    # --- clips ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM clips")[0][0])

    def __contains__(self, key: str) -> bool:
        return bool(self._rows("SELECT 1 FROM clips WHERE key = ?", key))

    def keys(self) -> list[str]:
        """Return the keys of all clips."""
        return [row[0] for row in self._rows("SELECT key FROM clips")]

    def keys_with_prefix(self, text: str) -> list[str]:
        """Return up to two keys that start with `text`."""
        if not text.isalnum():  # also the empty string, with which every key starts
            return []
        sql = "SELECT key FROM clips WHERE key LIKE ? LIMIT 2"
        return [row[0] for row in self._rows(sql, f"{text}%")]

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a row."""
        unique_keys = list(dict.fromkeys(keys))
        found: set[str] = set()
        for start in range(0, len(unique_keys), _KEYS_PER_QUERY):
            part = unique_keys[start : start + _KEYS_PER_QUERY]
            slots = ",".join("?" * len(part))
            rows = self._rows(f"SELECT key FROM clips WHERE key IN ({slots})", *part)  # noqa: S608
            found.update(row[0] for row in rows)
        return found

    def find(
        self,
        *,
        prompt: str | None,
        model: str | None,
        stars: int | None,
        rejected: bool | None,
        tag: str | None,
        sort: str,
        descending: bool,
        limit: int | None,
    ) -> list[str]:
        """Return the keys of the clips that pass all tests but those that are None.

        See `Library.clips`.
        """
        # SQLite's own `lower` is fast, but only knows ASCII letters.
        fold = "lower" if prompt is None or prompt.isascii() else "casefold"
        tests = {
            f"instr({fold}(prompt), {fold}(?))": prompt,
            "model = ?": model,
            "stars >= ?": stars,
            "rejected = ?": None if rejected is None else int(rejected),
            "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)": tag,
        }
        used = {sql: value for sql, value in tests.items() if value is not None}
        where = f"WHERE {' AND '.join(used)}" if used else ""
        order = f"{sort} {'DESC' if descending else 'ASC'}"
        found = self._rows(
            f"SELECT key FROM clips {where} ORDER BY {order}, key LIMIT ?",  # noqa: S608  (names are ours)
            *used.values(),
            -1 if limit is None else limit,
        )
        return [row[0] for row in found]

    def row(self, key: str) -> dict[str, Any] | None:
        """Return a clip's row, or None if the clip is not in the index."""
        rows = self._rows(
            "SELECT shot, facts, parents, created, stars, rejected, tags FROM clips WHERE key = ?",
            key,
        )
        if not rows:
            return None
        shot, facts, parents, created, stars, rejected, tags = rows[0]
        return {
            "shot": Shot.from_dict(json.loads(shot)),
            "facts": json.loads(facts),
            "parents": tuple(json.loads(parents)),
            "created": created,
            "stars": stars,
            "rejected": bool(rejected),
            "tags": tuple(json.loads(tags)),
        }

    def table(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of many clips by key, like `row`, but with the shot as plain data."""
        unique_keys = list(dict.fromkeys(keys))
        found = {}
        for start in range(0, len(unique_keys), _KEYS_PER_QUERY):
            part = unique_keys[start : start + _KEYS_PER_QUERY]
            slots = ",".join("?" * len(part))
            rows = self._rows(
                f"SELECT key, {_TABLE_COLUMNS} FROM clips WHERE key IN ({slots})",  # noqa: S608
                *part,
            )
            for key, shot, facts, created, stars, rejected, tags in rows:
                found[key] = {
                    "shot": json.loads(shot),
                    "facts": json.loads(facts),
                    "created": created,
                    "stars": stars,
                    "rejected": bool(rejected),
                    "tags": tuple(json.loads(tags)),
                }
        return found

    def seconds_for(self, shot: Shot) -> list[float]:
        """Return the seconds per clip of the last clips with such a shot, up to 15."""
        rows = self._rows(
            "SELECT seconds FROM clips WHERE timing = ? AND seconds IS NOT NULL "
            "ORDER BY created DESC LIMIT 15",
            _timing_key(shot),
        )
        return [row[0] for row in rows]

    # --- changes -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the changes of a `with` block together, or none of them after an error."""
        with self._lock, self._damage_reported(), _exclusive(self._open()):
            yield

    def add(self, key: str, settings: Mapping[str, Any]) -> None:
        """Add a clip's row, or update the facts of an existing one.

        Args:
            key: The clip's key.
            settings: shot, facts, created and parents, as in the clip's mp4.
        """
        shot = Shot.from_dict(settings["shot"])
        facts = settings["facts"]
        self._write(
            "INSERT INTO clips (key, created, model, timing, prompt, seed, seconds, shot, facts,"
            " parents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET facts = excluded.facts, seconds = excluded.seconds",
            (
                key,
                settings["created"],
                shot.model,
                _timing_key(shot),
                shot.text,
                shot.seed,
                # The seconds of a part, or of another machine, say nothing about the next clip.
                None if {"resumed_from", "taken"} & facts.keys() else facts.get("seconds"),
                json.dumps(settings["shot"]),
                json.dumps(facts),
                json.dumps(settings.get("parents", [])),
            ),
        )

    def annotate(self, key: str, annotations: Mapping[str, Any]) -> bool:
        """Set stars, rejected and tags if present; return whether the clip exists."""
        changed = 1
        for name in _ANNOTATIONS:
            if name in annotations:
                found = annotations[name]
                value = json.dumps(found) if name == "tags" else int(found)
                changed = self._write(f"UPDATE clips SET {name} = ? WHERE key = ?", (value, key))  # noqa: S608
        return bool(changed)

    # --- pending clips ---------------------------------------------------------------------------

    def begin(self, key: str, session: str) -> None:
        """Record that an opening is writing a clip's files; repeated calls add one record."""
        self._write(
            "INSERT INTO pending SELECT ?1, ?2 WHERE NOT EXISTS"
            " (SELECT 1 FROM pending WHERE key = ?1 AND session = ?2)",
            (key, session),
        )

    def end(self, session: str, key: str | None = None) -> None:
        """Remove the record of a clip, or for None all records of the opening."""
        self._write(
            "DELETE FROM pending WHERE session = ? AND key = coalesce(?, key)", (session, key)
        )

    def unfinished(self) -> dict[str, list[str]]:
        """Return the keys of the clips that are being written, by the opening's name."""
        found: dict[str, list[str]] = {}
        for session, key in self._rows("SELECT session, key FROM pending"):
            found.setdefault(session, []).append(key)
        return found

    # --- inside --------------------------------------------------------------------------------

    def mark_complete(self) -> None:
        """Record that all media have rows; until then, each opening rebuilds the index."""
        self._write(f"PRAGMA user_version = {VERSION}", ())
        self.fresh = False

    def _move_away(self, path: Path) -> None:
        self.damaged = path.with_name(f"{NAME}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        path.rename(self.damaged)
        for suffix in ("-wal", "-shm", _SUSPECT):
            remove_quietly(Path(f"{path}{suffix}"))

    def _connect(self, path: Path) -> sqlite3.Connection:
        suspect = Path(f"{path}{_SUSPECT}")
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        db.create_function("casefold", 1, str.casefold, deterministic=True)
        try:
            # NORMAL may lose the last rows in a power failure, but not when a process is killed.
            # Their media is complete by then, so that the pending table restores them.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            with _exclusive(db):
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > VERSION:
                    raise LibraryError(  # noqa: TRY301
                        f"library {str(self._folder)!r} was written by a newer beecam (format "
                        f"{version}, this one reads up to {VERSION}): update beecam, or name "
                        "another folder."
                    )
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        db.execute(statement)
                for table in ("clips", "pending"):
                    db.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608  (names are ours)
            if suspect.exists() or path.stat().st_size < _CHECKED_BYTES:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise sqlite3.DatabaseError(found)  # noqa: TRY301
                remove_quietly(suspect)
        except BaseException:
            db.close()
            raise
        self.fresh = version == 0
        self._file = _identity(path)
        return db

    def _write(self, sql: str, values: Sequence[Any]) -> int:
        with self._lock, self._damage_reported():
            return self._open().execute(sql, values).rowcount

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._damage_reported():
            return self._open().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _damage_reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code not in _UNAVAILABLE:
                raise
            raise OSError(*_UNAVAILABLE[code]) from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise
            Path(f"{self._folder / NAME}{_SUSPECT}").touch()
            raise LibraryError(
                f"the index of library {str(self._folder)!r} is damaged ({error}); the clips are "
                "not. Close the library (library.close()) and open it again, which rebuilds the "
                "index from them."
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self.closed:
            raise LibraryError(f"library {str(self._folder)!r} is closed; bc.library() opens it.")
        return self._db


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file, also after a rename; None if it doesn't exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _timing_key(shot: Shot) -> str:
    """Return the settings that decide how long a shot takes on one machine."""
    return (
        f"{shot.model}|{shot.width}x{shot.height}x{shot.num_frames}"
        f"|{shot.draft_steps or shot.num_inference_steps}|{(shot.guidance_scale or 0) > 1}"
    )


@contextlib.contextmanager
def _exclusive(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
