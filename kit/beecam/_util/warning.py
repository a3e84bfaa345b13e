"""Warnings that point at the user's line."""

from __future__ import annotations

import sys
import warnings

from beecam.errors import BeecamWarning

_OWN = ("beecam", "beecam_widgets")


def warn(text: str) -> None:
    """Issue a BeecamWarning for the line that called beecam, however deep the call is.

    >>> warn("2 of 4 cells failed: run.errors has the reasons.")
    """
    level, frame = 1, sys._getframe(0)  # noqa: SLF001
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _OWN:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, BeecamWarning, stacklevel=level)
