"""Which cells of a run resume from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.storage.checkpoints import CheckpointInfo, Checkpoints


def undrafted_key(shot: Shot) -> str:
    """Return the key of a shot, or of the finished clip if the shot is a draft."""
    return _undrafted(shot).key


def find_resumable(
    checkpoints: Checkpoints, shots: ShotList, cells: Iterable[int]
) -> dict[int, CheckpointInfo]:
    """Return the checkpoints of cells that can resume from within their steps.

    Args:
        checkpoints: The checkpoints of a library.
        shots: The resolved shots of all cells of a run.
        cells: The indices of those that are generated.
    """
    found = checkpoints.find()
    if not found:
        return {}
    finished = shots.map(_undrafted)
    stored = {i: found[key] for i in cells if (key := finished.keys[i]) in found}
    steps = {i: shots[i].draft_steps or shots[i].num_inference_steps or 0 for i in stored}
    return {i: checkpoint for i, checkpoint in stored.items() if checkpoint.step < steps[i]}


def _undrafted(shot: Shot) -> Shot:
    return shot if shot.draft_steps is None else shot.replace(draft_steps=None)
