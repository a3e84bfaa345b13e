"""The library: the folder in which clips outlive the kernel.

`library.sqlite` holds the index, `media/` the clips by key. Media is written under a temporary
name, synced and renamed before its row is committed, so a row never points at nothing.
`marks.jsonl` keeps a copy of stars and tags, for when the index is made anew from the media.
"""

from __future__ import annotations

import errno
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from beecam._util import checks as kinds
from beecam._util.files import remove, sync_folder
from beecam.clips.sweep_records import History, SweepRecord, SweepRecords
from beecam.errors import BeecamError, LibraryError, MediaError, shorten
from beecam.media import mp4, sheets
from beecam.shots.conditions import Inputs
from beecam.shots.shot import Shot
from beecam.storage.annotations import Marks
from beecam.storage.checkpoints import Standing
from beecam.storage.claims import Claims
from beecam.storage.index import SORTS, VERSION, Index
from beecam.storage.locks import Session, why_unusable

if TYPE_CHECKING:
    from beecam.clips.clip import Clip, ClipSet
    from beecam.media.types import Frames, Sound


# What a file that is no clip can raise, whatever is in its settings.
_NO_CLIP = (
    BeecamError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OSError,
    sqlite3.IntegrityError,
)


class User(Protocol):
    """What writes into a library in the background."""

    def give_up(self, *, at_once: bool = False) -> None:
        """Cancel what isn't made, if that is asked for or if it stands still."""

    def leave(self, *, at_once: bool = False) -> None:
        """Come to an end, because the library will be closed."""


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
    path = (default_folder() if folder is None else _path(folder)).absolute()
    with _opening:
        found = _opened.get(path)
        if found is None or found.closed or found.gone:
            found = _opened[path] = Library(path)
        return found


def _path(folder: str | os.PathLike[str]) -> Path:
    kinds.need(kinds.folder(folder), LibraryError)
    return Path(folder).expanduser()


