"""What can be asked and told of many clips at once: a row of plain values for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beecam.storage.query import Row
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis

# Facts and arguments that say nothing to a person who looks for a clip.
_LEFT_OUT = frozenset(
    {"digest", "beecam", "sheet", "place_in_batch", "exact", "noise", "revision", "draft_steps"}
)
_PLAIN = (str, int, float)
# What can be asked of any clip, whether one of those at hand has it or not.
COMMON_NAMES = (
    "prompt",
    "negative_prompt",
    "seed",
    "stars",
    "created",
    "seconds",
    "batch",
    "width",
    "height",
    "num_frames",
    "fps",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "model",
    "broken",
)


def rows_of(
    library: ClipStore,
    keys: Sequence[str],
    axes: Sequence[Axis] = (),
    coords: Sequence[Mapping[str, int]] = (),
) -> list[Row | None]:
    """Return a row for each clip, or None where the library has none.

    Args:
        library: Where the clips are.
        keys: Theirs.
        axes: The axes that the coordinates count along.
        coords: Each clip's position on each axis, by the axis' name.
    """
    table = library.table(keys)
    rows: list[Row | None] = []
    for index, key in enumerate(keys):
        found = table.get(key)
        place = coords[index] if coords else {}
        labels = {a.name: a.labels[place[a.name]] for a in axes if a.name in place}
        rows.append(None if found is None else _row(found, labels))
    return rows


def _row(found: Mapping[str, Any], labels: Mapping[str, str]) -> Row:
    shot, facts, tags = found["shot"], found["facts"], found["tags"]
    recipe = shot.get("noise") or [[None, 1.0]]
    # An axis may be called like a fact: what the person named wins.
    values = {
        **{
            k: int(v) if isinstance(v, bool) else v
            for k, v in (shot | facts).items()
            if k not in _LEFT_OUT and isinstance(v, _PLAIN)
        },
        "seed": max(recipe, key=lambda pair: abs(pair[1]))[0],
        "stars": found["stars"],
        "created": found["created"],
        **labels,
    }
    states = {"made"}
    states |= {"starred"} if found["stars"] else set()
    states |= {"rejected"} if found["rejected"] else set()
    states |= {"broken"} if facts.get("broken") else set()
    states |= {"draft"} if shot.get("draft_steps") is not None else set()
    return Row("\n".join([shot["prompt"], *labels.values(), *tags]), values, tags, states)


def names_in(rows: Sequence[Row | None]) -> list[str]:
    """Return what can be asked of these rows, in the order in which it is met."""
    return list(dict.fromkeys(name for row in rows if row is not None for name in row.values))
