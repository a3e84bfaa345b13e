"""The axes of a pipeline's latents."""

from __future__ import annotations

from typing import Any

from beecam.models.diffusers.tasks import Task
from beecam.shots.shot import Shot

_TOKENS_AXES = 3  # clips, tokens, channels
_LATENTS_AXES = 5


def unpack(task: Task, latents: Any, shot: Shot) -> Any:
    """Return latents in the shape `(clips, channels, frames, height, width)`.

    Families store them in different orders, or as a list of tokens; the sizes decide which.

    Args:
        task: The task that generates the clips.
        latents: The latents of the pipeline's loop.
        shot: The shot, for the clip's width, height and number of frames.

    Returns:
        The latents, or None where their order is unknown.
    """
    info, cut = task.info, task.family.cut_frames
    channels, temporal = info.channels or 0, info.temporal
    requested = (shot.num_frames or 1) + cut
    frames = requested if temporal == 1 else (requested - 1) // temporal + 1
    first = cut // temporal  # latent frames that the pipeline cuts off
    height, width = (shot.height or 1) // info.spatial, (shot.width or 1) // info.spatial
    if latents.ndim == _TOKENS_AXES:
        count = frames * height * width
        if latents.shape[2] != channels or latents.shape[1] < count:
            return None
        # Tokens of conditions precede the clip's own.
        own = latents[:, -count:].unflatten(1, (frames, height, width))
        return own.permute(0, 4, 1, 2, 3)
    if latents.ndim == _LATENTS_AXES and tuple(latents.shape[1:4]) == (frames, height, width):
        # Channels of conditions follow the clip's own.
        latents = latents[..., :channels]
    for shape, order in (
        ((channels, frames, height, width), (0, 1, 2, 3, 4)),
        ((frames, channels, height, width), (0, 2, 1, 3, 4)),
        ((frames, height, width, channels), (0, 4, 1, 2, 3)),
    ):
        if tuple(latents.shape[1:]) == shape:
            return latents.permute(order)[:, :, first:]
    return None


def merge_part(task: Task, latents: Any, part: Any, shot: Shot) -> Any:
    """Return latents with a part replaced, where the frames of conditions stay unchanged.

    Args:
        task: The task that generates the clips.
        latents: The latents of the pipeline's loop, including those of conditions.
        part: The last frames, as the scheduler has them; possibly all.
        shot: The shot, for the clip's width, height and number of frames.

    Returns:
        The latents, or None where the position of the part is unknown.
    """
    if part.shape == latents.shape:
        return part
    if latents.ndim == _TOKENS_AXES and part.ndim == _LATENTS_AXES:
        full = unpack(task, latents, shot)
        if full is None or full.shape[3:] != part.shape[3:]:
            return None
        full = full.clone()
        full[:, :, -part.shape[2] :] = part.to(full.dtype)
        tokens = full.permute(0, 2, 3, 4, 1).flatten(1, 3)
        return tokens if tokens.shape == latents.shape else None
    if latents.ndim != part.ndim:
        return None
    last = latents.ndim - 1
    where = tuple(
        slice(None) if full == size else slice(0, size) if axis == last else slice(-size, None)
        for axis, (full, size) in enumerate(zip(latents.shape, part.shape, strict=True))
    )
    merged = latents.clone()
    merged[where] = part.to(merged.dtype)
    return merged
