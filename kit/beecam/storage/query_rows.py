"""The rows that queries search: plain values of many clips, read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from beecam.shots.noise import seed_of
from beecam.shots.weighted_prompts import as_text
from beecam.storage.query import Row
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis, labels_at

# Facts and arguments that are of no use in a search.
_LEFT_OUT = frozenset(
    {"digest", "beecam", "sheet", "position", "exact", "noise", "revision", "draft_steps"}
)
_PLAIN = (str, int, float)
# Names that can be queried even if none of the clips has such a value.
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
    """Return a row for each clip, or None where the library doesn't have the clip.

    Args:
        library: The library that the clips are in.
        keys: The clips' keys.
        axes: The axes that the coordinates refer to.
        coords: Each clip's position on each axis, by the axis' name.
    """
    return [
        None if found is None else _row(found, labels_at(axes, coords[i]) if coords else {})
        for i, found in enumerate(library.rows(keys))
    ]


def _row(found: Mapping[str, Any], labels: Mapping[str, str]) -> Row:
    shot, facts, tags = found["shot"], found["facts"], found["tags"]
    # An axis may have the name of a fact: the user's own name takes precedence.
    values = {
        **{
            k: int(v) if isinstance(v, bool) else v
            for k, v in (*shot.items(), *facts.items())
            if k not in _LEFT_OUT and isinstance(v, _PLAIN)
        },
        "prompt": as_text(shot["prompt"]),
        "seed": seed_of(shot["noise"]),
        "stars": found["stars"],
        "created": found["created"],
        **labels,
    }
    states = _states(
        starred=bool(found["stars"]),
        rejected=found["rejected"],
        broken=bool(facts.get("broken")),
        draft=shot.get("draft_steps") is not None,
    )
    return Row("\n".join([values["prompt"], *labels.values(), *tags]), values, tags, states)


@cache
def _states(**flags: bool) -> frozenset[str]:
    """Return the states of a clip: one set for all clips that have the same."""
    return frozenset({"generated", *(name for name, is_so in flags.items() if is_so)})


def names_in(rows: Sequence[Row | None]) -> list[str]:
    """Return the names of the values in some rows, in the order of their first occurrence."""
    # Most rows have the same names.
    different = dict.fromkeys(tuple(row.values) for row in rows if row is not None)
    return list(dict.fromkeys(name for names in different for name in names))
