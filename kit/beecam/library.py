"""The library: the folder in which clips outlive the kernel.

`library.sqlite` holds the index (WAL), `media/` the clips by key. Media is written under a
temporary name, synced and renamed before its row is committed, so a row never points at nothing.
`marks.jsonl` keeps a copy of stars and tags, for when the index is made anew from the media.
Nothing outside this module knows SQL.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from beecam import media
from beecam.errors import BeecamError, LibraryError, MediaError, did_you_mean, shorten
from beecam.marks import Marks
from beecam.sessions import Session, remove, sync_folder, why_unusable
from beecam.shot import Shot

if TYPE_CHECKING:
    from beecam.clip import Clip, ClipSet
    from beecam.models.base import Frames

VERSION = 1
INDEX = "library.sqlite"
SORTS = ("created", "stars", "prompt", "model", "seed", "seconds")
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


def default_folder() -> Path:
    """Return the folder named by BEECAM_LIBRARY, or `beecam` in the home folder."""
    return Path(os.environ.get("BEECAM_LIBRARY") or Path.home() / "beecam").expanduser()


_opened: dict[Path, Library] = {}
_opening = threading.Lock()


def open_library(folder: str | os.PathLike[str] | None = None) -> Library:
    """Open a library, making it where there is none; the same folder gives the same object.

    >>> library = bc.library()             # the usual one
    >>> library = bc.library("bees")       # one of its own

    Args:
        folder: The folder; by default the one named by the environment variable BEECAM_LIBRARY,
            else `beecam` in the home folder.

    Raises:
        LibraryError: The folder can't be a library; the message says what to change.
    """
    if not isinstance(folder, (str, os.PathLike, type(None))):
        raise LibraryError(f"library({shorten(folder)}): the path of a folder is needed.")
    path = Path(folder).expanduser() if folder is not None else default_folder()
    path = path.absolute()
    with _opening:
        found = _opened.get(path)
        if found is None or found.closed:
            found = _opened[path] = Library(path)
        return found


class Library:
    """The folder in which clips outlive the kernel; open it with `bc.library()`.

    Safe to use from several threads, and from two kernels at the same time.

    Attributes:
        folder: Where it is.
        healed: Sentences on what opening had to mend; empty as a rule.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.closed = False
        self.healed: list[str] = []
        self._lock = threading.RLock()
        self._marks = Marks(folder / "marks.jsonl")
        try:
            (folder / "media").mkdir(parents=True, exist_ok=True)
            self._session = Session(folder / "sessions")
        except (FileExistsError, NotADirectoryError) as error:
            raise LibraryError(
                f"library {str(folder)!r} is a file; name a folder, or move the file away."
            ) from error
        except OSError as error:
            raise LibraryError(why_unusable(folder, error)) from error
        self._db = self._open_index()
        self._heal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- what is there -------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM clips")[0][0])

    def __contains__(self, key: str) -> bool:
        return bool(self._rows("SELECT 1 FROM clips WHERE key = ?", key))

    def __getitem__(self, key: str) -> Clip:
        """Return the clip with this key, or with the one key that begins so."""
        from beecam.clip import Clip

        pattern = "".join(c for c in key if c.isalnum()) + "%"
        found = self._rows("SELECT key FROM clips WHERE key LIKE ? LIMIT 2", pattern)
        if len(found) != 1:
            many = "several clips" if found else "no clip"
            raise KeyError(f"{many} in {self.folder} with a key that begins with {key!r}")
        return Clip(self, found[0][0])

    def __repr__(self) -> str:
        return f"Library {str(self.folder)!r}: {len(self):,} clips"

    def clips(
        self, *, prompt: str | None = None, model: str | None = None, stars: int | None = None,
        rejected: bool | None = None, tag: str | None = None, sort: str = "-created",
        limit: int | None = None,
    ) -> ClipSet:  # fmt: skip
        """Find clips.

        >>> library.clips(prompt="bee", stars=4, sort="-created")

        Args:
            prompt: Text that the prompt contains, whatever the case.
            model: The model's name.
            stars: At least so many.
            rejected: Only rejected ones, or only others.
            tag: One that the clip has.
            sort: created, stars, prompt, model, seed or seconds; a leading "-" for descending.
            limit: At most so many.
        """
        from beecam.clip import ClipSet

        column = sort.removeprefix("-")
        if column not in SORTS:
            raise LibraryError(
                f"sort={sort!r}: one of {', '.join(SORTS)}, with a leading - for descending."
                f"{did_you_mean(column, SORTS)}"
            )
        tests = {
            "instr(lower(prompt), lower(?))": prompt, "model = ?": model, "stars >= ?": stars,
            "rejected = ?": None if rejected is None else int(rejected),
            "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)": tag,
        }  # fmt: skip
        used = {sql: value for sql, value in tests.items() if value is not None}
        where = f"WHERE {' AND '.join(used)}" if used else ""
        order = f"{column} {'DESC' if sort.startswith('-') else 'ASC'}"
        found = self._rows(
            f"SELECT key FROM clips {where} ORDER BY {order}, key LIMIT ?",  # noqa: S608  (names are ours)
            *used.values(),
            -1 if limit is None else limit,
        )
        return ClipSet(self, [row[0] for row in found])

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a clip whose files are there."""
        wanted = list(dict.fromkeys(keys))
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._rows(f"SELECT key FROM clips WHERE key IN ({marks})", *part)  # noqa: S608
            found.update(row[0] for row in rows)
        return {k for k in found if self.mp4(k).exists() and self.sheet(k).exists()}

    def row(self, key: str) -> dict[str, Any]:
        """Return what the index knows of a clip.

        Raises:
            LibraryError: There is no such clip.
        """
        rows = self._rows(
            "SELECT shot, facts, parents, created, stars, rejected, tags FROM clips WHERE key = ?",
            key,
        )
        if not rows:
            raise LibraryError(f"clip {key} is not in {self.folder}; was it deleted?")
        shot, facts, parents, created, stars, rejected, tags = rows[0]
        return {
            "shot": Shot.from_dict(json.loads(shot)), "facts": json.loads(facts),
            "parents": tuple(json.loads(parents)), "created": created, "stars": stars,
            "rejected": bool(rejected), "tags": tuple(json.loads(tags)),
        }  # fmt: skip

    def mp4(self, key: str) -> Path:
        """Return where a clip's video is."""
        return self.folder / "media" / key[:2] / f"{key}.mp4"

    def sheet(self, key: str) -> Path:
        """Return where a clip's sheet is."""
        return self.folder / "media" / key[:2] / f"{key}.jpg"

    def seconds_for(self, shot: Shot) -> float | None:
        """Return the measured seconds a clip for shots like this one, or None."""
        rows = self._rows(
            "SELECT seconds FROM clips WHERE timing = ? AND seconds IS NOT NULL "
            "ORDER BY created DESC LIMIT 15",
            timing_key(shot),
        )
        found = sorted(row[0] for row in rows)
        return found[len(found) // 2] if found else None

    # --- what changes it -----------------------------------------------------------------------

    def add(
        self, shot: Shot, frames: Frames, facts: Mapping[str, Any], parents: Sequence[str] = ()
    ) -> Clip:
        """Keep a clip: files first, then its row.

        Args:
            shot: A resolved shot; its key names the clip.
            frames: frames x height x width x 3, RGB, uint8.
            facts: JSON data measured on it.
            parents: Keys of the clips it was made from.

        Raises:
            OSError: The disk is full or broken; nothing was left behind.
        """
        from beecam.clip import Clip

        key = shot.key
        settings = {
            "version": VERSION, "shot": shot.to_dict(), "facts": dict(facts),
            "parents": list(parents), "created": time.time(),
        }  # fmt: skip
        try:
            self._write("INSERT INTO pending VALUES (?, ?)", (key, self._session.name))
            self._write_media(shot, frames, settings)
            with self._transaction() as db:
                _insert(db, key, settings)
                db.execute(
                    "DELETE FROM pending WHERE key = ? AND session = ?", (key, self._session.name)
                )
        except sqlite3.OperationalError as error:
            if "full" in str(error) or "I/O" in str(error):
                raise OSError(28, f"no space left for {self.folder}") from error
            raise
        return Clip(self, key)

    def rate(self, key: str, *, stars: int | None = None, rejected: bool | None = None) -> None:
        """Set a clip's stars (0 to 5) or reject it."""
        if stars is not None:
            if isinstance(stars, bool) or not isinstance(stars, int) or not 0 <= stars <= 5:  # noqa: PLR2004
                raise LibraryError(f"stars={shorten(stars)}: a whole number from 0 to 5.")
            self._mark(key, stars=stars)
        if rejected is not None:
            self._mark(key, rejected=bool(rejected))

    def tag(self, key: str, tags: Iterable[str]) -> None:
        """Set a clip's tags."""
        if isinstance(tags, str):
            raise LibraryError(f"tags={tags!r}: give a list of texts, as in [{tags!r}].")
        words = list(dict.fromkeys(tags))
        if bad := [word for word in words if not isinstance(word, str)]:
            raise LibraryError(f"tags: {shorten(bad[0])} is no text.")
        self._mark(key, tags=words)

    def rebuild(self) -> int:
        """Make rows for media that has none, from the settings inside; return how many.

        Stars, rejections and tags come back, too.
        """
        files = sorted((self.folder / "media").glob("??/*.mp4"))
        have = {row[0] for row in self._rows("SELECT key FROM clips")}
        adopted = [path.stem for path in files if path.stem not in have and self._adopt(path)]
        kept = self._marks.read() if adopted else {}
        with self._transaction() as db:
            for key in adopted:
                _set_marks(db, key, kept.get(key, {}))
        return len(adopted)

    def close(self) -> None:
        """Close the index; `bc.library()` opens it again."""
        with self._lock:
            if not self.closed:
                self.closed = True
                self._db.close()
                self._session.end()

    # --- inside --------------------------------------------------------------------------------

    def _open_index(self) -> sqlite3.Connection:
        path = self.folder / INDEX
        try:
            return self._connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise LibraryError(why_unusable(self.folder, error)) from error
            aside = path.with_name(f"{INDEX}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                remove(Path(f"{path}{suffix}"))
            self.healed.append(f"the index was damaged; it is kept as {aside.name}.")
            return self._connect(path)

    def _connect(self, path: Path) -> sqlite3.Connection:
        fresh = not path.exists()
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            # NORMAL may lose the last rows with the power, never with a killed process; their
            # media is complete by then and the pending table brings them back.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            with _exclusive(db):
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > VERSION:
                    raise LibraryError(  # noqa: TRY301
                        f"library {str(self.folder)!r} was written by a newer beecam (format "
                        f"{version}, this one reads up to {VERSION}): update beecam, or name "
                        "another folder."
                    )
                if version == 0:
                    for statement in _SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            db.close()
            raise
        self._fresh = fresh
        return db

    def _heal(self) -> None:
        """Bring in what finished processes left half done."""
        if self._fresh and (count := self.rebuild()):
            self.healed.append(f"the index was rebuilt from {count} clips' own files.")
        self._session.tidy()
        pending = (row[0] for row in self._rows("SELECT DISTINCT session FROM pending"))
        dead = [name for name in pending if not self._session.lives(name)]
        for session in dead:
            for (key,) in self._rows("SELECT key FROM pending WHERE session = ?", session):
                if key not in self and self.mp4(key).exists():
                    self._adopt(self.mp4(key))
                for left in self.mp4(key).parent.glob(f".{key}.*"):
                    remove(left)
            self._write("DELETE FROM pending WHERE session = ?", (session,))
            self.healed.append("a run that was cut off has been tidied up.")

    def _adopt(self, path: Path) -> bool:
        """Make a row from a file's own settings; a file that is no clip is left alone."""
        try:
            settings = media.read_settings(path)
            if Shot.from_dict(settings["shot"]).key != path.stem:
                raise MediaError("the file's name is not its shot's key")
            if not self.sheet(path.stem).exists():
                media.write_sheet(self.sheet(path.stem), media.read_mp4(path))
        except (BeecamError, KeyError, OSError) as error:
            self.healed.append(f"{path.name} was left out: {error}")
            return False
        with self._transaction() as db:
            _insert(db, path.stem, settings)
        return True

    def _write_media(self, shot: Shot, frames: Frames, settings: Mapping[str, Any]) -> None:
        video, sheet = self.mp4(shot.key), self.sheet(shot.key)
        video.parent.mkdir(exist_ok=True)
        temporary = [
            p.with_name(f".{shot.key}.{self._session.name}{p.suffix}") for p in (video, sheet)
        ]
        try:
            media.write_mp4(temporary[0], frames, shot.fps or 1, settings)
            media.write_sheet(temporary[1], frames)
            # The sheet first: a video in its place is a whole clip.
            temporary[1].replace(sheet)
            temporary[0].replace(video)
            sync_folder(video.parent)
        except BaseException:
            for path in temporary:
                remove(path)
            raise

    def _mark(self, key: str, **marks: Any) -> None:
        with self._transaction() as db:
            if not _set_marks(db, key, marks):
                raise LibraryError(f"clip {key} is not in {self.folder}; was it deleted?")
            self._marks.add(key, **marks)

    def _write(self, sql: str, values: Sequence[Any]) -> int:
        with self._lock:
            return self._open_db().execute(sql, values).rowcount

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._open_db().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _exclusive(self._open_db()) as db:
            yield db

    def _open_db(self) -> sqlite3.Connection:
        if self.closed:
            raise LibraryError(f"library {str(self.folder)!r} is closed; bc.library() opens it.")
        return self._db


def timing_key(shot: Shot) -> str:
    """Return what decides how long a shot takes, apart from the machine."""
    return (
        f"{shot.model}|{shot.width}x{shot.height}x{shot.num_frames}"
        f"|{shot.num_inference_steps}|{(shot.guidance_scale or 0) > 1}"
    )


@contextlib.contextmanager
def _exclusive(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _insert(db: sqlite3.Connection, key: str, settings: Mapping[str, Any]) -> None:
    shot = Shot.from_dict(settings["shot"])
    facts = settings["facts"]
    db.execute(
        "INSERT INTO clips (key, created, model, timing, prompt, seed, seconds, shot, facts,"
        " parents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET facts = excluded.facts, seconds = excluded.seconds",
        (
            key, settings["created"], shot.model, timing_key(shot), shot.prompt, shot.seed,
            facts.get("seconds"), json.dumps(settings["shot"]), json.dumps(facts),
            json.dumps(settings.get("parents", [])),
        ),
    )  # fmt: skip


def _set_marks(db: sqlite3.Connection, key: str, marks: Mapping[str, Any]) -> bool:
    """Set stars, rejected and tags as far as they are given; return whether there is the clip."""
    done = 1
    for name in ("stars", "rejected", "tags"):
        if name in marks:
            value = json.dumps(marks[name]) if name == "tags" else int(marks[name])
            done = db.execute(f"UPDATE clips SET {name} = ? WHERE key = ?", (value, key)).rowcount  # noqa: S608
    return bool(done)
