"""Checks of the settings of a clip, in its mp4 or its row: what views rely on, from any writer.

Settings are data from outside: a file may come from another person, another version or a damaged
disk. What names or describes the clip must be right, or the file is refused; measured facts that
can't be right are dropped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beecam._util.digests import is_digest
from beecam.errors import BeecamError, MediaError, encodable
from beecam.media import mp4, sheets
from beecam.media.types import FrameSequence
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam.storage.index_file import VERSION

# What views take from the facts to lay out frames.
LAYOUT = ("frames", "height", "width", "sheet")

# The errors of settings that aren't a clip's.
INVALID = (
    BeecamError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
# More than all that a shot and its facts can have; see `shot_checks`.
MAX_CHARACTERS = 4_000_000
_MAX_PARENTS = 1_000
_MAX_CREATED = 253_402_300_799  # the end of the year 9999
_MAX_FACTS = 200
_MAX_NAME = 60
_MAX_TEXT = 2_000
_MAX_NUMBER = 1e15
_MAX_FRAMES = 1_000_000
_MAX_SIDE = 65_536
# Of all frames of a sheet, which is decoded whole: those of a square clip have 0.6 megapixels.
_MAX_SHEET = 16_000_000
# A fact of such a name would replace the shot's value in queries and tables.
_TAKEN_NAMES = frozenset(
    {*Shot.__dataclass_fields__, "seed", "key", "created", "stars", "rejected", "tags", "is", "tag"}
)


def new_settings(shot: Shot, facts: Mapping[str, Any], parents: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a new clip, for its file and its row.

    Args:
        shot: The resolved shot.
        facts: JSON data measured on the clip.
        parents: Keys of the clips that it was derived from.
    """
    return {
        "version": VERSION,
        "shot": shot.to_dict(),
        "facts": dict(facts),
        # Of very many, as of a sweep over all clips of a library, the first ones are kept.
        "parents": list(parents)[:_MAX_PARENTS],
        "created": time.time(),
    }


def read_clip_settings(path: Path) -> tuple[str, dict[str, Any]]:
    """Read the settings inside an mp4, without facts that can't be right.

    >>> key, settings = read_clip_settings(Path("from-a-friend.mp4"))

    Returns:
        The clip's key, and settings with `shot`, `facts`, `created` and `parents`. Facts in
        `LAYOUT` are there if they are plausible; see `measured_facts`.

    Raises:
        MediaError: The file is missing, damaged or carries no shot; or shot, creation time or
            parents can't be those of a clip.
    """
    settings = mp4.read_settings(path)
    try:
        return check_settings(settings)
    except INVALID as error:
        raise MediaError(f"{path} carries no shot of beecam: {error}") from error


def check_settings(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a clip's key and its settings; see `read_clip_settings`.

    >>> key, settings = check_settings(mp4.read_settings(clip.path))

    Raises:
        BeecamError: They can't be those of a clip; any of `INVALID` likewise.
    """
    if len(json.dumps(settings)) > MAX_CHARACTERS:
        raise MediaError(f"its settings have more than {MAX_CHARACTERS:,} characters")
    # Halves of surrogate pairs raise here, wherever they are.
    json.dumps(settings["shot"], ensure_ascii=False).encode()
    shot = Shot.from_dict(settings["shot"])
    for problem in _find_problems(shot, settings):
        raise MediaError(problem)
    return shot.key, {
        "version": VERSION,
        "shot": shot.to_dict(),
        "facts": _plausible_facts(settings.get("facts")),
        "created": float(settings["created"]),
        "parents": list(settings.get("parents", ())),
    }


def measured_facts(frames: FrameSequence) -> dict[str, Any]:
    """Return the facts in `LAYOUT`, measured on the frames.

    >>> measured_facts(np.zeros((9, 32, 48, 3), np.uint8))["width"]
    48
    """
    count, height, width = frames.shape[:3]
    return {
        "frames": count,
        "height": height,
        "width": width,
        "sheet": sheets.sheet_layout(frames),
    }


def _find_problems(shot: Shot, settings: Mapping[str, Any]) -> Iterator[str]:
    if not _is_count(settings.get("version", VERSION), VERSION):
        yield "it was written by a newer beecam"
    yield from map(str, check_values(shot))
    created, parents = settings["created"], settings.get("parents", ())
    if not _is_number(created, _MAX_CREATED) or created < 0:
        yield "its creation time is not a number of seconds since 1970"
    if not isinstance(parents, (list, tuple)) or not all(map(is_digest, parents)):
        yield "its parents are not a list of keys"
    elif len(parents) > _MAX_PARENTS:
        yield f"it has {len(parents):,} parents; at most {_MAX_PARENTS:,} are allowed"


def _plausible_facts(facts: object) -> dict[str, Any]:
    if not isinstance(facts, Mapping):
        return {}
    found = {name: value for name, value in facts.items() if is_fact(name, value)}
    known = {name: found[name] for name in _KNOWN_FACTS if name in found}
    return dict(list((known | found).items())[:_MAX_FACTS])


def is_fact(name: str, value: Any) -> bool:
    """Return whether this can be a fact of a clip, of data from outside.

    >>> is_fact("frames", 9), is_fact("frames", -1)
    (True, False)
    """
    if name in _KNOWN_FACTS:
        return _KNOWN_FACTS[name](value)
    # Facts of another version: plain values under a name that isn't taken.
    named = name.isidentifier() and len(name) <= _MAX_NAME and name not in _TAKEN_NAMES
    return named and (_is_number(value, _MAX_NUMBER) or isinstance(value, bool) or _is_text(value))


def _is_layout(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"frames", "width", "height"}
        and _is_count(value["frames"], sheets.SHEET_FRAMES, low=1)
        and _is_count(value["width"], sheets.SHEET_WIDTH, low=1)
        and _is_count(value["height"], _MAX_SIDE, low=1)
        and value["frames"] * value["width"] * value["height"] <= _MAX_SHEET
    )


def _is_count(value: Any, high: int, low: int = 0) -> bool:
    return type(value) is int and low <= value <= high


def _is_number(value: Any, high: float) -> bool:
    # A NaN fails the comparison.
    return type(value) in (int, float) and abs(value) <= high


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and encodable(value) is value


_KNOWN_FACTS: Mapping[str, Callable[[Any], bool]] = {
    "frames": lambda value: _is_count(value, _MAX_FRAMES, low=1),
    "height": lambda value: _is_count(value, _MAX_SIDE, low=1),
    "width": lambda value: _is_count(value, _MAX_SIDE, low=1),
    "sheet": _is_layout,
    "seconds": lambda value: _is_number(value, _MAX_NUMBER) and value >= 0,
    "batch": lambda value: _is_count(value, _MAX_FRAMES, low=1),
    "position": lambda value: _is_count(value, _MAX_FRAMES),
    "resumed_from": lambda value: _is_count(value, _MAX_FRAMES),
    "exact": lambda value: isinstance(value, bool),
    "loras": lambda value: (
        isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))
    ),
    "sound": lambda value: (
        isinstance(value, dict) and all(_is_count(one, 10**9) for one in value.values())
    ),
    "license": lambda value: value is None or _is_text(value),
    **dict.fromkeys(("digest", "beecam", "source", "broken"), _is_text),
}
