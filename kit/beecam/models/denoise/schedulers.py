"""The schedulers that a pipeline can use: its own, and those for what it was trained for."""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
from functools import cached_property
from typing import Any

from beecam.models.denoise.scheduler_trial import draws_elsewhere, steps_are_repeatable

# FlowMatch schedulers list no compatible ones themselves.
_FLOW_NAMES = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
)
_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


class Schedulers:
    """A pipeline's scheduler, and others with the same settings, by their classes' names.

    Only those are offered with which a clip's seed decides all noise, in any batch.

    Attributes:
        default_name: The class name of the pipeline's own scheduler.
    """

    def __init__(self, own: Any) -> None:
        """Start from a pipeline's own scheduler."""
        self.default_name = type(own).__name__
        self._own = own
        self._prototypes: dict[str, Any] = {self.default_name: own}

    @cached_property
    def names(self) -> list[str]:
        """Those that can be used: each was tried with these settings."""
        named = {kind.__name__ for kind in self._own.compatibles}
        others = named.union(_FLOW_NAMES if self._is_flow(self._own) else ()) - {self.default_name}
        return sorted([self.default_name, *(name for name in others if self._works(name))])

    def fresh(self, name: str) -> Any:
        """Return a new scheduler by its class name."""
        if name not in self._prototypes:
            self._prototypes[name] = self._create(name)
        return copy.deepcopy(self._prototypes[name])

    def _create(self, name: str) -> Any:
        import diffusers

        kind = getattr(diffusers, name)
        config = dict(self._own.config)
        if self._is_flow(self._own) and "use_flow_sigmas" in inspect.signature(kind).parameters:
            shift = config.get("shift") or config.get("flow_shift") or 1.0
            return kind.from_config(config, **_FLOW, flow_shift=shift)
        return kind.from_config(config)

    @cached_property
    def own_draws_elsewhere(self) -> bool:
        """Whether the pipeline's own draws noise that no seed of a clip decides."""
        return draws_elsewhere(self._own)

    def _works(self, name: str) -> bool:
        with contextlib.suppress(Exception):
            tried = self._create(name)
            if self._is_flow(tried) != self._is_flow(self._own):
                return False
            if hasattr(self._own, "set_begin_index") and not hasattr(tried, "set_begin_index"):
                return False
            if not _parameters(self._own) <= _parameters(tried):
                return False
            if not steps_are_repeatable(tried):
                return False
            self._prototypes[name] = tried
            return True
        return False

    @staticmethod
    def _is_flow(scheduler: Any) -> bool:
        return "FlowMatch" in type(scheduler).__name__ or bool(
            scheduler.config.get("use_flow_sigmas")
        )


def with_plain_timesteps(scheduler: Any, steps: int) -> tuple[Any, list[float] | None]:
    """Return a scheduler for a pipeline that passes timesteps to it, and these; None for its own.

    A scheduler shifts the timesteps that it is passed for its sigmas, but doesn't shift the
    timesteps themselves: the two would disagree. So the shift is applied to the timesteps here.
    """
    # Without a shift, what this warns of makes no difference.
    logging.getLogger(type(scheduler).__module__).addFilter(_is_relevant)
    shift = scheduler.config.get("shift") or 1.0
    if shift == 1.0 or scheduler.config.get("use_dynamic_shifting"):
        return scheduler, None
    tried = copy.deepcopy(scheduler)
    tried.set_timesteps(steps)
    plain = type(scheduler).from_config(scheduler.config, shift=1.0)
    return plain, [float(one) for one in tried.timesteps]


def _is_relevant(record: logging.LogRecord) -> bool:
    return "`timesteps` were passed without" not in record.getMessage()


def _parameters(scheduler: Any) -> set[str]:
    """Return what pipelines may pass to a scheduler besides a number of steps."""
    return {"sigmas", "mu"} & set(inspect.signature(scheduler.set_timesteps).parameters)
