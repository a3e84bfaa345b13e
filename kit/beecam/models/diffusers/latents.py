"""Which axis of a pipeline's latents is which."""

from __future__ import annotations

from typing import Any

from beecam.models.diffusers.tasks import Task
from beecam.shots.shot import Shot


def unpack(way: Task, latents: Any, shot: Shot) -> Any:
    """Return latents as batch x channels x frames x height x width.

    Families keep them in different orders, or as a list of tokens; sizes tell which.

    Args:
        way: How the clips are made.
        latents: As the pipeline's loop has them.
        shot: Its width, height and num_frames are those of the clip.

    Returns:
        The latents, or None where it can't be told.
    """
    anatomy, missing = way.anatomy, way.family.missing
    channels, temporal = anatomy.channels or 0, anatomy.temporal
    asked = (shot.num_frames or 1) + missing
    frames = asked if temporal == 1 else (asked - 1) // temporal + 1
    first = missing // temporal  # what the pipeline cuts off
    high, wide = (shot.height or 1) // anatomy.spatial, (shot.width or 1) // anatomy.spatial
    if latents.ndim == 3:  # noqa: PLR2004  (batch x tokens x channels)
        count = frames * high * wide
        if latents.shape[2] != channels or latents.shape[1] < count:
            return None
        # Tokens that are given stand before the clip's own.
        own = latents[:, -count:].unflatten(1, (frames, high, wide))
        return own.permute(0, 4, 1, 2, 3)
    if latents.ndim == 5 and tuple(latents.shape[1:4]) == (frames, high, wide):  # noqa: PLR2004
        # Channels that say what is given stand behind the clip's own.
        latents = latents[..., :channels]
    for shape, order in (
        ((channels, frames, high, wide), (0, 1, 2, 3, 4)),
        ((frames, channels, high, wide), (0, 2, 1, 3, 4)),
        ((frames, high, wide, channels), (0, 4, 1, 2, 3)),
    ):
        if tuple(latents.shape[1:]) == shape:
            return latents.permute(order)[:, :, first:]
    return None


def merge_part(way: Task, latents: Any, part: Any, shot: Shot) -> Any:
    """Return latents with a part of them replaced, where some frames are given and stay.

    Args:
        way: How the clips are made.
        latents: As the pipeline's loop has them, given frames and all.
        part: The last frames, as its scheduler has them; it may be all.
        shot: Its width, height and num_frames are those of the clip.

    Returns:
        The latents, or None where it can't be told which part it is.
    """
    if part.shape == latents.shape:
        return part
    if latents.ndim == 3 and part.ndim == 5:  # noqa: PLR2004  (tokens, and what is no tokens)
        whole = unpack(way, latents, shot)
        if whole is None or whole.shape[3:] != part.shape[3:]:
            return None
        whole = whole.clone()
        whole[:, :, -part.shape[2] :] = part.to(whole.dtype)
        tokens = whole.permute(0, 2, 3, 4, 1).flatten(1, 3)
        return tokens if tokens.shape == latents.shape else None
    if latents.ndim != part.ndim:
        return None
    last = latents.ndim - 1
    where = tuple(
        slice(None) if whole == some else slice(0, some) if axis == last else slice(-some, None)
        for axis, (whole, some) in enumerate(zip(latents.shape, part.shape, strict=True))
    )
    made = latents.clone()
    made[where] = part.to(made.dtype)
    return made
