"""All of a shot besides its texts and noise, to group shots and to tell what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beecam.shots.shot import Shot

SETTINGS = (
    "model",
    "width",
    "height",
    "num_frames",
    "fps",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "conditions",
    "adapters",
    "draft_steps",
    "speed",
    "extra",
)


def settings_of(shot: Shot) -> tuple[Any, ...]:
    """Return all settings of a shot besides its texts and noise.

    >>> settings_of(bc.shot("a bee")) == settings_of(bc.shot("a moth", seed=3))
    True
    """
    return tuple(getattr(shot, name) for name in SETTINGS)


def differing(shots: Sequence[Shot]) -> list[str]:
    """Return the names of the arguments in which two shots differ, apart from noise.

    >>> differing([bc.shot("a bee", fps=8), bc.shot("a bee", fps=9)])
    ['fps']
    """
    one, other = shots[:2]
    names = ("prompt", "negative_prompt", "switch", *SETTINGS[:-1])
    found = [name for name in names if getattr(one, name) != getattr(other, name)]
    extras = {**one.arguments, **other.arguments}
    return found + [n for n in extras if one.arguments.get(n) != other.arguments.get(n)]
