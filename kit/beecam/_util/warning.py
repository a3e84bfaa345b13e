"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable

from beecam.errors import BeecamWarning, encodable

_OWN = ("beecam", "beecam_widgets")
_recording = threading.Lock()  # the filters of warnings are those of the process


def warn(text: str) -> None:
    """Issue a BeecamWarning for the line that called beecam, however deep the call is.

    >>> warn("2 of 4 cells failed: run.errors has the reasons.")
    """
    level, frame = 1, sys._getframe(0)  # noqa: SLF001
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _OWN:
        level, frame = level + 1, frame.f_back
    warnings.warn(encodable(text), BeecamWarning, stacklevel=level)


def warn_later(text: str) -> Callable[[], None]:
    """Return a function that issues a BeecamWarning for the line that called beecam now.

    The filters that are set now decide whether it is shown; "error" raises it now.

    >>> warn_later("a zebra: pollen doesn't know the word.")()
    """
    with _recording, warnings.catch_warnings(record=True) as caught:
        warn(text)
    found = list(caught)

    def show() -> None:
        for one in found:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)

    return show
