"""Files and index of a library: keys and rows; what hands out clips is `beecam.clips.library`.

`library.sqlite` holds the index, `media/` the clips by key. Media is written under a temporary
name, synced and renamed before its row is committed, so a row never points at nothing.
`annotations.jsonl` keeps a copy of stars and tags, for when the index is rebuilt from the media.
"""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from beecam._util import checks
from beecam._util.attributes import FixedAttributes
from beecam._util.forks import in_forked_process
from beecam._util.words import count_of
from beecam.errors import LibraryError, shorten
from beecam.media import mp4
from beecam.media.types import Frames, Sound
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam.storage.annotations import AnnotationLog, tag_problems
from beecam.storage.checkpoints import Checkpoints
from beecam.storage.claims import BackgroundWriter, Claims
from beecam.storage.clip_settings import measured_facts, new_settings, read_clip_settings
from beecam.storage.folder import (
    ANNOTATIONS,
    LibraryUnavailableError,
    folder_errors,
    library_path,
    set_strangers_aside,
)
from beecam.storage.healing import Healing
from beecam.storage.index import KEYS_PER_QUERY, Index, timing_kind
from beecam.storage.inputs import InputStore
from beecam.storage.locks import LibraryLock
from beecam.storage.media_files import MediaFiles
from beecam.storage.own_files import OwnFiles
from beecam.storage.sweep_files import SweepFiles


