"""Which axis of a pipeline's latents is which."""

from __future__ import annotations

from typing import Any

from beecam.shot import Shot

_SPATIAL = (
    "vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_scale_factor",
    "vae_spatial_scale_factor",
)  # fmt: skip
_TEMPORAL = (
    "vae_scale_factor_temporal", "vae_temporal_compression_ratio", "vae_temporal_scale_factor",
)  # fmt: skip


def unpacked(pipe: Any, latents: Any, shot: Shot) -> Any:
    """Return latents as batch x channels x frames x height x width.

    Families keep them in different orders, or as a list of tokens; sizes tell which.

    Args:
        pipe: Their pipeline.
        latents: As the pipeline's loop has them.
        shot: Its width, height and num_frames are those of the clip.

    Returns:
        The latents, or None where it can't be told.
    """
    config = getattr(pipe.vae, "config", {})
    channels = next((config[n] for n in ("z_dim", "latent_channels") if config.get(n)), None)
    spatial, temporal = _first(pipe, _SPATIAL), _first(pipe, _TEMPORAL) or 1
    if channels is None or spatial is None:
        return None
    frames = ((shot.num_frames or 1) - 1) // temporal + 1
    if temporal == 1:
        frames = shot.num_frames or 1
    high, wide = (shot.height or 1) // spatial, (shot.width or 1) // spatial
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


def _first(pipe: Any, names: tuple[str, ...]) -> int | None:
    found = (getattr(pipe, name, None) for name in names)
    return next((int(value) for value in found if value), None)
