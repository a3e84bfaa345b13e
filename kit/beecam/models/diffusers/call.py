"""What goes into one call of a pipeline, and what comes out: clips, or too little memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beecam.errors import ModelError, OutOfMemoryError
from beecam.media.types import Frames, Sound
from beecam.models.diffusers.conditions import condition_arguments
from beecam.models.diffusers.tasks import Task
from beecam.models.text.mix import prompt_text
from beecam.shots.shot import Shot

_RATE = "output_sampling_rate"


def pipeline_arguments(
    way: Task, shots: Sequence[Shot], drawn_from: Sequence[Any]
) -> dict[str, Any]:
    """Return the arguments of one call.

    Args:
        way: How these shots are made.
        shots: Resolved ones that can go into one call.
        drawn_from: The generator of random numbers of each.
    """
    shot, taken = shots[0], way.anatomy
    texts = [prompt_text(one.prompt) for one in shots]
    arguments: dict[str, Any] = {
        "prompt": texts,
        "negative_prompt": [one.negative_prompt or "" for one in shots],
        "height": shot.height,
        "width": shot.width,
        taken.frames_argument or "": (shot.num_frames or 0) + way.family.missing,
        "num_inference_steps": shot.num_inference_steps,
        "guidance_scale": shot.guidance_scale,
        "output_type": "np",
        "generator": list(drawn_from),
        taken.fps_argument or "": shot.fps,
    }
    if not way.family.batches:
        # Some of these can't take lists, not even of one.
        arguments |= {
            name: arguments[name][0] for name in ("prompt", "negative_prompt", "generator")
        }
    known = {name: v for name, v in arguments.items() if name in taken.parameters}
    # A shot keeps lists as tuples; pipelines tell them apart.
    more = {n: list(v) if isinstance(v, tuple) else v for n, v in shot.arguments.items()}
    return {**known, **more, **condition_arguments(way, shots)}


def frames_from_output(output: Any, shot: Shot) -> list[tuple[Frames, str | None]]:
    """Return what a pipeline put out, clip by clip, each with what is wrong with it or None.

    Raises:
        ModelError: It is no clips, or not of the size that was asked for.
    """
    made = np.asarray(output)
    if made.ndim != 5 or made.shape[-1] != 3:  # noqa: PLR2004  (batch x frames x height x width x 3)
        raise ModelError(f"the pipeline returned frames of shape {made.shape}, which are no clips.")
    if made.shape[1:4] != (shot.num_frames, shot.height, shot.width):
        raise ModelError(
            f"the pipeline made {made.shape[1]} frames of {made.shape[3]}x{made.shape[2]}, "
            f"not {shot.num_frames} of {shot.width}x{shot.height}."
        )
    return [_pixels(clip) for clip in made]


def sounds_from_output(output: Any, pipe: Any, many: int) -> list[Sound | None]:
    """Return what is heard with each clip that a pipeline put out; None where it makes no sound."""
    heard = getattr(output, "audio", None)
    rate = getattr(getattr(getattr(pipe, "vocoder", None), "config", None), _RATE, None)
    if heard is None or rate is None:
        return [None] * many
    samples = np.asarray(heard.detach().float().cpu() if hasattr(heard, "detach") else heard)
    clean = np.nan_to_num(samples, posinf=0, neginf=0).clip(-1, 1).astype(np.float32)
    return [Sound(one[None] if one.ndim == 1 else one, int(rate)) for one in clean]


def _pixels(clip: Any) -> tuple[Frames, str | None]:
    finite = np.isfinite(clip)
    share = 1 - float(finite.mean())
    broken = f"{share:.1%} of its values are no numbers (NaN)" if share else None
    clean = np.where(finite, clip, 0.0) if share else clip
    return np.round(clean * 255).clip(0, 255).astype(np.uint8), broken


@contextlib.contextmanager
def translate_memory_errors(shots: Sequence[Shot], many: int) -> Iterator[None]:
    """Turn an error of the allocator into an OutOfMemoryError, with its memory freed."""
    try:
        yield
    except RuntimeError as error:
        if _is_out_of_memory(error):
            _free_memory()
            shot = shots[0]
            raise OutOfMemoryError(
                f"{many} clips of {shot.width}x{shot.height}x{shot.num_frames} don't fit into "
                "memory in one call."
            ) from error
        raise


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in words or "can't allocate memory" in words
    )


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