class ClipStore(FixedAttributes):
    """The files and the index of one library folder.

    Safe to use from several threads, and from two kernels at the same time.

    >>> ClipStore("bees").count([clip.key])
    1

    Attributes:
        folder: The library's folder.
        healed: Sentences about what opening had to repair, and what has made way for files since;
            usually empty.
        checkpoints: Checkpoints of unfinished clips.
        sweep_files: Records of the sweeps that were run.
        inputs: Images and videos that models were conditioned on, by digest.
        claims: The clips that are being generated, by this process or another one.
        writers: What writes into the library in the background.
    """

    folder: Path
    healed: list[str]
    checkpoints: Checkpoints
    sweep_files: SweepFiles
    inputs: InputStore
    claims: Claims
    writers: set[BackgroundWriter]

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder = library_path(folder)
        self.healed = []
        self._files = files = OwnFiles(self.healed)
        self._annotations = AnnotationLog(folder / ANNOTATIONS, files)
        self.writers = set()
        with folder_errors(folder), contextlib.ExitStack() as undo:
            folder.mkdir(parents=True, exist_ok=True)
            set_strangers_aside(folder, self.healed)
            files.make_folder(folder / "media")
            self._lock = LibraryLock(folder / "locks", files)
            undo.callback(self._lock.release)
            opening = self._lock.opening()
            # Before it is acquired. Not a `with`: if that is interrupted while it begins, the
            # traceback that a notebook keeps would keep it locked.
            undo.callback(opening.release)
            opening.acquire()
            self._index = Index(folder, self._lock.is_alone)
            undo.callback(self._index.close)
            opening.release()
            self.healed += self._index.repairs
            self.claims = Claims(self._index, self._lock)
            self.checkpoints = Checkpoints(folder / "checkpoints", files)
            self.inputs = InputStore(folder / "inputs", files)
            self.sweep_files = SweepFiles(folder / "sweeps", self.inputs, files)
            self._media = MediaFiles(folder / "media", self._lock.name, files)
            self._healing = Healing(
                self._index, self._media, self._annotations, self._lock, self.healed
            )
            self._healing.heal()
            undo.pop_all()
        _stores.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(cancel=kind is not None)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, item: object) -> bool:
        key = getattr(item, "key", item)  # of a clip or a shot
        return isinstance(key, str) and key in self._index

    def __repr__(self) -> str:
        return f"Library {str(self.folder)!r}: {count_of(len(self), 'clip')}"

    @property
    def closed(self) -> bool:
        """Whether the library was closed; `bc.library()` opens it again."""
        return self._index.closed

    @property
    def gone(self) -> bool:
        """Whether the folder was moved or removed while the library was open."""
        return not self._index.exists

    # --- reading -------------------------------------------------------------------------------

    def count(self, keys: Iterable[str]) -> int:
        """Return how many of these keys are in the index; fast, unlike `known`, which reads files.

        >>> library.count(["3f9c2a...", "81bb0d..."])
        2
        """
        return len(self._index.known(keys))

    def known(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a clip whose files are complete.

        >>> library.known([shot.key])
        {'3f9c2a...'}
        """
        found = self._index.known(keys)
        return {key for key in found if self._media.is_complete(key)}

    def keys_with_prefix(self, text: str) -> list[str]:
        """Return up to two keys that start with `text`.

        >>> library.keys_with_prefix("3f9c")
        ['3f9c2a...']
        """
        return self._index.keys_with_prefix(text)

    def find(self, **tests: Any) -> list[str]:
        """Return the keys of the clips that pass every test; see `Library.clips`.

        >>> library.find(prompt="bee", model=None, stars=4, rejected=None, tag=None,
        ...              sort="created", descending=True, limit=10)
        """
        return self._index.find(**tests)

    def row(self, key: str) -> dict[str, Any]:
        """Return the index's row of a clip: shot, facts, parents, created, stars, rejected, tags.

        >>> library.row(clip.key)["stars"]
        4

        Raises:
            LibraryError: The clip does not exist.
        """
        row = self._healing.read(self._index.row, key)
        if row is None:
            raise LibraryError(f"clip {shorten(key)} is not in {self.folder}; was it deleted?")
        self.inputs.attach(row["shot"].conditions)
        return row

    def table(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the rows of many clips by key, without those that the index lacks.

        Like `row`, but fast for thousands: the shot is plain data, as from `Shot.to_dict`.

        >>> library.table(clips.keys)[clip.key]["shot"]["prompt"]
        'a bee over dunes'
        """
        return self._healing.read(self._index.table, list(keys)) or {}

    def rows(self, keys: Sequence[str]) -> Iterator[dict[str, Any] | None]:
        """Yield the rows of clips in order, as in `table`; None for a clip that the index lacks.

        Only some hundred are in memory at once, unless they are kept: Python's garbage collector
        looks through all that are, again and again.

        >>> [row["stars"] for row in library.rows(clips.keys)]
        [4]
        """
        for start in range(0, len(keys), KEYS_PER_QUERY):
            part = keys[start : start + KEYS_PER_QUERY]
            yield from map(self.table(part).get, part)

    def annotations_since(self, cursor: int) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return annotations written since `cursor`, by any process, and the new cursor.

        >>> cursor, _ = library.annotations_since(-1)              # from now on
        >>> cursor, changed = library.annotations_since(cursor)    # {key: {"stars": 4}}

        Args:
            cursor: What the last call returned; a negative number for now.
        """
        return self._annotations.since(cursor)

    def mp4_path(self, key: str) -> Path:
        """Return the path of a clip's video.

        >>> library.mp4_path(clip.key).stat().st_size
        """
        return self._media.mp4_path(key)

    def sheet_path(self, key: str) -> Path:
        """Return the path of a clip's sheet.

        >>> library.sheet_path(clip.key).exists()
        True
        """
        return self._media.sheet_path(key)

    def seconds_for(self, shot: Shot) -> float | None:
        """Return the median seconds per clip measured for such a shot, or None.

        >>> library.seconds_for(clip.shot)
        0.42
        """
        return self.seconds_for_each([shot])[0]

    def seconds_for_each(self, shots: Iterable[Shot]) -> list[float | None]:
        """Return for each shot what `seconds_for` does; shots that take equally long as one.

        >>> library.seconds_for_each([clip.shot])
        [0.42]
        """
        measured: dict[str, float | None] = {}
        kinds = [timing_kind(shot) for shot in shots]
        for kind in dict.fromkeys(kinds):
            found = sorted(self._index.seconds_of(kind))
            measured[kind] = found[len(found) // 2] if found else None
        return [measured[kind] for kind in kinds]

    # --- writing -------------------------------------------------------------------------------

    def store(
        self,
        shot: Shot,
        frames: Frames,
        facts: Mapping[str, Any],
        parents: Sequence[str] = (),
        sound: Sound | None = None,
    ) -> str:
        """Store a clip: files first, then its row.

        >>> library.store(clip.shot, clip.frames(), clip.facts)

        Args:
            shot: A resolved shot; its key names the clip.
            frames: Array of shape `(frames, height, width, 3)`, RGB, uint8.
            facts: JSON data measured on the clip.
            parents: Keys of the clips that it was derived from.
            sound: The clip's audio.

        Returns:
            The clip's key.

        Raises:
            CheckError: The shot has values that no clip can have.
            OSError: The disk is full or broken; nothing was left behind.
        """
        checks.raise_problems(check_values(shot))
        settings = new_settings(shot, facts, parents)
        with self._writing(shot.key, settings):
            self._write_files(shot, frames, settings, sound)
        return shot.key

    def store_files(
        self,
        shot: Shot,
        frames: Frames,
        facts: Mapping[str, Any],
        parents: Sequence[str] = (),
        sound: Sound | None = None,
    ) -> None:
        """Store a clip without a row, where the index can't be written; arguments as of `store`.

        Opening the library again, or `rebuild`, adds the row.

        >>> library.store_files(clip.shot, clip.frames(), clip.facts)

        Raises:
            OSError: The disk is full or broken; nothing was left behind.
        """
        self._write_files(shot, frames, new_settings(shot, facts, parents), sound)

    def adopt(self, path: Path) -> str:
        """Copy an mp4 file that beecam wrote into the library, with its row; return its key.

        >>> library.adopt(Path("from-a-friend.mp4"))

        A clip that the library already has is not changed. The file's settings are checked, and
        facts about the frames are measured again: see `beecam.storage.clip_settings`.

        Raises:
            MediaError: The file is missing, damaged or carries no shot.
            OSError: The disk is full or broken; nothing was left behind.
        """
        key, settings = read_clip_settings(path)
        if key in self and self._media.is_complete(key):
            return key
        with mp4.stream_mp4(path) as frames:
            # The seconds of another machine say nothing about this one; see `Index.add`.
            settings["facts"] |= {**measured_facts(frames), "taken": True}
            with self._writing(key, settings):
                self._media.copy(key, path, frames, settings)
        return key

    def rate(self, key: str, *, stars: int | None = None, rejected: bool | None = None) -> None:
        """Set a clip's stars, or reject it.

        >>> library.rate(clip.key, stars=4)

        Args:
            key: The clip's key.
            stars: 0 to 5.
            rejected: Whether the clip is rejected.

        Raises:
            CheckError: A value has the wrong type or is out of range.
            LibraryError: The clip does not exist, or the index can't be written at present.
        """
        problems = [*checks.integer("stars", stars, 0, 5, or_none=True)]
        checks.raise_problems([*problems, *checks.boolean("rejected", rejected, or_none=True)])
        if stars is not None:
            self._annotate(key, stars=int(stars))
        if rejected is not None:
            self._annotate(key, rejected=bool(rejected))

    def tag(self, key: str, tags: Iterable[str]) -> None:
        """Set a clip's tags.

        >>> library.tag(clip.key, ["keep", "low flight"])

        Raises:
            CheckError: The tags are not a list of strings.
            LibraryError: The clip does not exist.
        """
        checks.raise_problems(tag_problems(tags))
        self._annotate(key, tags=list(dict.fromkeys(tags)))

    def copy_annotations(self, key: str, source: str) -> None:
        """Copy stars and tags of another clip, if it has any, to a clip.

        >>> library.copy_annotations(finished.key, draft.key)
        """
        found = self._index.annotations_of(source)
        found.pop("rejected", None)
        if found:
            self._annotate(key, **found)

    def log_annotations(self, key: str, source: str) -> None:
        """Copy stars and tags of another clip to the log only, where the index can't be written.

        The row that the next opening adds for the clip has them.

        >>> library.log_annotations(finished.key, draft.key)
        """
        try:
            found = self._index.annotations_of(source)
        except LibraryUnavailableError:
            found = self._annotations.read()[0].get(source, {})
        found.pop("rejected", None)
        if found:
            self._annotations.add(key, **found)

    def rebuild(self) -> int:
        """Add rows for media without one, from the settings inside; return how many.

        Stars, rejections and tags are restored, too.

        >>> library.rebuild()
        0
        """
        return self._healing.compare()

    def close(self, *, cancel: bool = False) -> None:
        """Wait for the runs that write into the library, and close it.

        >>> library.close()

        Args:
            cancel: Cancel these runs. What they have generated is written in any case.
        """
        self.hurry()
        # All of them first: one may be waiting for another that is paused.
        for writer in (writers := list(self.writers)):
            writer.give_up(cancel=cancel)
        for writer in writers:
            writer.leave(cancel=cancel)
        if not self.closed:
            with contextlib.suppress(OSError, LibraryError):
                # Otherwise they end with the lock.
                self.claims.close()
            self._index.close()
            self._lock.release()

    def hurry(self) -> None:
        """Wait for other programs no longer: the library is about to be closed.

        >>> library.hurry()
        """
        self._index.hurry()

    # --- inside --------------------------------------------------------------------------------

    def _abandon(self) -> None:
        """Be closed, because this process was forked from the one that has the library open."""
        self._index.abandon()
        self.claims.abandon()
        self.writers.clear()

    @contextlib.contextmanager
    def _writing(self, key: str, settings: Mapping[str, Any]) -> Iterator[None]:
        """Record that a clip's files are being written, and add its row afterwards.

        Raises:
            OSError: The disk is full or broken, or another program has locked the index.
        """
        self._check_folder()
        self._index.begin(key, self._lock.name)
        yield
        with self._index.transaction():
            self._index.add(key, settings)
            self._index.end(self._lock.name, key)

    def _check_folder(self) -> None:
        if self.gone:
            # Another library may be in its place, which the open index doesn't describe.
            raise FileNotFoundError(errno.ENOENT, "the library's folder was moved or removed")

    def _write_files(
        self, shot: Shot, frames: Frames, settings: Mapping[str, Any], sound: Sound | None
    ) -> None:
        self._check_folder()
        self.inputs.store(shot.conditions)
        self._media.write(shot.key, frames, shot.fps or 1, settings, sound)

    def _annotate(self, key: str, **annotations: Any) -> None:
        # SQLite also writes into a file that was removed, which nothing would ever read.
        if self.gone:
            raise LibraryError(
                f"library {str(self.folder)!r} is gone: its folder was moved or removed, so that "
                "nothing can be stored in it. bc.library() opens what is there now."
            )
        if not self._index.annotate(key, annotations):
            raise LibraryError(f"clip {shorten(key)} is not in {self.folder}; was it deleted?")
        self._annotations.add(key, **annotations)


# All that are open.
_stores: weakref.WeakSet[ClipStore] = weakref.WeakSet()


@in_forked_process
def _leave_to_parent() -> None:
    """Close all libraries in a process that was forked from the one that has them open."""
    for store in list(_stores):
        store._abandon()  # noqa: SLF001
    _stores.clear()
