"""One call of a pipeline: its noise, what is seen of its steps, and what comes out of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from beecam.errors import ModelError, OutOfMemoryError, Stopped
from beecam.models.base import Frames, OnStep, Step
from beecam.shot import Shot

Predict = Callable[[Any], list[Frames]]


def noise(pipe: Any, shots: Sequence[Shot]) -> dict[str, Any]:
    """Return the pipeline's arguments for the shots' noise.

    Seeds become generators on the CPU, which give the same noise on every device; a recipe of
    several seeds becomes latents: sum(w * n) / sqrt(sum(w**2)), which is Gaussian noise again.
    """
    import torch

    def generator(seed: int) -> torch.Generator:
        return torch.Generator("cpu").manual_seed(seed)

    generators = [generator(shot.seed) for shot in shots]
    if all(len(shot.noise) == 1 and shot.noise[0][1] == 1.0 for shot in shots):
        return {"generator": generators}
    shot = shots[0]
    channels = int(pipe.transformer.config.in_channels)
    mixed = []
    for one in shots:
        parts = [
            weight * pipe.prepare_latents(
                1, channels, shot.height, shot.width, shot.num_frames, torch.float32,
                pipe._execution_device, [generator(seed)],  # noqa: SLF001
            )
            for seed, weight in one.noise
        ]  # fmt: skip
        norm = sum(weight**2 for _, weight in one.noise) ** 0.5
        mixed.append(torch.stack(parts).sum(0) / norm)
    return {"latents": torch.cat(mixed), "generator": generators}


class Watcher:
    """Sees each step of one call: what the scheduler was given is enough to predict the result.

    Attributes:
        latents: What the last step left.
        stopped: Set it, and the call is left at its next step.
    """

    def __init__(self, on_step: OnStep | None) -> None:
        self.latents: Any = None
        self.stopped = False
        self._on_step = on_step
        self._predict: Predict | None = None
        self._predicted: Callable[[], Any] | None = None

    def watch(self, scheduler: Any, predict: Predict | None) -> None:
        """Wrap the step of a scheduler that serves this call only.

        Args:
            scheduler: Every family calls its `step`.
            predict: Makes previews of predicted latents, or None.
        """
        self._predict = predict
        original = scheduler.step

        def step(prediction: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(prediction, timestep, sample, *args, **kwargs)
            # The step has moved the index on; the noise level it used is one back.
            sigma = scheduler.sigmas[scheduler.step_index - 1]
            self._predicted = lambda: sample - sigma.to(sample.device) * prediction
            return result

        scheduler.step = step

    def __call__(
        self, pipe: Any, index: int, _timestep: Any, state: dict[str, Any]
    ) -> dict[str, Any]:
        """Take the pipeline's callback at the end of a step."""
        if self.stopped:
            raise Stopped("whoever asked for this does not wait for it any more.")
        self.latents = state["latents"]
        if self._on_step is not None:
            preview = self._preview if self._predict and self._predicted else None
            self._on_step(Step(index + 1, pipe.num_timesteps, preview))
        return {}

    def _preview(self) -> list[Frames]:
        assert self._predict is not None
        assert self._predicted is not None
        return self._predict(self._predicted())


def frames_of(output: Any, shot: Shot) -> list[Frames]:
    """Return what a pipeline put out, clip by clip.

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
    clean = np.nan_to_num(made, nan=0.0)
    return list(np.round(clean * 255).clip(0, 255).astype(np.uint8))


@contextlib.contextmanager
def memory_told_apart(shots: Sequence[Shot], many: int) -> Iterator[None]:
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
