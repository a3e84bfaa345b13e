"""Plain files of a folder that others may have filled: no links, no pipes, no devices.

A link leads out of the folder, a pipe hangs the process that opens it, and a second name (a hard
link) of a file means that writing changes it elsewhere, too.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_FLAGS = _NO_LINKS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LINK = "it is a link, and links are not followed"
_NOT_PLAIN = "it is not a plain file"


def open_plain(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """Open a plain file, and return its descriptor.

    >>> os.close(open_plain("notes.json"))

    Args:
        path: The file.
        flags: As of `os.open`. A file that is opened for writing must have no other name.

    Raises:
        OSError: The file is missing, a link, a pipe or anything else than a plain file.
    """
    name = os.fspath(path)
    if not _NO_LINKS and Path(name).is_symlink():  # Windows
        raise OSError(errno.ELOOP, _LINK, name)
    try:
        descriptor = os.open(name, flags | _FLAGS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, _LINK, name) from error
        raise
    found = os.fstat(descriptor)
    writes = flags & (os.O_WRONLY | os.O_RDWR)
    if not stat.S_ISREG(found.st_mode) or (writes and found.st_nlink > 1):
        os.close(descriptor)
        raise OSError(errno.EINVAL, _NOT_PLAIN, name)
    return descriptor


def read_plain(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a plain file for reading.

    A file without content is read as that: those of the system, such as `/proc/kmsg`, are plain
    files of no size, and reading one may never end.

    >>> with read_plain("notes.json") as file:
    ...     file.read()

    Raises:
        OSError: The file is missing, a link, a pipe or anything else than a plain file.
    """
    descriptor = open_plain(path)
    if not os.fstat(descriptor).st_size:
        os.close(descriptor)
        return Path(os.devnull).open("rb")
    return os.fdopen(descriptor, "rb")


def read_named(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file that a user has named for reading; it may be a link, but no pipe or device.

    >>> with read_named("deck.yaml") as file:
    ...     file.read(1_000)

    Raises:
        OSError: The file is missing or not a regular one; a pipe is not waited for.
    """
    return read_plain(resolve(path))


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return where a path leads, through all links.

    >>> resolve("latest.mp4")
    PosixPath('/home/ada/bees/3f9c2a.mp4')

    Raises:
        OSError: Links lead to each other in a circle.
    """
    try:
        return Path(path).resolve()
    except RuntimeError as error:  # before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path)) from error


def is_of_system(path: Path) -> bool:
    """Return whether a path leads to what the system shows as a file, which may have no end.

    >>> is_of_system(Path("/proc/kmsg"))
    True
    """
    return resolve(path).parts[1:2] in (("proc",), ("sys",))


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a plain file of at most `limit` bytes.

    >>> read_bytes("notes.json", 1_000_000)

    Raises:
        OSError: The file is missing, not a plain file, or larger.
    """
    with read_plain(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", os.fspath(path))
        return file.read()


def is_plain(path: str | os.PathLike[str], *, writable: bool = False) -> bool:
    """Return whether a path is that of a plain file; False if there is nothing.

    >>> is_plain("/dev/null")
    False

    Args:
        path: The path.
        writable: Also require that the file has no other name.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and not (writable and found.st_nlink > 1)


def is_plain_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is that of a folder itself, not of a link to one.

    >>> is_plain_folder("/tmp")
    True
    """
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def set_aside(path: Path, what: str) -> Path:
    """Rename what is at a path, in its own folder; where a link leads to is not touched.

    >>> set_aside(Path("library.sqlite"), "damaged")
    PosixPath('library.sqlite.damaged-20250131-125959')

    Args:
        path: A file, a folder or a link.
        what: A word for the new name.

    Returns:
        The new path.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = path.with_name(f"{path.name}.{what}-{stamp}")
    count = 1
    while os.path.lexists(target):
        count += 1
        target = path.with_name(f"{path.name}.{what}-{stamp}-{count}")
    path.rename(target)
    return target
