"""Which folders can be a library, and why one can't."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beecam._util import checks
from beecam.errors import LibraryError, Problem, shorten


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
    except (FileExistsError, NotADirectoryError) as error:
        raise LibraryError(
            f"library {str(folder)!r} is a file; name a folder, or move the file away."
        ) from error
    except (OSError, sqlite3.OperationalError) as error:
        raise LibraryError(_explain(folder, error)) from error


def _explain(folder: Path, error: BaseException) -> str:
    if isinstance(error, PermissionError) or "readonly" in str(error):
        why = "this user may not write there; change its permissions or name another folder"
    elif isinstance(error, OSError) and error.errno == errno.EROFS:
        why = "the disk is read-only; name a folder on another one"
    elif (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "full" in str(error):
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
    elif "\0" in str(value):
        yield Problem(
            "folder",
            f"library({shorten(value)}): a path can't hold the character \\0; "
            f"the nearest is {str(value).replace(chr(0), '')!r}.",
        )
