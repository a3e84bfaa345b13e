"""Files that PyAV writes: a full disk is one error of the system, and nothing is printed.

PyAV calls the methods of a file from C. An error in one of them is followed by others, as FFmpeg
ends the file; PyAV raises the last one, and prints the first, which a run that waits for room on
the disk would repeat every two seconds. So no method of such a file raises.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


class _Unfailing:
    """A file whose first error is kept, and which takes anything afterwards."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if self.error is None:
            try:
                return self._file.seek(offset, whence)
            except OSError as error:  # what was written before is flushed
                self.error = error
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def written_file(path: Path) -> Iterator[Any]:
    """Open a file for PyAV or Pillow to write; it is synced to the disk at the end.

    >>> with written_file(Path("bee.mkv")) as file, av.open(file, "w", format="matroska") as out:
    ...     ...

    Raises:
        OSError: The disk is full or broken, whatever else was raised because of it.
    """
    import av

    with path.open("wb") as file:
        unfailing = _Unfailing(file)
        try:
            yield unfailing
        except av.FFmpegError:
            if unfailing.error is None:
                raise
        if unfailing.error is not None:
            raise unfailing.error
        file.flush()
        os.fsync(file.fileno())
