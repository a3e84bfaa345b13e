"""What beecam stores inside its mp4 files: the settings of a clip, and its size before padding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from beecam._util.strict_json import parse_json

_SIGNATURE, _SIZE = "beecam", "size"
_MAX_CHARACTERS = 10_000_000


def comment_of(settings: Mapping[str, Any], size: tuple[int, int] | None) -> str:
    """Return the comment of a file.

    Args:
        settings: JSON data; `settings_of` returns it.
        size: Width and height of the frames if they were padded to even sizes, or None.
    """
    data: dict[str, Any] = {_SIGNATURE: settings}
    if size is not None:
        data[_SIZE] = list(size)
    return json.dumps(data, ensure_ascii=True)


def settings_of(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the settings in a file's metadata, or None if they aren't those of beecam."""
    found = _parsed(metadata).get(_SIGNATURE)
    return found if isinstance(found, dict) else None


def size_before_padding(metadata: Mapping[str, str], width: int, height: int) -> tuple[int, int]:
    """Return the width and height that the frames of a file had before they were padded.

    Metadata are untrusted: nothing but the one column and row of padding is ever cut off.

    >>> size_before_padding({"comment": '{"beecam": {}, "size": [31, 17]}'}, 32, 18)
    (31, 17)

    Args:
        metadata: The file's metadata.
        width: The width in the file.
        height: The height in the file.
    """
    size = _parsed(metadata).get(_SIZE)
    if not isinstance(size, list) or len(size) != 2:  # noqa: PLR2004
        facts = (settings_of(metadata) or {}).get("facts")
        facts = facts if isinstance(facts, dict) else {}
        size = [facts.get("width"), facts.get("height")]
    return width - (size[0] == width - 1), height - (size[1] == height - 1)


def _parsed(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = parse_json(metadata.get("comment", ""), _MAX_CHARACTERS)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
