"""Which axis of a pipeline's latents is which."""

from __future__ import annotations

from typing import Any

from beecam.models.anatomy import Anatomy
from beecam.shot import Shot


def unpacked(anatomy: Anatomy, latents: Any, shot: Shot) -> Any:
    """Return latents as batch x channels x frames x height x width.

    Families keep them in different orders, or as a list of tokens; sizes tell which.

    Args:
        anatomy: Of their pipeline.
        latents: As the pipeline's loop has them.
        shot: Its width, height and num_frames are those of the clip.

    Returns:
        The latents, or None where it can't be told.
    """
    channels, temporal = anatomy.channels, anatomy.temporal
    frames = (
        (shot.num_frames or 1) if temporal == 1 else ((shot.num_frames or 1) - 1) // temporal + 1
    )
    high, wide = (shot.height or 1) // anatomy.spatial, (shot.width or 1) // anatomy.spatial
    if latents.ndim == 3:  # noqa: PLR2004  (batch x tokens x channels)
        count = frames * high * wide
        if latents.shape[2] != channels or latents.shape[1] < count:
            return None
        # Tokens that are given stand before the clip's own.
        own = latents[:, -count:].unflatten(1, (frames, high, wide))
        return own.permute(0, 4, 1, 2, 3)
    for shape, order in (
        ((channels, frames, high, wide), (0, 1, 2, 3, 4)),
        ((frames, channels, high, wide), (0, 2, 1, 3, 4)),
        ((frames, high, wide, channels), (0, 4, 1, 2, 3)),
    ):
        if tuple(latents.shape[1:]) == shape:
            return latents.permute(order)
    return None
