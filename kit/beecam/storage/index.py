"""A library's index: the rows of its clips. No other module but `index_file` knows SQL."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beecam._util.digests import is_digest
from beecam._util.plain_files import open_plain
from beecam._util.strict_json import parse_json
from beecam.errors import LibraryError
from beecam.shots.shot import Shot
from beecam.storage import index_file
from beecam.storage.annotations import is_annotation
from beecam.storage.folder import unavailable
from beecam.storage.index_file import NAME, SUSPECT, VERSION
from beecam.storage.rows import COLUMNS, checked_row, is_number, plain_row

SORTS = ("created", "stars", "prompt", "model", "seed", "seconds")
_ANNOTATIONS = ("stars", "rejected", "tags")
KEYS_PER_QUERY = 500
# Reading all keys is quicker than asking about more than one in so many.
_SHARE_OF_ALL = 3


# Of a library that is being closed.
_LAST_PATIENCE = 5.0  # seconds
# Connections of a process that this one was forked from: closing them could change its files.
_abandoned: list[sqlite3.Connection] = []


class DamagedRowsError(LibraryError):
    """Raised when rows of the index aren't those of clips.

    Attributes:
        keys: The keys of these rows.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Set the keys of the rows."""
        super().__init__(f"the rows of {', '.join(keys[:3])} in the index are damaged.")
        self.keys = tuple(keys)


class Index:
    """The rows of a library's clips; safe to use from several threads and processes.

    Every error of SQLite becomes a sentence: `LibraryUnavailableError` where trying again later may
    work, as on a full disk, or else a LibraryError.

    Attributes:
        fresh: Whether it is new and may lack rows of existing media, until `mark_complete()`.
        repairs: A sentence about each repair of its file.
        closed: Whether it was closed.
    """

    def __init__(self, folder: Path, is_alone: Callable[[], bool] = lambda: True) -> None:
        """Open the index of a library's folder, creating it if it doesn't exist.

        Args:
            folder: The folder.
            is_alone: Returns whether no other process has the library open.

        Raises:
            LibraryError: It was written by a newer version, or can't be opened.
        """
        self.closed = False
        self._folder = folder
        self._lock = threading.RLock()
        # Seconds for which an access waits from now on, if another program has locked the index.
        self._patience: float | None = None
        opened = index_file.open_index(folder, is_alone)
        self._db, self.fresh, self.repairs = opened.db, opened.fresh, opened.repairs
        self._file = _identity(folder / NAME)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._db.close()

    def hurry(self) -> None:
        """Wait for other programs that lock the index no more than once, and for some seconds.

        The library is being closed, or the process ends: what can't be written now is found by the
        next opening.
        """
        if self._patience is None:
            self._patience = _LAST_PATIENCE

    def abandon(self) -> None:
        """Use the database no more, without closing it: it is that of another process."""
        self.closed = True
        self._lock = threading.RLock()  # a thread of the other process may hold it
        _abandoned.append(self._db)

    @property
    def exists(self) -> bool:
        """Whether the file that was opened is still at its path, not moved, removed or replaced."""
        return _identity(self._folder / NAME) == self._file

    # --- clips ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM clips")[0][0])

    def __contains__(self, key: str) -> bool:
        return is_digest(key) and bool(self._rows("SELECT 1 FROM clips WHERE key = ?", key))

    def keys(self) -> list[str]:
        """Return the keys of all clips."""
        return [row[0] for row in self._rows("SELECT key FROM clips")]

    def keys_with_prefix(self, text: str) -> list[str]:
        """Return up to two keys that start with `text`."""
        # Every key starts with the empty string.
        if not (text.isascii() and text.isalnum()):
            return []
        sql = "SELECT key FROM clips WHERE key LIKE ? LIMIT 2"
        return [row[0] for row in self._rows(sql, f"{text}%")]

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a row."""
        requested = set(keys)
        # The rows are counted for many keys only: a batch asks for a few each time.
        many = len(requested) > KEYS_PER_QUERY
        if many and len(requested) > len(self) // _SHARE_OF_ALL:
            return set(filter(is_digest, requested.intersection(self.keys())))
        unique_keys = list(filter(is_digest, requested))
        found: set[str] = set()
        for start in range(0, len(unique_keys), KEYS_PER_QUERY):
            part = unique_keys[start : start + KEYS_PER_QUERY]
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
        # SQLite's own `lower` is fast, but only knows ASCII letters. Bytes need not be valid text.
        text = "instr(lower(prompt), lower(?))"
        if prompt is not None and not prompt.isascii():
            text = "instr(casefold(CAST(prompt AS BLOB)), casefold(?))"
        tests = {
            text: prompt,
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
        return [row[0] for row in found if is_digest(row[0])]

    def row(self, key: str) -> dict[str, Any] | None:
        """Return a clip's row, or None if the clip is not in the index.

        Raises:
            DamagedRowsError: The row is damaged.
        """
        sql = f"SELECT {COLUMNS} FROM clips WHERE key = ?"  # noqa: S608  (names are ours)
        rows = self._rows(sql, key) if is_digest(key) else []
        if not rows:
            return None
        found = checked_row(rows[0])
        if found is None:
            raise DamagedRowsError([key])
        return found

    def table(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of many clips by key, like `row`, but with the shot as plain data.

        Raises:
            DamagedRowsError: Some rows are damaged; it has their keys.
        """
        unique_keys = list(dict.fromkeys(filter(is_digest, keys)))
        found: dict[str, dict[str, Any]] = {}
        damaged: list[str] = []
        for start in range(0, len(unique_keys), KEYS_PER_QUERY):
            part = unique_keys[start : start + KEYS_PER_QUERY]
            slots = ",".join("?" * len(part))
            sql = f"SELECT {COLUMNS} FROM clips WHERE key IN ({slots})"  # noqa: S608
            for values in self._rows(sql, *part):
                row = plain_row(values)
                if row is None:
                    damaged.append(values[0])
                else:
                    found[values[0]] = row
        if damaged:
            raise DamagedRowsError(damaged)
        return found

    def seconds_of(self, kind: str) -> list[float]:
        """Return the seconds per clip of the last clips of a `timing_kind`, up to 15."""
        rows = self._rows(
            "SELECT seconds FROM clips WHERE timing = ? AND seconds IS NOT NULL "
            "ORDER BY created DESC LIMIT 15",
            kind,
        )
        return [row[0] for row in rows if is_number(row[0])]

    # --- changes -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the changes of a `with` block together, or none of them after an error."""
        with self._lock, self._errors_named(), index_file.transaction(self._open()):
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
                timing_kind(shot),
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
        changed = int(is_digest(key))
        for name in _ANNOTATIONS:
            if changed and name in annotations:
                found = annotations[name]
                value = json.dumps(found) if name == "tags" else int(found)
                changed = self._write(f"UPDATE clips SET {name} = ? WHERE key = ?", (value, key))  # noqa: S608
        return bool(changed)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove the rows of clips."""
        with self.transaction():
            for key in keys:
                self._write("DELETE FROM clips WHERE key = ?", (key,))

    def annotations_of(self, key: str) -> dict[str, Any]:
        """Return the stars, rejection and tags of a clip that aren't the default."""
        sql = "SELECT stars, rejected, tags FROM clips WHERE key = ?"
        for stars, rejected, tags in self._rows(sql, key):
            found = {"stars": stars, "rejected": bool(rejected)}
            with contextlib.suppress(ValueError, TypeError):  # a damaged row is asked, too
                found["tags"] = parse_json(tags, len(tags))
            return {n: v for n, v in found.items() if v and is_annotation(n, v)}
        return {}

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

    def mark_incomplete(self) -> None:
        """Record that rows lack something: the next opening compares and restores all."""
        self._write("PRAGMA user_version = 0", ())

    def _write(self, sql: str, values: Sequence[Any]) -> int:
        with self._lock, self._errors_named():
            return self._open().execute(sql, values).rowcount

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._errors_named():
            return self._open().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Raise errors of SQLite as sentences, in every call that reaches it.

        Raises:
            LibraryUnavailableError: The disk is full or another program has the index's lock.
            LibraryError: The index is damaged.
        """
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        # Messages of SQLite that quote damage may not be text.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.Error) and (found := unavailable(self._folder, error)):
                if found.errno == errno.EBUSY and self._patience is not None:
                    self._patience = 0.0
                raise found from error
            with contextlib.suppress(OSError):
                os.close(open_plain(f"{self._folder / NAME}{SUSPECT}", os.O_WRONLY | os.O_CREAT))
            raise LibraryError(
                f"the index of library {str(self._folder)!r} is damaged ({error}); the clips are "
                "not. Close the library (library.close()) and open it again, which rebuilds the "
                "index from them."
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self.closed:
            raise LibraryError(f"library {str(self._folder)!r} is closed; bc.library() opens it.")
        if self._patience is not None:
            self._db.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")
        return self._db


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file, also after a rename; None if it doesn't exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def timing_kind(shot: Shot) -> str:
    """Return the settings that decide how long a shot takes on one machine."""
    return (
        f"{shot.model}|{shot.width}x{shot.height}x{shot.num_frames}"
        f"|{shot.draft_steps or shot.num_inference_steps}|{(shot.guidance_scale or 0) > 1}"
    )
