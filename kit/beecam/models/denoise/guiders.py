"""Guiders of diffusers: objects that guide a pipeline's steps, and keep the state of a call."""

from __future__ import annotations

import copy
from typing import Any

# The state of a call, as a guider has it before its first one.
_STATE = {
    "_step": None,
    "_num_inference_steps": None,
    "_timestep": None,
    "_count_prepared": 0,
    "momentum_buffer": None,
}
# They guide each step by its predictions alone.
_OF_ONE_STEP = ("ClassifierFreeGuidance", "TangentialClassifierFreeGuidance", "LTX2Guidance")


def fresh_guider(guider: Any) -> Any:
    """Return a copy of a guider for one call, as it is before its first one.

    Calls that overlap would count each other's steps, and what the last step of one has left
    decides which texts the next one encodes.

    Args:
        guider: A guider of diffusers.
    """
    own = copy.copy(guider)
    vars(own).update({name: value for name, value in _STATE.items() if name in vars(own)})
    return own


def hooks_network(guider: Any) -> bool:
    """Return whether a guider hooks into the network at each step, which all calls share.

    >>> hooks_network(diffusers.ClassifierFreeGuidance())
    False

    Args:
        guider: A guider of diffusers, or None.
    """
    from diffusers.guiders import BaseGuidance

    own = getattr(type(guider), "prepare_models", BaseGuidance.prepare_models)
    return own is not BaseGuidance.prepare_models


def counts_steps(guider: Any) -> bool:
    """Return whether a guider depends on the steps before: it isn't part of a checkpoint.

    >>> counts_steps(diffusers.ClassifierFreeGuidance(start=0.2))
    True

    Args:
        guider: A guider of diffusers, or None.
    """
    if guider is None:
        return False
    part = (getattr(guider, "_start", 0.0), getattr(guider, "_stop", 1.0)) != (0.0, 1.0)
    return part or type(guider).__name__ not in _OF_ONE_STEP


def reads_negative_prompt(guider: Any) -> bool:
    """Return whether a guider guides away from a negative prompt at some step.

    >>> reads_negative_prompt(diffusers.ClassifierFreeGuidance(1.0))
    False

    Args:
        guider: A guider of diffusers.
    """
    if not getattr(guider, "_enabled", True):
        return False
    guides = getattr(fresh_guider(guider), "_is_cfg_enabled", None)
    return guides is None or bool(guides())
