"""What a page is told of axes and clips, as plain JSON data, whether it is live or offline."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beecam.shots.shot import Shot
from beecam.storage.query import STATES, Row
from beecam.sweeps.axes import Axis

LONGEST = 2_000
_LABEL = 300
_LABELS = 1_000_000
_MANY_LABELS = 4_000
_TURNING = {"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "RLI", "LRI", "FSI", "PDF", "PDI"}
_ISOLATES = re.compile("[\u2066-\u2069]")
_FACTS = {
    "seconds": "seconds to make",
    "batch": "clips in the call",
    "license": "license",
    "broken": "broken",
}


def cut(text: str, limit: int = LONGEST) -> str:
    """Return a text, cut with an ellipsis when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def joined(parts: Iterable[str]) -> str:
    """Join labels with dots; one that runs from right to left turns nothing else round."""
    return " · ".join(map(_apart, parts))


def _apart(text: str) -> str:
    if not any(unicodedata.bidirectional(char) in _TURNING for char in text):
        return text
    # The Unicode isolate ends what overrides begin; one within would end it early.
    return f"\u2068{_ISOLATES.sub('', text)}\u2069"


def axes_data(given: Sequence[Axis]) -> list[dict[str, Any]]:
    """Say how axes and their values are called; where there are very many, shortened."""
    labels = max(1, sum(len(axis) for axis in given))
    limit = min(_LABEL, max(8, _LABELS // labels))
    noted = labels < _MANY_LABELS
    return [
        {
            "name": axis.name,
            "labels": [cut(x, limit) for x in axis.labels],
            "notes": [cut(n or "", limit) for n in axis.notes if noted],
        }
        for axis in given
    ]


def aspect_ratio(shot: Shot) -> float:
    """Say the shape of cells: height over width."""
    return (shot.height or 1) / (shot.width or 1)


def clip_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """Say what a cell shows of a clip, as the library's row has it."""
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
    }


def clip_details(shot: Shot, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Say all about a clip: its recipe, the code that makes it, and what was measured."""
    arguments = [
        [f.name, _plain(getattr(shot, f.name))]
        for f in dataclasses.fields(shot)
        if f.name not in ("prompt", "extra", "noise")
        and getattr(shot, f.name) not in (None, "", ())
    ]
    recipe = [] if len(shot.noise) == 1 else [["noise", _plain(shot.noise)]]
    return {
        "prompt": shot.text,
        "code": shot.code(),
        "fps": shot.fps or 8,
        "arguments": [
            ["seed", str(shot.seed)],
            *recipe,
            *arguments,
            *([k, _plain(v)] for k, v in shot.arguments.items()),
        ],
        "facts": [[name, _plain(facts[k])] for k, name in _FACTS.items() if k in facts],
    }


def columns_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Say what rows can be filtered and sorted by: for each name its values.

    Numbers are said as they are, with None for none; of a name with a text among them `texts` has
    the distinct texts, and `values` their places there, with -1 for none.
    """
    told = []
    for name in dict.fromkeys(name for row in rows for name in row.values):
        values = [row.values.get(name) for row in rows]
        if all(value is None or isinstance(value, (int, float)) for value in values):
            numbers = [v if v is not None and math.isfinite(v) else None for v in values]
            told.append({"name": name, "values": numbers})
            continue
        texts = {str(v)[:LONGEST]: 0 for v in values if v is not None}
        places = {text: i for i, text in enumerate(texts)}
        codes = [-1 if v is None else places[str(v)[:LONGEST]] for v in values]
        told.append({"name": name, "texts": list(texts), "values": codes})
    return told


def state_bits(row: Row) -> int:
    """Say which of `query.STATES` a row is in, a bit each."""
    return sum(1 << STATES.index(state) for state in row.states)


def _plain(value: Any) -> str:
    return cut(f"{value:g}" if isinstance(value, float) else str(value))
