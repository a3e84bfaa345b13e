"""How a library's files are written, whatever lies in its folder.

A folder, a link or a pipe may have the name of a file that is to be written, also while the library
is open. It is renamed in its place and reported: nothing of it is lost, and no finished clip waits
for it. Every module that writes into a library does so by `OwnFiles`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from beecam._util.files import atomic_write, sync_folder
from beecam._util.plain_files import is_plain, is_plain_folder, set_aside
from beecam.errors import LibraryError, encodable

_MAX_REPORTED = 50


def add_to_report(report: list[str], sentence: str) -> None:
    """Add a sentence about a file; very many are counted in one sentence.

    >>> add_to_report(library.healed, "bee.mp4 was left out.")
    """
    if len(report) < _MAX_REPORTED:
        report.append(encodable(sentence))
    elif len(report) == _MAX_REPORTED:
        report.append("and more files that are not clips.")


def make_way(
    path: Path, report: list[str], *, folder: bool = False, writable: bool = False
) -> bool:
    """Rename what lies at a path of ours, unless it is a plain file or folder; report it.

    Where a link leads to is not touched.

    >>> make_way(Path("bees/sweeps"), library.healed, folder=True)
    False

    Args:
        path: A path at which beecam writes.
        report: Gets a sentence.
        folder: Whether a folder is needed there, not a file.
        writable: Whether a file with a second name (a hard link) is in the way, too.

    Returns:
        Whether something was renamed.

    Raises:
        OSError: It can't be renamed.
    """
    is_ours = is_plain_folder(path) if folder else is_plain(path, writable=writable)
    if is_ours or not os.path.lexists(path):
        return False
    what = f"not {'a folder' if folder else 'a plain file'} of the library"
    if path.is_symlink():
        what += f" (a link to {str(path.readlink())!r}), and links are not followed"
    moved = set_aside(path, "not-plain")
    add_to_report(report, f"{path.name} was {what}; it is kept as {moved.name}.")
    return True


class OwnFiles:
    """Writes the files and makes the folders of one library.

    A process that was forked from the one that opened the library writes nothing: its runs and
    locks are those of the other one.
    """

    def __init__(self, report: list[str] | None = None) -> None:
        """Write for this process.

        Args:
            report: Gets a sentence about whatever was in the way.
        """
        self._report = [] if report is None else report
        self._process = os.getpid()

    def make_folder(self, path: Path) -> None:
        """Create a folder, unless it is there; the folder that it is in must be.

        Raises:
            LibraryError: This process was forked from the one that opened the library.
            OSError: It can't be created.
        """
        self.check_process()
        if is_plain_folder(path):
            return
        make_way(path, self._report, folder=True)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            path.mkdir()
        sync_folder(path.parent)

    @contextlib.contextmanager
    def write(self, path: Path) -> Iterator[Path]:
        """Yield a temporary path, and move the file to its place at the end; see `atomic_write`.

        Raises:
            LibraryError: This process was forked from the one that opened the library.
            OSError: The disk is full or broken; nothing was left behind.
        """
        self.make_folder(path.parent)
        with atomic_write(path) as temporary:
            yield temporary
            self.prepare(path)

    def prepare(self, path: Path, *, writable: bool = False) -> None:
        """Make way for a file that is about to be moved to a path, or written there.

        Args:
            path: The path.
            writable: Whether a file with a second name is in the way, too; see `make_way`.

        Raises:
            LibraryError: This process was forked from the one that opened the library.
            OSError: What is there can't be renamed.
        """
        self.check_process()
        make_way(path, self._report, writable=writable)

    def report(self, sentence: str) -> None:
        """Report what is wrong with a file, once."""
        if encodable(sentence) not in self._report:
            add_to_report(self._report, sentence)

    @property
    def is_own_process(self) -> bool:
        """Whether this is the process that may write, not one that was forked from it."""
        return os.getpid() == self._process

    def check_process(self) -> None:
        """Raise a LibraryError in a process that was forked from the one that may write."""
        if not self.is_own_process:
            raise LibraryError(
                "the library was opened by the process that this one was forked from, which alone "
                "writes into it; bc.library(folder) opens it here."
            )
