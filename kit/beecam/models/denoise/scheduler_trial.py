"""A trial of a scheduler: whether a clip's seed alone decides what it returns.

A scheduler may draw noise at its steps. With the clips' own generators that is as exact as the
initial noise, unless it draws elsewhere, such as by a generator of its own or by NumPy.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from beecam.errors import ModelError
from beecam.models.denoise.noise import own_draws

_STEPS = 4
_SHAPE = (4, 2, 4, 4)  # channels, frames, height, width
_TOLERANCE = 1e-4  # far below any noise
_UNSEEDED = "it draws noise that no seed decides, so that no clip could be made again"


def steps_are_repeatable(scheduler: Any) -> bool:
    """Return whether a clip has the same latents twice, alone and in a batch.

    Raises:
        Exception: Anything that the scheduler raises.
    """
    import torch

    alone = _denoised(scheduler, [1])
    again, between = _denoised(scheduler, [1]), _denoised(scheduler, [2, 1, 3])[1:2]
    return torch.equal(alone, again) and torch.allclose(
        alone, between, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
    )


def _denoised(scheduler: Any, seeds: Sequence[int]) -> Any:
    import torch

    scheduler = copy.deepcopy(scheduler)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    shifted = scheduler.config.get("use_dynamic_shifting")
    scheduler.set_timesteps(_STEPS, **({"mu": 1.0} if shifted else {}))
    sample = torch.cat([torch.randn((1, *_SHAPE), generator=one) for one in generators])
    # As most pipelines call it: without generators.
    with torch.no_grad(), own_draws(generators):
        for timestep in scheduler.timesteps:
            scaled = getattr(scheduler, "scale_model_input", lambda found, _at: found)
            output = 0.5 * scaled(sample, timestep)
            sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
    return sample


def why_unusable(scheduler: Any) -> str:
    """Return why clips can't be made with a scheduler, in words; "" if they can.

    One that can't be tried by itself, because its pipeline passes more to it, counts as good.

    >>> why_unusable(diffusers.DDIMScheduler())
    ''
    """
    import torch

    if not hasattr(scheduler, "set_timesteps"):
        return ""
    try:
        if not torch.isfinite(_denoised(scheduler, [1])).all():
            return "with its settings, its steps lead to values that aren't finite"
        return "" if steps_are_repeatable(scheduler) else _UNSEEDED
    except ModelError:
        return _UNSEEDED  # a number for its whole batch
    except Exception:  # noqa: BLE001  (its pipeline calls it in another way)
        return ""
