"""Wait while a library can't be read or written, instead of losing what is generated."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from beecam.errors import Stopped
from beecam.runs.progress import Progress

_TRY_AGAIN = 2.0  # seconds between attempts

_T = TypeVar("_T")


def persist(attempt: Callable[[], _T], progress: Progress, folder: Path) -> _T:
    """Call `attempt` until it raises no OSError; in between, the run is paused with the reason.

    That is a full or missing disk, or an index that another program has locked. Every access of a
    run to its library goes through this.

    Args:
        attempt: Reads or writes the library.
        progress: The progress of the run.
        folder: The library's folder, for the message.

    Raises:
        OSError: The run was cancelled while the library couldn't be used.
    """
    by, paused = object(), False
    try:
        while True:
            try:
                return attempt()
            except OSError as error:
                paused = True
                progress.pause(_explain(error, folder), by=by)
                try:
                    progress.wait_while_paused(_TRY_AGAIN)
                except Stopped:
                    raise error from None
    finally:
        # Also after another error: the run fails or continues, and waits for nothing.
        if paused:
            progress.resume(by=by)


def _explain(error: OSError, folder: Path) -> str:
    # The folder, since the file's name differs at each attempt.
    place = Path(os.fsdecode(error.filename)).parent if error.filename else folder
    folder = place if place.is_relative_to(folder) else folder
    what = f"clips can't be written ({error.strerror or error})"
    advice = "fix that"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, advice = "the disk is full", "free some space"
    elif error.errno == errno.EBUSY:
        advice = "close that program"
    return (
        f"{what} at {folder}: {advice}, and the run resumes automatically. Clips that are already "
        "generated stay in memory."
    )
