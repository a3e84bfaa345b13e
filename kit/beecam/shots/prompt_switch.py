"""Prompt switches: another prompt or guidance scale from a denoising step on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beecam._util.checks import number
from beecam._util.plain import as_number, to_float, to_plain
from beecam.errors import Problem, shorten

# The arguments of `bc.shot` and `bc.sweep` that make up a switch.
SWITCH_ARGUMENTS = ("switch_at", "then_prompt", "then_negative_prompt", "then_guidance_scale")


@dataclass(frozen=True)
class Switch:
    """What changes during a clip's denoising, and after which step.

    >>> bc.shot("a bee", switch_at=0.5, then_prompt="a moth").switch
    Switch(at=0.5, prompt='a moth', negative_prompt=None, guidance_scale=None)

    Attributes:
        at: The number of steps before the switch; in a shot that isn't resolved also a fraction
            of the steps, over 0 and below 1.
        prompt: The prompt from there on; None to keep the shot's.
        negative_prompt: As with `prompt`.
        guidance_scale: As with `prompt`.
    """

    at: float
    prompt: str | None = None
    negative_prompt: str | None = None
    guidance_scale: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes that are set, as JSON data.

        >>> Switch(2, "a moth").to_dict()
        {'at': 2, 'prompt': 'a moth'}
        """
        return {name: value for name, value in vars(self).items() if value is not None}

    def step(self, steps: int) -> int:
        """Return the number of steps before the switch, for a clip of `steps` steps.

        >>> Switch(0.5, "a moth").step(20)
        10
        """
        if isinstance(self.at, float) and 0 < self.at < 1:
            return min(max(1, round(self.at * steps)), max(1, steps - 1))
        return int(self.at)

    def check(self, steps: int | None) -> Iterator[Problem]:
        """Yield the switch's problems.

        >>> [str(problem) for problem in Switch(20, "a moth").check(20)]
        ["switch_at=20: before the last of the clip's 20 steps is needed; the nearest is 19."]

        Args:
            steps: The clip's number of steps; None if it isn't known yet.
        """
        at = self.at
        if isinstance(at, float) and math.isnan(at):
            yield Problem(
                "switch_at",
                "switch_at: from which step on? As in switch_at=0.5, or switch_at=10.",
            )
            return
        yield from self._check_step(steps)
        for name in ("prompt", "negative_prompt"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                yield Problem(f"then_{name}", f"then_{name}={shorten(value)}: a string is needed.")
        scale = self.guidance_scale
        if scale is not None:
            needed = "a finite number, 0 or more, is needed."
            yield from number("then_guidance_scale", scale, needed, low=0)
        if (self.prompt, self.negative_prompt, scale) == (None, None, None):
            yield Problem(
                "switch_at",
                f"switch_at={shorten(at)}: what changes then? Set then_prompt= or "
                "then_guidance_scale=, too.",
            )

    def _check_step(self, steps: int | None) -> Iterator[Problem]:
        at = self.at
        if isinstance(at, float) and at == 1:
            yield Problem(
                "switch_at",
                "switch_at=1.0: all steps, after which nothing would change, or one step? Write 1 "
                "for after the first step, or a fraction below 1.",
            )
        elif as_number(at) is None or not (0 < at < 1 or (at >= 1 and int(at) == at)):
            yield Problem(
                "switch_at",
                f"switch_at={shorten(at)}: a fraction of the steps over 0 and below 1, or an "
                "integer number of steps, is needed.",
            )
        elif steps is not None and self.step(steps) >= steps:
            yield Problem(
                "switch_at",
                f"switch_at={at:g}: before the last of the clip's {steps} steps is needed; the "
                f"nearest is {max(1, steps - 1)}.",
            )


def switch_of(arguments: Mapping[str, Any]) -> Switch | None:
    """Return a shot's switch from the arguments in `SWITCH_ARGUMENTS`; None if none is set.

    >>> switch_of({"switch_at": 2, "then_prompt": "a moth"})
    Switch(at=2, prompt='a moth', negative_prompt=None, guidance_scale=None)
    """
    values = {n: to_plain(value) for n, value in arguments.items() if value is not None}
    if not values:
        return None
    return Switch(
        values.get("switch_at", math.nan),
        values.get("then_prompt"),
        values.get("then_negative_prompt"),
        to_float(values.get("then_guidance_scale")),
    )


def switch_arguments(switch: Switch | None) -> dict[str, Any]:
    """Return the arguments of `bc.shot` that make up a switch.

    >>> switch_arguments(Switch(2, "a moth"))
    {'switch_at': 2, 'then_prompt': 'a moth'}
    """
    values = switch.to_dict() if switch else {}
    return {"switch_at" if name == "at" else f"then_{name}": v for name, v in values.items()}


def switch_code(switch: Switch | None) -> list[str]:
    """Return the arguments of `bc.shot` for a switch, as code.

    >>> switch_code(Switch(2, "a moth"))
    ['switch_at=2', "then_prompt='a moth'"]
    """
    return [f"{name}={value!r}" for name, value in switch_arguments(switch).items()]
