"""Sets of clips as pandas frames: a row per clip, or clips by two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beecam._util.collector import collection_paused
from beecam._util.warning import warn
from beecam._util.words import count_of
from beecam.export.shown import ShownClip, ShownClips
from beecam.shots.noise import seed_of
from beecam.shots.weighted_prompts import as_text
from beecam.sweeps.axes import Axis, values_at

if TYPE_CHECKING:
    import pandas as pd


@collection_paused()
def frame_of(clips: ShownClips) -> pd.DataFrame:
    """Return a row per clip; see `ClipSet.to_frame`."""
    import pandas as pd

    rows = []
    for i, row in enumerate(clips.library.rows(clips.keys)):
        key, values = clips.keys[i], values_at(clips.axes, clips.coords(i))
        if row is None:  # it was damaged or deleted: the other rows are still right
            rows.append(values | {"key": key})
            continue
        shot = row["shot"]
        # The prompt of an axis is a template. Any other name of an axis takes precedence over that
        # of a fact or a rating, as in queries.
        own = {**values, "prompt": as_text(shot["prompt"]), "seed": seed_of(shot["noise"])}
        rating = {name: row[name] for name in ("stars", "rejected", "tags")}
        facts = {k: v for k, v in row["facts"].items() if not isinstance(v, dict)}
        rows.append(own | rating | facts | {"key": key} | own)
    return pd.DataFrame(rows)


def pivot_of(clips: ShownClips, rows: str, columns: str, *, varying: Sequence[str]) -> pd.DataFrame:
    """Return clips by two axes; see `ClipSet.pivot`.

    Args:
        clips: The clips.
        rows: The name of one axis.
        columns: The name of another.
        varying: The axes along which the clips differ.
    """
    import pandas as pd

    cells: dict[tuple[int, int], ShownClip] = {}
    for i in range(len(clips)):
        coords = clips.coords(i)
        if rows in coords and columns in coords:
            cells.setdefault((coords[rows], coords[columns]), clips[i])
    if left_out := len(clips) - len(cells):
        others = [name for name in varying if name not in (rows, columns)]
        hint = f"; clips.where({others[0]}=...) picks one of them first" if others else ""
        warn(
            f"pivot leaves out {left_out:,} of {count_of(len(clips), 'clip')}, which share a cell "
            f"with another or have no value on these axes{hint}."
        )
    axes = {axis.name: axis for axis in clips.axes}
    at_rows, at_columns = (sorted({place[side] for place in cells}) for side in (0, 1))
    return pd.DataFrame(
        [[cells.get((row, column)) for column in at_columns] for row in at_rows],
        index=_index(axes[rows], at_rows),
        columns=_index(axes[columns], at_columns),
        dtype=object,
    )


def _index(axis: Axis, positions: Sequence[int]) -> pd.Index:
    """Return the values of an axis as an index with its name; values without a hash by label."""
    import pandas as pd

    values = [axis.values[at] for at in positions]
    if not all(isinstance(value, (str, int, float, type(None))) for value in values):
        values = [axis.labels[at] for at in positions]
    index: pd.Index = pd.Index(values, name=axis.name, tupleize_cols=False)
    return index
