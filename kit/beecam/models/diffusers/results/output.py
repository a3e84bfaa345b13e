"""The frames and the sounds in what a pipeline returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from beecam.errors import ModelError
from beecam.media.types import Frames, Sound
from beecam.models.model import check_frames_shape
from beecam.shots.shot import Shot

# What outputs call their clips and their sounds.
_CLIPS = ("frames", "video")
_SOUNDS = ("audio", "sound")
# The parts that know the rate of a sound.
_RATES = {"vocoder": "output_sampling_rate", "sound_tokenizer": "sampling_rate"}
# Frames, height, width and colours.
_CLIP_NDIM = 4


def frames_from_output(output: Any, shot: Shot) -> list[tuple[Frames, str | None]]:
    """Return the frames of each clip, with what is wrong with them or None.

    Args:
        output: What the pipeline returned, with values from 0 to 1 of shape
            `(clips, frames, height, width, 3)`, or without the axis of clips. Another number of
            frames than requested is kept: it is known only after all compute.
        shot: The first shot of the batch, for its size.

    Raises:
        ModelError: The output isn't clips, or not of the requested size.
    """
    clips = _clips_in(output)
    check_frames_shape("the pipeline", clips.shape[1:])
    if clips.shape[2:4] != (shot.height, shot.width):
        raise ModelError(
            f"the pipeline generated frames of {clips.shape[3]}x{clips.shape[2]}, not of "
            f"{shot.width}x{shot.height}."
        )
    return [_to_pixels(clip) for clip in clips]


def sounds_from_output(output: Any, pipe: Any, count: int) -> list[Sound | None]:
    """Return the audio track of each clip; None where the pipeline generates none.

    Args:
        output: What the pipeline returned.
        pipe: The pipeline, whose vocoder knows the sampling rate.
        count: The number of clips.
    """
    found = (getattr(output, name, None) for name in _SOUNDS)
    audio = next((one for one in found if one is not None), None)
    rate = _sampling_rate(pipe)
    if audio is None or rate is None:
        return [None] * count
    samples = np.asarray(audio.detach().float().cpu() if hasattr(audio, "detach") else audio)
    clean = np.nan_to_num(samples, posinf=0, neginf=0).clip(-1, 1).astype(np.float32)
    if count == 1 and getattr(output, "sound", None) is not None:
        clean = clean[None]  # Cosmos 3 returns a single clip
    return [Sound(one[None] if one.ndim == 1 else one, int(rate)) for one in clean]


def _sampling_rate(pipe: Any) -> int | None:
    """Return the samples per second of a pipeline's sound, wherever it is written."""
    own = getattr(pipe, "audio_sample_rate", None)
    parts = ((pipe.components.get(name), key) for name, key in _RATES.items())
    found = (getattr(part.config, key, None) for part, key in parts if part is not None)
    return own or next((rate for rate in found if rate), None)


def _to_pixels(clip: Any) -> tuple[Frames, str | None]:
    finite = np.isfinite(clip)
    share = 1 - float(finite.mean())
    broken = f"{share:.1%} of its values are not numbers (NaN)" if share else None
    clean = np.where(finite, clip, 0.0) if share else clip
    return np.round(clean * 255).clip(0, 255).astype(np.uint8), broken


def _clips_in(output: Any) -> Any:
    """Return the clips of a pipeline's output; some call them otherwise, or return a single one."""
    found = next((getattr(output, name) for name in _CLIPS if hasattr(output, name)), None)
    frames = np.asarray(found)
    return frames[None] if frames.ndim == _CLIP_NDIM else frames
