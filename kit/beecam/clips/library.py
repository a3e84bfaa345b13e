"""The library: the folder in which clips are stored beyond the end of the kernel."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beecam._util import checks
from beecam._util.cache import default_library_folder
from beecam._util.forks import in_forked_process
from beecam._util.plain import as_integer
from beecam._util.plain_files import resolve
from beecam._util.warning import warn
from beecam._util.words import count_of
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.clips.sweep_records import SweepRecord, SweepRecords
from beecam.errors import LibraryError, MediaError, Problem, first_line, shorten
from beecam.media.types import Frames, Sound
from beecam.shots.shot import Shot
from beecam.storage.folder import library_path
from beecam.storage.index import SORTS
from beecam.storage.media_files import is_mp4, media_of
from beecam.storage.store import ClipStore

_LISTED = 3  # files in a message
_opened: list[Library] = []
_opening = threading.Lock()


def open_library(folder: str | os.PathLike[str] | None = None) -> Library:
    """Open a library, creating it if it doesn't exist; the same folder gives the same object.

    >>> library = bc.library()             # the default one
    >>> library = bc.library("bees")       # a separate one

    Args:
        folder: The folder; by default the one named by the environment variable BEECAM_LIBRARY,
            or else `beecam` in the home folder.

    Raises:
        LibraryError: The folder can't be a library; the message says what to change.
    """
    path = (default_library_folder() if folder is None else library_path(folder)).absolute()
    with _opening:
        # Several paths may lead to one folder: links, mounts, letters that differ in case only.
        _opened[:] = [one for one in _opened if not (one.closed or one.gone)]
        for found in _opened:
            if path.exists() and path.samefile(found.folder):
                return found
        _opened.append(opened := Library(path))
        return opened


@in_forked_process
def _leave_to_parent() -> None:
    """Open libraries again in a process that was forked from the one that has them open."""
    global _opening  # noqa: PLW0603  (a thread of the other process may hold it)
    _opening = threading.Lock()
    _opened.clear()


def library_problems(value: Any) -> Iterator[Problem]:
    """Yield a problem unless `value` is an open library, or None for the default one."""
    if value is not None and not isinstance(value, Library):
        folder = value if isinstance(value, (str, os.PathLike)) else "bees"
        yield Problem(
            "library",
            f"library={shorten(value)}: an open library is needed, as in "
            f"library=bc.library({str(folder)!r}); without it, it is bc.library().",
        )
    elif value is not None and not value.closed and value.gone:
        yield Problem(
            "library",
            f"library={str(value.folder)!r}: its folder was moved or removed, so that nothing can "
            f"be stored in it; bc.library({str(value.folder)!r}) opens what is there now.",
        )


@contextlib.contextmanager
def _named(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediaError(f"take({str(source)!r}): it can't be read: {error.strerror}.") from error


class Library(ClipStore):
    """The folder in which clips are stored beyond the end of the kernel.

    Open it with `bc.library()`.

    Safe to use from several threads, and from two kernels at the same time.

    >>> library = bc.library()
    >>> library.clips("bee", stars=4)
    ClipSet: 12 clips
    """

    def __getitem__(self, key: str) -> Clip:
        """Return the clip with this key, or with the only key that starts with it.

        >>> library["3f9c2a"]

        Raises:
            KeyError: No clip, or more than one, has such a key.
            LibraryError: The key is not a string.
        """
        if not isinstance(key, str):
            raise LibraryError(
                f"library[{shorten(key)}]: a clip's key is needed, or its first characters; "
                "library.clips()[0] is the newest clip."
            )
        found = self.keys_with_prefix(key)
        if len(found) != 1:
            matches = "several clips" if found else "no clip"
            raise KeyError(
                f"{matches} in {self.folder} with a key that starts with {key!r}; "
                f"library.clips({key!r}) searches prompts."
            )
        return Clip(self, found[0])

    def __iter__(self) -> Iterator[Clip]:
        """Yield all clips, the newest first.

        >>> for clip in library:
        ...     print(clip)
        """
        return iter(self.clips())

    def clips(
        self,
        prompt: str | None = None,
        *,
        model: str | None = None,
        stars: int | None = None,
        rejected: bool | None = None,
        tag: str | None = None,
        sort: str = "-created",
        limit: int | None = None,
    ) -> ClipSet:
        """Return the clips that pass all tests.

        >>> library.clips("bee", stars=4)

        Args:
            prompt: Text that the prompt contains, ignoring case.
            model: The model's name.
            stars: The minimum number of stars.
            rejected: Only rejected clips, or only others.
            tag: A tag of the clip.
            sort: created, stars, prompt, model, seed or seconds; a leading "-" for descending.
            limit: The maximum number of clips.

        Raises:
            CheckError: With all problems of the arguments.
        """
        texts = {"prompt": prompt, "model": model, "tag": tag}
        problems = [p for n, v in texts.items() for p in checks.string(n, v, or_none=True)]
        problems += [p for n, v in texts.items() for p in checks.encodable_text(n, v)]
        problems += checks.integer("stars", stars, 0, 5, or_none=True)
        problems += checks.boolean("rejected", rejected, or_none=True)
        problems += checks.integer("limit", limit, 0, 10**9, or_none=True)
        problems += checks.choice("sort", sort, SORTS, "; a leading - is for descending")
        checks.raise_problems(problems)
        found = self.find(
            prompt=prompt,
            model=model,
            stars=as_integer(stars),
            rejected=rejected,
            tag=tag,
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            limit=as_integer(limit),
        )
        return ClipSet(self, found)

    def sweeps(self) -> SweepRecords:
        """Return the sweeps that were run, the newest first.

        >>> library.sweeps()
        >>> library.sweeps()[0].clips      # a grid of the newest one's clips
        """
        return SweepRecords.of(self)

    def sweep(self, name: str) -> SweepRecord:
        """Return the newest sweep of a name that was run.

        >>> library.sweep("bees at dusk").clips
        >>> bc.run(library.sweep("bees at dusk").sweep, model)   # generates what is missing

        Args:
            name: As given to `bc.run(..., name=...)`, or the first characters of a record's key.

        Raises:
            LibraryError: No sweep has that name; the message has the nearest names.
        """
        return self.sweeps().named(name)

    def add(
        self,
        shot: Shot,
        frames: Frames,
        facts: Mapping[str, object],
        parents: Sequence[str] = (),
        sound: Sound | None = None,
    ) -> Clip:
        """Store a clip and return it; see `ClipStore.store`.

        >>> library.add(model.resolve(bc.shot("a bee")), frames, {"frames": len(frames)})

        Args:
            shot: A resolved shot; its key names the clip.
            frames: Array of shape `(frames, height, width, 3)`, RGB, uint8.
            facts: JSON data measured on the clip.
            parents: Keys of the clips that it was derived from.
            sound: The clip's audio.

        Raises:
            OSError: The disk is full or broken; nothing was left behind.
        """
        return Clip(self, self.store(shot, frames, facts, parents, sound))

    def take(self, path: str | os.PathLike[str]) -> ClipSet:
        """Copy mp4 files that beecam wrote elsewhere into the library, and return their clips.

        Each file carries its shot, which is read as data and checked: a file from someone else
        can't run code or write outside the library.

        >>> library.take("from-a-friend.mp4")
        >>> library.take("downloads")       # all mp4 files of a folder that carry a shot
        >>> library.take("bees")            # all clips of another library's folder

        Args:
            path: An mp4 file, or a folder whose mp4 files are taken; those of a folder that carry
                no shot, or can't be read, are skipped with a BeecamWarning. The folder may be
                that of another library.

        Raises:
            MediaError: The file is missing, damaged or carries no shot; or no file of the folder
                carries one.
        """
        checks.raise_problems(checks.path_argument("path", path, "'bee.mp4'"))
        source = Path(path).expanduser()
        if not source.is_dir():
            if source.exists() and not is_mp4(source):
                raise MediaError(
                    f"take({str(source)!r}): not an mp4 file; take reads mp4 files that beecam "
                    "wrote, as by clip.save('bee.mp4'). Other files don't carry a clip's shot."
                )
            # A link that the user names is followed, those in a folder of someone else aren't.
            with _named(source):
                source = resolve(source)
            return ClipSet(self, [self.adopt(source)])
        with _named(source):
            files = sorted(one for one in source.iterdir() if one.suffix.lower() == ".mp4")
        files = files or media_of(source)
        if not files:
            raise MediaError(f"take({str(source)!r}): the folder has no mp4 files.")
        keys, skipped = [], []
        for one in files:
            try:
                keys.append(self.adopt(one))
            except MediaError as error:
                skipped.append(f"{one.name}: {first_line(error)}")
        if skipped and keys:
            more = f" And {len(skipped) - _LISTED:,} more." if len(skipped) > _LISTED else ""
            warn(
                f"take({str(source)!r}) skipped {len(skipped):,} of "
                f"{count_of(len(files), 'mp4 file')}. {' '.join(skipped[:_LISTED])}{more}"
            )
        if not keys:
            none = "none of them carries" if len(files) > 1 else "it doesn't carry"
            raise MediaError(
                f"take({str(source)!r}): the folder has {count_of(len(files), 'mp4 file')}, but "
                f"{none} a shot of beecam."
            )
        return ClipSet(self, list(dict.fromkeys(keys)))