class Library:
    """The folder in which clips outlive the kernel; open it with `bc.library()`.

    Safe to use from several threads, and from two kernels at the same time.

    Attributes:
        folder: Where it is.
        healed: Sentences on what opening had to mend; empty as a rule.
        standing: How far clips are that are not finished.
        history: Which sweeps were run.
        inputs: Pictures and films that models were given, by their digest.
        claims: Which clips this process is making.
        users: What writes into it in the background.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder = _path(folder)
        self.healed: list[str] = []
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
        try:
            self._index = Index(folder)
        except sqlite3.OperationalError as error:
            raise LibraryError(why_unusable(folder, error)) from error
        self.standing = Standing(folder / "states")
        self.inputs = Inputs(folder / "inputs")
        self.history = History(folder / "sweeps")
        self.claims = Claims()
        self.users: set[User] = set()
        self._written = itertools.count()
        self._heal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(at_once=kind is not None)

    @property
    def closed(self) -> bool:
        """Whether it was closed; `bc.library()` opens it again."""
        return self._index.closed

    @property
    def gone(self) -> bool:
        """Whether its folder was moved or removed while it was open."""
        return not self._index.there

    # --- what is there -------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: str) -> bool:
        return key in self._index

    def __getitem__(self, key: str) -> Clip:
        """Return the clip with this key, or with the one key that begins so."""
        from beecam.clips.clip import Clip

        if not isinstance(key, str):
            raise LibraryError(
                f"library[{shorten(key)}]: a clip's key is needed, or how it begins; "
                "library.clips()[0] is the newest clip."
            )
        found = self._index.beginning(key)
        if len(found) != 1:
            many = "several clips" if found else "no clip"
            raise KeyError(f"{many} in {self.folder} with a key that begins with {key!r}")
        return Clip(self, found[0])

    def __repr__(self) -> str:
        return f"Library {str(self.folder)!r}: {len(self):,} clips"

    def clips(
        self,
        *,
        prompt: str | None = None,
        model: str | None = None,
        stars: int | None = None,
        rejected: bool | None = None,
        tag: str | None = None,
        sort: str = "-created",
        limit: int | None = None,
    ) -> ClipSet:
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

        Raises:
            LibraryError: With all that is wrong of what is given.
        """
        from beecam.clips.clip import ClipSet

        texts = {"prompt": prompt, "model": model, "tag": tag}
        problems = [p for n, v in texts.items() for p in kinds.text(n, v, or_none=True)]
        problems += kinds.whole("stars", stars, 0, 5, or_none=True)
        problems += kinds.flag("rejected", rejected, or_none=True)
        problems += kinds.whole("limit", limit, 0, 10**9, or_none=True)
        problems += kinds.choice("sort", sort, SORTS, "; a leading - is for descending")
        kinds.need(problems, LibraryError)
        found = self._index.find(
            prompt=prompt,
            model=model,
            stars=stars,
            rejected=rejected,
            tag=tag,
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            limit=limit,
        )
        return ClipSet(self, found)

    def sweeps(self) -> SweepRecords:
        """List the sweeps that were run, the newest first, with their names.

        >>> library.sweeps()
        >>> library.sweeps()[0].clips      # a grid of what the last one made
        """
        return self.history.find(self)

    def sweep(self, name: str) -> SweepRecord:
        """Find a sweep that was run: the newest of this name.

        >>> library.sweep("bees at dusk").clips
        >>> bc.run(library.sweep("bees at dusk").sweep, model)   # makes what is missing

        Args:
            name: As it was given to `bc.run(..., name=...)`, or how a record's key begins.

        Raises:
            LibraryError: There is none; the message has the nearest names.
        """
        return self.history.named(name, self)

    def count(self, keys: Iterable[str]) -> int:
        """Return how many of these keys have a row: quick, where `known` looks at files, too."""
        return len(self._index.known(keys))

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a clip whose files are there, and not cut off."""
        found = self._index.known(keys)
        return {k for k in found if mp4.is_complete(self.mp4(k)) and mp4.is_complete(self.sheet(k))}

    def row(self, key: str) -> dict[str, Any]:
        """Return what the index knows of a clip.

        Raises:
            LibraryError: There is no such clip.
        """
        row = self._index.row(key)
        if row is None:
            raise LibraryError(f"clip {key} is not in {self.folder}; was it deleted?")
        self.inputs.attach(row["shot"].conditions)
        return row

    def table(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what the index knows of many clips, by key; those that it doesn't have left out.

        As `row`, but quick for thousands: the shot comes as plain data, as `Shot.to_dict` gives it.
        """
        return self._index.table(keys)

    def marked(self, since: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return which marks were set after a place in time, by any kernel.

        >>> place, _ = library.marked(-1)              # from now on
        >>> place, changed = library.marked(place)     # {key: {"stars": 4}}

        Args:
            since: What the last call returned; a negative number for now.
        """
        return self._marks.since(since)

    def mp4(self, key: str) -> Path:
        """Return where a clip's video is."""
        return self.folder / "media" / key[:2] / f"{key}.mp4"

    def sheet(self, key: str) -> Path:
        """Return where a clip's sheet is."""
        return self.folder / "media" / key[:2] / f"{key}.jpg"

    def seconds_for(self, shot: Shot) -> float | None:
        """Return the measured seconds a clip for shots like this one, or None."""
        found = sorted(self._index.seconds_for(shot))
        return found[len(found) // 2] if found else None

    # --- what changes it -----------------------------------------------------------------------

    def add(
        self,
        shot: Shot,
        frames: Frames,
        facts: Mapping[str, Any],
        parents: Sequence[str] = (),
        sound: Sound | None = None,
    ) -> Clip:
        """Keep a clip: files first, then its row.

        Args:
            shot: A resolved shot; its key names the clip.
            frames: frames x height x width x 3, RGB, uint8.
            facts: JSON data measured on it.
            parents: Keys of the clips it was made from.
            sound: What is heard with it.

        Raises:
            OSError: The disk is full or broken; nothing was left behind.
        """
        from beecam.clips.clip import Clip

        if self.gone:
            # Another one may stand in its place, of which the open index knows nothing.
            raise FileNotFoundError(errno.ENOENT, "the library's folder was moved or removed")
        key = shot.key
        settings = {
            "version": VERSION,
            "shot": shot.to_dict(),
            "facts": dict(facts),
            "parents": list(parents),
            "created": time.time(),
        }
        try:
            self._index.begin(key, self._session.name)
            self.inputs.keep(shot.conditions)
            self._write_media(shot, frames, settings, sound)
            with self._index.together():
                self._index.add(key, settings)
                self._index.end(self._session.name, key)
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
            kinds.need(kinds.flag("rejected", rejected), LibraryError)
            self._mark(key, rejected=bool(rejected))

    def tag(self, key: str, tags: Iterable[str]) -> None:
        """Set a clip's tags."""
        if isinstance(tags, str):
            raise LibraryError(f"tags={tags!r}: give a list of texts, as in [{tags!r}].")
        if not isinstance(tags, Iterable):
            raise LibraryError(f"tags={shorten(tags)}: give a list of texts; [] takes all away.")
        words = list(tags)
        if bad := [word for word in words if not isinstance(word, str)]:
            raise LibraryError(f"tags: {shorten(bad[0])} is no text.")
        self._mark(key, tags=list(dict.fromkeys(words)))

    def mark_like(self, key: str, other: str) -> None:
        """Give a clip the stars and tags of another one, if that has any."""
        row = self._index.row(other)
        marks = {} if row is None else {n: row[n] for n in ("stars", "tags") if row[n]}
        if marks:
            self._mark(key, **marks)

    def rebuild(self) -> int:
        """Make rows for media that has none, from the settings inside; return how many.

        Stars, rejections and tags come back, too.
        """
        files = sorted((self.folder / "media").glob("??/*.mp4"))
        have = set(self._index.keys())
        adopted = [path.stem for path in files if path.stem not in have and self._adopt(path)]
        if adopted or self._index.fresh:
            # An opening that was cut off may have left rows without marks, too.
            with self._index.together():
                for key, marks in self._marks.read().items():
                    self._index.mark(key, marks)
        return len(adopted)

    def close(self, *, at_once: bool = False) -> None:
        """Wait for the runs that write into it, and close it; `bc.library()` opens it again.

        Args:
            at_once: Cancel these runs. What they have made is written in any case.
        """
        # All of them first: one may wait for another that stands still.
        for user in (users := list(self.users)):
            user.give_up(at_once=at_once)
        for user in users:
            user.leave(at_once=at_once)
        if not self.closed:
            self._index.close()
            self._session.end()

    # --- inside --------------------------------------------------------------------------------

    def _heal(self) -> None:
        """Bring in what finished processes left half done."""
        if self._index.damaged:
            self.healed.append(f"the index was damaged; it is kept as {self._index.damaged.name}.")
        if self._index.fresh:
            if count := self.rebuild():
                self.healed.append(f"the index was rebuilt from {count} clips' own files.")
            self._index.whole()
        self._session.tidy()
        for session, keys in self._index.unfinished().items():
            if self._session.lives(session):
                continue
            for key in keys:
                if key not in self and self.mp4(key).exists():
                    self._adopt(self.mp4(key))
                for left in self.mp4(key).parent.glob(f".{key}.{session}*"):
                    remove(left)
            self._index.end(session)
            self.healed.append("a run that was cut off has been tidied up.")

    def _adopt(self, path: Path) -> bool:
        """Make a row from a file's own settings; a file that is no clip is left alone."""
        try:
            settings = mp4.read_settings(path)
            if Shot.from_dict(settings["shot"]).key != path.stem:
                raise MediaError("the file's name is not its shot's key")
            if not self.sheet(path.stem).exists():
                sheets.write_sheet(self.sheet(path.stem), mp4.read_mp4(path))
            self._index.add(path.stem, settings)
        except _NO_CLIP as error:
            self.healed.append(f"{path.name} was left out: {error}")
            return False
        return True

    def _write_media(
        self, shot: Shot, frames: Frames, settings: Mapping[str, Any], sound: Sound | None
    ) -> None:
        video, sheet = self.mp4(shot.key), self.sheet(shot.key)
        video.parent.mkdir(exist_ok=True)
        name = f".{shot.key}.{self._session.name}-{next(self._written)}"
        temporary = [path.with_name(name + path.suffix) for path in (video, sheet)]
        try:
            mp4.write_mp4(temporary[0], frames, shot.fps or 1, settings, sound)
            sheets.write_sheet(temporary[1], frames)
            # The sheet first: a video in its place is a whole clip.
            temporary[1].replace(sheet)
            temporary[0].replace(video)
            sync_folder(video.parent)
        except BaseException:
            for path in temporary:
                remove(path)
            raise

    def _mark(self, key: str, **marks: Any) -> None:
        # SQLite writes into a file that was removed as well, and nobody would ever read it.
        if self.gone:
            raise LibraryError(
                f"library {str(self.folder)!r} is gone: its folder was moved or removed, so that "
                "nothing can be kept in it. bc.library() opens what is there now."
            )
        if not self._index.mark(key, marks):
            raise LibraryError(f"clip {key} is not in {self.folder}; was it deleted?")
        self._marks.add(key, **marks)
