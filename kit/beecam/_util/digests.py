"""Digests as names: the only names of a library's files, rows and locks that beecam makes paths of.

A key, the name of an opening of a library, an input and a LoRA are all 32 lower-case hexadecimal
digits. They are read from files that others may have written, so every function that makes a path
of one asks `is_digest` first: nothing else can hold "..", a slash or a wildcard.
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from beecam.errors import BeecamError, shorten

DIGEST_LENGTH = 32
_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")


def is_digest(value: Any) -> TypeGuard[str]:
    """Return whether a value is a string of 32 lower-case hexadecimal digits.

    >>> is_digest("0" * 32), is_digest("../../x")
    (True, False)
    """
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def parse_digest(value: Any) -> str:
    """Return a digest that was read from a file, if it is one.

    >>> parse_digest("../../x")
    Traceback (most recent call last):
    beecam.errors.BeecamError: digest='../../x': 32 hexadecimal digits are needed.

    Raises:
        BeecamError: The value is not a string of 32 lower-case hexadecimal digits.
    """
    if not is_digest(value):
        raise BeecamError(
            f"digest={shorten(value)}: {DIGEST_LENGTH} hexadecimal digits are needed."
        )
    return value
