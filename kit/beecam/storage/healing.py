"""What opening a library repairs: files and rows are compared, and made to agree again.

A power cut, a copy without the write-ahead log or a torn folder leaves clips without a row, and
rows without a clip. The media decide: a row is made of the settings in an mp4, and nothing else
has to be right for a clip to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from beecam._util.plain_files import is_plain
from beecam._util.words import count_of
from beecam.errors import BeecamError, MediaError
from beecam.media import mp4
from beecam.storage.annotations import AnnotationLog
from beecam.storage.clip_settings import LAYOUT, measured_facts, read_clip_settings
from beecam.storage.folder import ANNOTATIONS, LibraryUnavailableError
from beecam.storage.index import DamagedRowsError, Index
from beecam.storage.locks import LibraryLock
from beecam.storage.media_files import MediaFiles
from beecam.storage.own_files import add_to_report, make_way

_LISTED = 5  # keys in a sentence
_Keys = TypeVar("_Keys")
_Found = TypeVar("_Found")


class Healing:
    """The repairs of one library."""

    def __init__(
        self,
        index: Index,
        media: MediaFiles,
        annotations: AnnotationLog,
        lock: LibraryLock,
        report: list[str],
    ) -> None:
        """Use the parts of a library; `report` gets a sentence about each repair."""
        self._index = index
        self._media = media
        self._annotations = annotations
        self._lock = lock
        self._report = report
        self._lacks_annotations = False

    def heal(self) -> None:
        """Finish or remove what processes that have ended left half done."""
        self._lock.remove_stale()
        self._end_dead_processes()
        fresh = self._index.fresh
        added = self.compare()
        if added and fresh:
            clips = count_of(added, "clip")
            self._report.append(f"the index was rebuilt from {clips} in media/.")
        elif added:
            self._report.append(f"{count_of(added, 'clip')} in media/ had no row: now they have.")
        if fresh and not self._lacks_annotations:
            self._index.mark_complete()

    def compare(self) -> int:
        """Compare files and rows: add rows for videos, remove those without; return how many new.

        Names alone are compared, which takes 0.4 s for 100,000 clips; only what differs is read.
        """
        rows = set(self._index.keys())
        found = self._media.list()
        for path in found.links:
            # Renamed, so that whatever else reads the folder doesn't follow it either.
            try:
                make_way(path, self._report, folder=not path.suffix)
            except OSError as error:
                self._name(f"{path.name} is in the way of a clip ({error.strerror or error}).")
        for path in found.other_case:
            found.keys.update(self._correct_case(path))
        for path in found.strangers:
            self._name(f"{path.name} was left out: its name is not its shot's key.")
        for path, why in found.unreadable.items():
            where = path.name if path.name == "media" else f"media/{path.name}"
            self._name(f"the folder {where} can't be read at present: {why}.")
        writing = {key for keys in self._index.unfinished().values() for key in keys}
        added = [
            key
            for key in sorted(found.keys - rows - writing)
            if key not in self._index and self._restore(key)
        ]
        self._forget(key for key in sorted(rows - found.keys) if not self._has_video(key))
        if added or self._index.fresh:
            # An opening that was interrupted may have left rows without annotations, too.
            self._restore_annotations(None if self._index.fresh else set(added))
        return len(added)

    def _correct_case(self, path: Path) -> Iterator[str]:
        """Rename a clip's file that another program has named in capitals; yield a video's key."""
        why = "the clip has a file of that name in lower case, too"
        try:
            if target := self._media.correct_case(path):
                self._name(f"{path.name} was renamed to {target.name}, as it was.")
                if target.suffix == ".mp4" and is_plain(target):
                    yield target.stem
                return
        except (OSError, MediaError) as error:
            why = getattr(error, "strerror", None) or str(error)
        self._name(f"{path.name} was left out: its name has to be in lower case, and {why}.")

    def read(self, read_rows: Callable[[_Keys], _Found], keys: _Keys) -> _Found:
        """Return what a function reads from the index, after damaged rows have been restored."""
        try:
            return read_rows(keys)
        except DamagedRowsError as error:
            self._replace(error.keys)
        try:
            return read_rows(keys)
        except DamagedRowsError as error:  # another process has written them since
            self._index.remove(error.keys)
            return read_rows(keys)

    def _replace(self, keys: Iterable[str]) -> None:
        """Replace damaged rows by new ones from the media, or remove them."""
        for key in keys:
            own = self._index.annotations_of(key)
            self._index.remove([key])
            if self._has_video(key) and self._restore(key):
                self._restore_annotations({key})  # those of its own that are damaged
                self._index.annotate(key, own)
                self._name(f"the row of {key[:8]} was damaged; it was restored from its video.")
            else:
                self._name(f"the row of {key[:8]} and its video are damaged; it is left out.")

    def _end_dead_processes(self) -> None:
        ended = []
        for process, keys in self._index.unfinished().items():
            if self._lock.is_alive(process):
                continue
            for key in keys:
                self._media.remove_partial(key, process)
            ended.append(process)
        if ended:
            with self._index.transaction():
                for process in ended:
                    self._index.end(process)
            self._report.append(
                "a run that was interrupted has been cleaned up."
                if len(ended) == 1
                else f"{len(ended):,} runs that were interrupted have been cleaned up."
            )

    def _has_video(self, key: str) -> bool:
        try:
            self._media.mp4_path(key).lstat()
        except (MediaError, FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a clip that can't be read at present is not gone
            return True
        return True

    def _restore(self, key: str) -> bool:
        """Add a row from a video's own settings; a file that is not a clip is left alone."""
        path = self._media.mp4_path(key)
        try:
            found, settings = read_clip_settings(path)
            if found != key:
                raise MediaError("its name is not its shot's key")
            self._media.restore_sheet(key)
            if not settings["facts"].keys() >= set(LAYOUT):
                with mp4.stream_mp4(path) as frames:
                    settings["facts"] |= measured_facts(frames)
            self._index.add(key, settings)
        except LibraryUnavailableError:
            raise
        except (BeecamError, OSError) as error:
            self._name(f"{path.name} was left out: {error}")
            return False
        return True

    def _forget(self, keys: Iterable[str]) -> None:
        """Remove the rows of clips whose videos are gone; their annotations stay in the log."""
        gone = list(keys)
        for key in gone:
            if annotations := self._index.annotations_of(key):
                self._annotations.add(key, **annotations)
        if gone:
            self._index.remove(gone)
            clips = count_of(len(gone), "clip")
            more = ", ..." if len(gone) > _LISTED else ""
            keys = ", ".join(key[:8] for key in gone[:_LISTED])
            self._report.append(
                f"{clips} had no video: the rows have been removed ({keys}{more}). They come back "
                "with the files: media/ has a file <key>.mp4 for each clip."
            )

    def _restore_annotations(self, keys: set[str] | None) -> None:
        """Apply the log to some clips, or to all for None."""
        try:
            found, damaged = self._annotations.read()
        except OSError as error:
            # An index that isn't marked as complete is filled again by the next opening.
            self._lacks_annotations = True
            self._index.mark_incomplete()
            self._name(
                f"{ANNOTATIONS} can't be read at present ({error.strerror or error}): stars and "
                "tags are missing, and come back when the library is opened again."
            )
            return
        with self._index.transaction():
            for key, annotations in found.items():
                if keys is None or key in keys:
                    # What a row has already was set while the log could not be read.
                    newer = self._index.annotations_of(key)
                    self._index.annotate(key, annotations | newer)
                    if not newer.items() <= annotations.items():
                        self._annotations.add(key, **newer)
        if damaged:
            self._report.append(f"{ANNOTATIONS}: {count_of(damaged, 'damaged line')} left out.")

    def _name(self, sentence: str) -> None:
        add_to_report(self._report, sentence)
