"""JSON that others may have written: bounded in length and depth."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 24
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_parse = json.JSONDecoder().raw_decode
_BRACKETS = re.compile(r"[][{}]")


def parse_json(text: str | bytes, max_length: int) -> Any:
    """Parse JSON, unless it is long or nested deeply.

    Python's own limits depend on its version and on the stack, and code that walks the result has
    others. Numbers and texts are as untrusted as before: see `beecam.storage.clip_settings`.

    >>> parse_json('{"seed": 3}', 100)
    {'seed': 3}

    Args:
        text: The JSON.
        max_length: The maximum length.

    Raises:
        ValueError: The text is not JSON, too long or nested too deeply.
    """
    if len(text) > max_length:
        raise ValueError(f"it has more than {max_length:,} characters")
    if isinstance(text, bytes):
        text = text.decode()
    # The parser is recursive: depth is checked before, and closely only where there may be any.
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    try:
        # Half the time of `json.loads`, which looks for spaces around the value.
        found, end = _parse(text)
    except ValueError:
        end = -1
    return found if end == len(text) else json.loads(text)


def _depth(text: str) -> int:
    """Return how deeply the brackets outside strings are nested."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
