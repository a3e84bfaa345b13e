"""Which folders can be a library, why one can't, and what in one is not as beecam made it.

A library may come from another person, a shared disk or a torn copy. Whatever in it is not a plain
file or folder is renamed before anything is read, written or removed; where a link leads to isn't
touched. See docs/guarantees.md.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beecam._util import checks
from beecam._util.files import atomic_write
from beecam._util.plain_files import is_plain, read_bytes, read_plain, set_aside
from beecam.errors import LibraryError, Problem, shorten
from beecam.storage.own_files import add_to_report, make_way

# The folders of a library; `checkpoints`, `inputs` and `sweeps` are created when needed.
FOLDERS = ("media", "locks", "checkpoints", "inputs", "sweeps")
ANNOTATIONS = "annotations.jsonl"
# A larger log isn't ours: a change has some 60 bytes. It would be read for minutes.
_MAX_LOG = 200_000_000  # bytes
# SQLite's codes of what isn't the file's fault, each with a reason and with what to do.
_LOCKED = (
    "another program has locked the index",
    "close that program, then try again",
    errno.EBUSY,
)
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: (
        "the disk is full",
        "free some space or name a folder on another one",
        errno.ENOSPC,
    ),
    **dict.fromkeys(
        (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
        (
            "this user may not write there",
            "change its permissions or name another folder",
            errno.EACCES,
        ),
    ),
    **dict.fromkeys(
        (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR),
        (
            "the disk is full or doesn't answer",
            "free some space and check that it is connected",
            errno.EIO,
        ),
    ),
}


class LibraryUnavailableError(LibraryError, OSError):
    """Raised when a library can't be read or written at present: nothing in it is damaged.

    It is an OSError too, as a full disk raises one: who can wait tries again later.

    >>> try:
    ...     clip.stars = 4
    ... except LibraryUnavailableError as error:
    ...     print(error)
    library 'bees': the disk is full; free some space or name a folder on another one.
    """

    def __init__(self, folder: Path, reason: str, advice: str, number: int) -> None:
        """Set what is wrong with a folder, and what to do; `number` is the system's errno."""
        super().__init__(number, reason)
        self._text = f"library {str(folder)!r}: {reason}; {advice}."

    def __str__(self) -> str:
        return self._text


def unavailable(folder: Path, error: sqlite3.Error) -> LibraryUnavailableError | None:
    """Return an error of SQLite as a sentence, or None if the index itself is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    found = None if code is None else _UNAVAILABLE.get(code & 0xFF)
    return None if found is None else LibraryUnavailableError(folder, *found)


def set_strangers_aside(folder: Path, report: list[str]) -> None:
    """Rename what in a library's folder is a link, a pipe or otherwise not as beecam makes it.

    Args:
        folder: The folder.
        report: Gets a sentence for each.
    """
    _correct_case(folder, report)
    for name in FOLDERS:
        make_way(folder / name, report, folder=True)
    log = folder / ANNOTATIONS
    if make_way(log, report) or not os.path.lexists(log):
        return
    if log.stat().st_size > _MAX_LOG:
        moved = set_aside(log, "too-large")
        report.append(f"{log.name} has more than {_MAX_LOG:,} bytes; it is kept as {moved.name}.")
    elif _is_utf16(log):
        _convert(log, report)
    elif not is_plain(log, writable=True):
        # A backup made of hard links, or a stranger's trap: the other name keeps its content.
        data = read_bytes(log, _MAX_LOG)
        with atomic_write(log) as temporary:
            temporary.write_bytes(data)


def _correct_case(folder: Path, report: list[str]) -> None:
    """Rename what another program has named in capitals, such as MEDIA."""
    names = {*FOLDERS, ANNOTATIONS}
    try:
        for path in folder.iterdir():
            target = path.with_name(path.name.lower())
            if path.name != target.name in names and not os.path.lexists(target):
                path.rename(target)
                add_to_report(report, f"{path.name} was renamed to {target.name}, as it was.")
    except PermissionError as error:
        add_to_report(report, f"{error.filename} is closed to this user: {error.strerror}.")


def _is_utf16(log: Path) -> bool:
    try:
        with read_plain(log) as file:
            return file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
    except OSError:  # it can't be read at present
        return False


def _convert(log: Path, report: list[str]) -> None:
    """Save a log as UTF-8 again, which another program has saved as UTF-16."""
    text = read_bytes(log, _MAX_LOG).decode("utf-16", "replace")
    with atomic_write(log) as temporary:
        temporary.write_text(text, "utf-8", errors="replace", newline="\n")
        moved = set_aside(log, "utf-16")
    report.append(f"{log.name} was saved as UTF-16 by another program; it is kept as {moved.name}.")


def library_path(folder: str | os.PathLike[str]) -> Path:
    """Return a library's folder as a path.

    >>> library_path("~/bees")
    PosixPath('/home/ada/bees')

    Raises:
        LibraryError: The argument can't be the path of a folder.
    """
    checks.raise_problems(_folder_problems(folder), LibraryError)
    return Path(folder).expanduser()


@contextlib.contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Raise errors of the system and of SQLite as sentences about the folder.

    Raises:
        LibraryError: The folder can't be a library.
    """
    try:
        yield
    except LibraryError:
        raise
    except (FileExistsError, NotADirectoryError) as error:
        raise LibraryError(
            f"library {str(folder)!r} is a file; name a folder, or move the file away."
        ) from error
    except TimeoutError as error:
        why = "another process is opening it, and doesn't finish; try again, or end that process"
        raise LibraryError(f"library {str(folder)!r} can't be used: {why}.") from error
    except sqlite3.Error as error:
        raise (unavailable(folder, error) or LibraryError(_explain(folder, error))) from error
    except OSError as error:
        raise LibraryError(_explain(folder, error)) from error


def _explain(folder: Path, error: BaseException) -> str:
    if isinstance(error, PermissionError):
        why = "this user may not write there; change its permissions or name another folder"
    elif isinstance(error, OSError) and error.errno == errno.EROFS:
        why = "the disk is read-only; name a folder on another one"
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "the disk is full; free some space or name a folder on another one"
    else:
        why = f"{error}; name another folder"
    return f"library {str(folder)!r} can't be used: {why}."


def _folder_problems(value: Any) -> Iterator[Problem]:
    if not isinstance(value, (str, os.PathLike)):
        yield Problem("folder", f"library({shorten(value)}): the path of a folder is needed.")
    elif not os.fspath(value):
        yield Problem(
            "folder",
            "library(''): the path of a folder is needed; library() is the default one and "
            "library('.') is the folder of this notebook.",
        )
    elif "\0" not in str(value) and (why := checks.why_no_path(value)):
        yield Problem("folder", f"library({shorten(value)}): {why}")
    elif "\0" in str(value):
        yield Problem(
            "folder",
            f"library({shorten(value)}): a path can't hold the character \\0; "
            f"the nearest is {str(value).replace(chr(0), '')!r}.",
        )
