"""The schedulers that a pipeline can use: its own, and those that do what it was trained for."""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
from functools import cached_property
from typing import Any

# Those that can do what FlowMatch schedulers do, which name no others themselves.
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

    Attributes:
        usual: The name of the pipeline's own.
    """

    def __init__(self, own: Any) -> None:
        """Begin with a pipeline's own scheduler."""
        self.usual = type(own).__name__
        self._own = own
        self._made: dict[str, Any] = {self.usual: own}

    @cached_property
    def names(self) -> list[str]:
        """Which can be used: those that are tried with these settings, and do a step."""
        named = {kind.__name__ for kind in self._own.compatibles}
        others = named.union(_FLOW_NAMES if self._is_flow(self._own) else ()) - {self.usual}
        return sorted([self.usual, *(name for name in others if self._works(name))])

    def fresh(self, name: str) -> Any:
        """Return a scheduler that nobody else has."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return copy.deepcopy(self._made[name])

    def _make(self, name: str) -> Any:
        import diffusers

        kind = getattr(diffusers, name)
        config = dict(self._own.config)
        if self._is_flow(self._own) and "use_flow_sigmas" in inspect.signature(kind).parameters:
            shift = config.get("shift") or config.get("flow_shift") or 1.0
            return kind.from_config(config, **_FLOW, flow_shift=shift)
        return kind.from_config(config)

    def _works(self, name: str) -> bool:
        import torch

        with contextlib.suppress(Exception):
            made = self._make(name)
            if self._is_flow(made) != self._is_flow(self._own):
                return False
            if hasattr(self._own, "set_begin_index") and not hasattr(made, "set_begin_index"):
                return False
            if not _taken(self._own) <= _taken(made):
                return False
            made.set_timesteps(3)
            nothing = torch.zeros(1, 4, 1, 4, 4)
            made.step(nothing, made.timesteps[0], nothing, return_dict=False)
            self._made[name] = self._make(name)
            return True
        return False

    @staticmethod
    def _is_flow(scheduler: Any) -> bool:
        return "FlowMatch" in type(scheduler).__name__ or bool(
            scheduler.config.get("use_flow_sigmas")
        )


def with_plain_timesteps(scheduler: Any, steps: int) -> tuple[Any, list[float] | None]:
    """Return a scheduler for a pipeline that gives it timesteps, and these, or None for its own.

    The timesteps that a scheduler is given it shifts for its sigmas, but not for itself: with a
    shift the two would say different things. So the shift goes into the timesteps here.
    """
    # Where there is no shift, what this warns of makes no difference.
    logging.getLogger(type(scheduler).__module__).addFilter(_is_news)
    shift = scheduler.config.get("shift") or 1.0
    if shift == 1.0 or scheduler.config.get("use_dynamic_shifting"):
        return scheduler, None
    tried = copy.deepcopy(scheduler)
    tried.set_timesteps(steps)
    plain = type(scheduler).from_config(scheduler.config, shift=1.0)
    return plain, [float(one) for one in tried.timesteps]


def _is_news(record: logging.LogRecord) -> bool:
    return "`timesteps` were passed without" not in record.getMessage()


def _taken(scheduler: Any) -> set[str]:
    """Return what pipelines may give a scheduler besides a number of steps."""
    return {"sigmas", "mu"} & set(inspect.signature(scheduler.set_timesteps).parameters)
