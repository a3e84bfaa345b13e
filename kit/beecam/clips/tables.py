"""Sets of clips as pandas frames: a row per clip, or clips by two axes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from beecam.export.shown import ShownClip, ShownClips
from beecam.shots.shot import Shot

if TYPE_CHECKING:
    import pandas as pd


def frame_of(clips: ShownClips) -> pd.DataFrame:
    """Return a row per clip; see `ClipSet.to_frame`."""
    import pandas as pd

    rows = []
    for i, key in enumerate(clips.keys):
        row = clips.library.row(key)
        shot: Shot = row["shot"]
        facts = {k: v for k, v in row["facts"].items() if not isinstance(v, dict)}
        coords = clips.coords(i)
        own = {
            **{a.name: a.values[coords[a.name]] for a in clips.axes if a.name in coords},
            "prompt": shot.text,
            "seed": shot.seed,
            "stars": row["stars"],
            "rejected": row["rejected"],
            "tags": row["tags"],
        }
        # An axis may have the name of a fact: the user's own name takes precedence.
        rows.append({**own, **{k: v for k, v in facts.items() if k not in own}, "key": key})
    return pd.DataFrame(rows)


def pivot_of(
    clips: ShownClips, rows: str, columns: str, *, varying: Sequence[str], stacklevel: int
) -> pd.DataFrame:
    """Return clips by two axes; see `ClipSet.pivot`.

    Args:
        clips: The clips.
        rows: The name of one axis.
        columns: The name of another.
        varying: The axes along which the clips differ.
        stacklevel: Which caller the warning about clips that are left out points to.
    """
    import pandas as pd

    labels = {a.name: a.labels for a in clips.axes}
    cells: list[list[ShownClip | None]] = [[None] * len(labels[columns]) for _ in labels[rows]]
    left_out = 0
    for i in reversed(range(len(clips))):
        coords = clips.coords(i)
        if rows not in coords or columns not in coords:
            left_out += 1
            continue
        row, column = coords[rows], coords[columns]
        left_out += cells[row][column] is not None
        cells[row][column] = clips[i]
    if left_out:
        others = [name for name in varying if name not in (rows, columns)]
        hint = f"; clips.where({others[0]}=...) picks one of them first" if others else ""
        warnings.warn(
            f"pivot: {left_out:,} of {len(clips):,} clips are left out, because several share a "
            f"cell{hint}.",
            stacklevel=stacklevel + 1,
        )
    return pd.DataFrame(cells, index=labels[rows], columns=labels[columns], dtype=object)
