"""The schedulers that a pipeline can use: its own, and those for what it was trained for."""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from beecam.errors import first_line
from beecam.models.denoise.loop import predicted
from beecam.models.denoise.scheduler_trial import steps_are_repeatable, why_unusable
from beecam.shots.shot import Shot

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
_FAILURES = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
)
# Arguments of pipelines that replace the steps that a scheduler chooses.
CUSTOM_STEPS = ("sigmas", "timesteps")


@dataclass(frozen=True)
class Rehearsal:
    """What a scheduler does with the steps of a shot, tried on four numbers.

    Attributes:
        timesteps: Its timesteps.
        predicts: Whether its steps predict the result, as drafts need.
        argument: The argument that it can't follow, or "".
        reason: Why.
    """

    timesteps: tuple[float, ...] = ()
    predicts: bool = True
    argument: str = ""
    reason: str = ""


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
        self._rehearsals: dict[Any, Rehearsal] = {}

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

    def kind(self, name: str) -> Any:
        """Return the class of a scheduler by its name."""
        import diffusers

        return type(self._own) if name == self.default_name else getattr(diffusers, name)

    def custom_steps(self, shot: Shot) -> int:
        """Return how many steps a shot sets by `sigmas` or `timesteps`; 0 if it doesn't."""
        custom = any(is_numbers(shot.arguments.get(name)) for name in CUSTOM_STEPS)
        return len(self.rehearse(shot).timesteps) if custom else 0

    def rehearse(self, shot: Shot) -> Rehearsal:
        """Try the steps of a shot on four numbers, before its pipeline runs.

        What pipelines compute themselves, such as a shift by the size, is left out.
        """
        custom = {name: shot.arguments.get(name) for name in CUSTOM_STEPS}
        key = (shot.scheduler, shot.num_inference_steps, *custom.values())
        if key not in self._rehearsals:
            self._rehearsals[key] = self._rehearse(
                shot.scheduler or self.default_name,
                shot.num_inference_steps or 1,
                {name: list(value) for name, value in custom.items() if value is not None},
            )
        return self._rehearsals[key]

    def _rehearse(self, name: str, steps: int, custom: dict[str, Any]) -> Rehearsal:
        scheduler = self.fresh(name)
        parameters = inspect.signature(scheduler.set_timesteps).parameters
        for argument in custom:
            if argument not in parameters:
                having = [n for n in self.names if argument in _takes(self.kind(n))]
                acts = f"set scheduler={having[0]!r}" if having else "leave it out"
                return Rehearsal(argument=argument, reason=f"{name} takes none; {acts}")
        if len(custom) > 1:
            return Rehearsal(
                argument="timesteps", reason="sigmas are given, too; leave one of them out"
            )
        more = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}
        try:
            scheduler.set_timesteps(**(custom or {"num_inference_steps": steps}), **more)
            timesteps = tuple(float(one) for one in scheduler.timesteps)
        except _FAILURES as error:
            argument = next(iter(custom), "num_inference_steps")
            # A pipeline may know how to call its own scheduler.
            known = bool(custom) or name != self.default_name
            reason = f"{name} can't take these ({first_line(error)})"
            return Rehearsal(argument=argument, reason=reason) if known else Rehearsal()
        if not timesteps:
            return Rehearsal(argument=next(iter(custom), ""), reason="at least one step is needed")
        return Rehearsal(timesteps, _predicts(scheduler))

    def _create(self, name: str) -> Any:
        import diffusers

        kind = getattr(diffusers, name)
        config = dict(self._own.config)
        if self._is_flow(self._own) and "use_flow_sigmas" in inspect.signature(kind).parameters:
            shift = config.get("shift") or config.get("flow_shift") or 1.0
            return kind.from_config(config, **_FLOW, flow_shift=shift)
        return kind.from_config(config)

    @cached_property
    def why_own_unusable(self) -> str:
        """Why clips can't be made with the pipeline's own, in words; "" if they can."""
        return why_unusable(self._own)

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


def is_numbers(value: Any) -> bool:
    """Return whether a value is a list of numbers, as a shot stores it.

    >>> is_numbers((1.0, 0.5)), is_numbers("1.0")
    (True, False)
    """
    return isinstance(value, tuple) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in value
    )


def _takes(kind: Any) -> set[str]:
    return set(inspect.signature(kind.set_timesteps).parameters)


def _predicts(scheduler: Any) -> bool:
    """Return whether the first step of a scheduler predicts the result; true if it can't be tried.

    Args:
        scheduler: One whose timesteps are set.
    """
    import torch

    zeros = torch.zeros(1, 4, 1, 4, 4)
    with contextlib.suppress(Exception):
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(zeros, scheduler.timesteps[0])
        result = scheduler.step(zeros, scheduler.timesteps[0], zeros, return_dict=False)
        return predicted(scheduler, zeros, result) is not None
    return True


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
