"""Axes and clips as JSON data for the front end, both live and on offline pages."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from beecam._util.words import number_text
from beecam.shots.shot import Shot
from beecam.storage.query import STATES, Row
from beecam.sweeps.axes import Axis

LONGEST = 2_000
_MAX_LABEL = 300
_MAX_ALL_LABELS = 1_000_000
_MAX_LABELS_WITH_NOTES = 4_000
_BIDIRECTIONAL = {"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "RLI", "LRI", "FSI", "PDF", "PDI"}
_ISOLATES = re.compile("[\u2066-\u2069]")
_FACTS = {
    "seconds": "seconds to generate",
    "batch": "clips in the batch",
    "license": "license",
    "broken": "broken",
}


def cut(text: str, limit: int = LONGEST) -> str:
    """Return text of at most `limit` characters; what is cut off becomes an ellipsis.

    >>> cut("a bee over dunes", 6)
    'a bee…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def isolated(text: str) -> str:
    """Wrap right-to-left text in Unicode isolates, so that it can't reorder the text around it.

    >>> isolated("bee")
    'bee'
    """
    if not any(unicodedata.bidirectional(char) in _BIDIRECTIONAL for char in text):
        return text
    # A Unicode isolate ends all overrides inside; a nested isolate could end it early.
    return f"\u2068{_ISOLATES.sub('', text)}\u2069"


def axes_data(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Return names, labels and notes of axes; very many labels are shortened."""
    labels = max(1, sum(len(axis) for axis in axes))
    limit = min(_MAX_LABEL, max(8, _MAX_ALL_LABELS // labels))
    with_notes = labels < _MAX_LABELS_WITH_NOTES
    return [
        {
            "name": axis.name,
            "labels": [cut(x, limit) for x in axis.labels],
            "notes": [cut(n or "", limit) for n in axis.notes if with_notes],
        }
        for axis in axes
    ]


def aspect_ratio(shot: Shot) -> float:
    """Return the aspect ratio of a cell (height / width); 1.0 while the size isn't resolved."""
    return (shot.height or 1) / (shot.width or 1)


def clip_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a clip that its cell shows.

    Args:
        row: The clip's row in the library; see `ClipStore.row`.
    """
    shot, facts = row["shot"], row["facts"]
    return {
        "prompt": cut(shot.text),
        "seed": str(shot.seed),
        "stars": row["stars"],
        "rejected": row["rejected"],
        "tags": list(row["tags"]),
        "fps": shot.fps or 8,
        "frames": facts.get("frames", 1),
        "broken": facts.get("broken", ""),
        "seconds": facts.get("seconds"),
        "draft": shot.draft_steps is not None,
    }


def clip_details(shot: Shot, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a clip that the viewer shows: arguments, code and facts."""
    arguments = [
        [f.name, _plain(getattr(shot, f.name))]
        for f in dataclasses.fields(shot)
        if f.name not in ("prompt", "extra", "noise")
        and getattr(shot, f.name) not in (None, "", ())
    ]
    noise = [] if len(shot.noise) == 1 else [["noise", _plain(shot.noise)]]
    return {
        "prompt": shot.text,
        "code": shot.code(),
        "fps": shot.fps or 8,
        "arguments": [
            ["seed", str(shot.seed)],
            *noise,
            *arguments,
            *([k, _plain(v)] for k, v in shot.arguments.items()),
        ],
        "facts": [[name, _plain(facts[k])] for k, name in _FACTS.items() if k in facts],
    }


def columns_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the values that rows can be filtered and sorted by, for each name.

    Numbers are listed in `values`, with None for rows without a value. If some values of a name
    are strings, `texts` has the distinct strings and `values` their indices, with -1 for rows
    without a value.
    """
    columns: list[dict[str, Any]] = []
    for name in dict.fromkeys(name for row in rows for name in row.values):
        values = [row.values.get(name) for row in rows]
        if all(value is None or isinstance(value, (int, float)) for value in values):
            numbers = [v if v is not None and math.isfinite(v) else None for v in values]
            columns.append({"name": name, "values": numbers})
            continue
        texts = {str(v)[:LONGEST]: 0 for v in values if v is not None}
        indices = {text: i for i, text in enumerate(texts)}
        codes = [-1 if v is None else indices[str(v)[:LONGEST]] for v in values]
        columns.append({"name": name, "texts": list(texts), "values": codes})
    return columns


def state_bits(row: Row) -> int:
    """Return the states of a row as bits, in the order of `query.STATES`."""
    return sum(1 << STATES.index(state) for state in row.states)


def _plain(value: Any) -> str:
    if isinstance(value, tuple) and not any(isinstance(one, tuple) for one in value):
        return cut(", ".join(map(_plain, value)))
    return cut(number_text(value) if isinstance(value, float) else str(value))
