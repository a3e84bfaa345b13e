"""Rows of the index as data, checked: a row is as untrusted as a file.

The columns of a row have the right types since the index was opened; what is inside is checked
here, whenever it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beecam._util.digests import is_digest
from beecam._util.strict_json import parse_json
from beecam.errors import BeecamError
from beecam.shots.noise import MAX_SEED
from beecam.shots.shot import FLOATS, INTEGERS, LIMITS, MAX_PROMPT, Shot
from beecam.storage.annotations import is_annotation
from beecam.storage.clip_settings import INVALID, MAX_CHARACTERS, check_settings, is_fact

COLUMNS = "key, shot, facts, parents, created, stars, rejected, tags"


def checked_row(values: Sequence[Any]) -> dict[str, Any] | None:
    """Return a clip's row with its shot, or None if the row is damaged.

    Args:
        values: The values of `COLUMNS`.
    """
    key, _, _, parents = values[:4]
    try:
        row = _parse(values)
        settings = row | {"parents": parse_json(parents, MAX_CHARACTERS)}
        found, checked = check_settings(settings)
        if found != key:
            return None
        shot = Shot.from_dict(checked["shot"])
    except INVALID:
        return None
    return row | {"shot": shot, "facts": checked["facts"], "parents": tuple(checked["parents"])}


def plain_row(values: Sequence[Any]) -> dict[str, Any] | None:
    """Return a clip's row with its shot as plain data, or None if the row is damaged.

    It is quicker than `checked_row`, for thousands.

    Args:
        values: The values of `COLUMNS`.
    """
    try:
        row = _parse(values)
        shot, facts = row["shot"], row["facts"]
        for name, value in shot.items():
            test = _FIELDS.get(name)
            if test is None or not test(value):
                return checked_plain(values)
        if "prompt" not in shot or "noise" not in shot:
            return None
        if not all(is_fact(name, value) for name, value in facts.items()):
            row["facts"] = {name: value for name, value in facts.items() if is_fact(name, value)}
    except INVALID:
        return None
    return row


def checked_plain(values: Sequence[Any]) -> dict[str, Any] | None:
    """Return what `plain_row` does, by way of the complete check."""
    row = checked_row(values)
    if row is None:
        return None
    del row["parents"]
    return row | {"shot": row["shot"].to_dict()}


def _parse(values: Sequence[Any]) -> dict[str, Any]:
    """Return the values of `COLUMNS` by name, without key and parents.

    Raises:
        BeecamError: The row is damaged; ValueError and TypeError likewise.
    """
    key, shot, facts, _, created, stars, rejected, tags = values
    found = [] if tags == "[]" else parse_json(tags, MAX_CHARACTERS)
    row = {
        "shot": parse_json(shot, MAX_CHARACTERS),
        "facts": parse_json(facts, MAX_CHARACTERS),
        "created": created,
        "stars": stars,
        "rejected": bool(rejected),
        # Tags aren't in the media: those that can't be shown are left out, not the clip.
        "tags": tuple(tag for tag in found if is_annotation("tags", [tag]))
        if isinstance(found, list)
        else (),
    }
    valid = is_digest(key) and is_annotation("stars", stars) and is_number(created)
    if not (valid and isinstance(row["shot"], dict) and isinstance(row["facts"], dict)):
        raise BeecamError(f"the row {key} is damaged.")
    return row


def is_number(value: Any) -> bool:
    """Return whether a column holds a number.

    >>> is_number(0.5), is_number("fast")
    (True, False)
    """
    return type(value) in (int, float)


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= MAX_PROMPT


def _in_limits(name: str) -> Callable[[Any], bool]:
    low, high = LIMITS[name]
    types = (int,) if name in INTEGERS else (int, float)
    highest = 1e15 if high is None else high
    return lambda value: type(value) in types and (low or 0) <= value <= highest


def _is_plain_noise(value: Any) -> bool:
    return type(value) is list and bool(value) and all(map(_is_plain_pair, value))


def _is_plain_pair(pair: Any) -> bool:
    return (
        type(pair) is list
        and len(pair) == 2  # noqa: PLR2004
        and type(pair[0]) is int
        and 0 <= pair[0] <= MAX_SEED
        and type(pair[1]) is float
        and 0 < abs(pair[1]) < 1e15  # noqa: PLR2004
    )


# The fields of most shots. One with others, such as images, is checked completely.
_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("prompt", "negative_prompt", "scheduler", "model", "revision"),
        _is_text,
    ),
    **{name: _in_limits(name) for name in (*INTEGERS, *FLOATS)},
    "noise": _is_plain_noise,
}
