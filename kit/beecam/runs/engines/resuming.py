"""Which cells of a run resume from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from beecam.shots.shot import Shot
from beecam.storage.checkpoints import CheckpointInfo, Checkpoints


def undrafted_key(shot: Shot) -> str:
    """Return the key of a shot, or of the finished clip if the shot is a draft."""
    return shot.key if shot.draft_steps is None else shot.replace(draft_steps=None).key


def find_resumable(
    checkpoints: Checkpoints, shots: Mapping[int, Shot]
) -> dict[int, CheckpointInfo]:
    """Return the checkpoints of cells that can resume from within their steps.

    Args:
        checkpoints: The checkpoints of a library.
        shots: The resolved shots of the cells.
    """
    keys = {i: undrafted_key(shot) for i, shot in shots.items()}
    found = checkpoints.find(keys.values())
    stored = {i: found[key] for i, key in keys.items() if key in found}
    steps = {i: shots[i].draft_steps or shots[i].num_inference_steps or 0 for i in stored}
    return {i: checkpoint for i, checkpoint in stored.items() if checkpoint.step < steps[i]}
