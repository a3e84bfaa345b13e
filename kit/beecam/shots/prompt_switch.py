"""A switch within a clip: from some step on, another prompt or another guidance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beecam.errors import Problem, shorten

# What a shot may be given for it.
SWITCH_ARGUMENTS = ("switch_at", "then_prompt", "then_negative_prompt", "then_guidance_scale")


@dataclass(frozen=True)
class Switch:
    """What changes within a clip's denoising steps, and when.

    Attributes:
        at: After so many steps; before a model has resolved it also a share of them, below 1.
        prompt: The prompt from there on; None for the same.
        negative_prompt: As with `prompt`.
        guidance_scale: As with `prompt`.
    """

    at: float
    prompt: str | None = None
    negative_prompt: str | None = None
    guidance_scale: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data without what stays as it is."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def step(self, steps: int) -> int:
        """Return after how many of a clip's steps it is."""
        if isinstance(self.at, float) and 0 < self.at < 1:
            return min(max(1, round(self.at * steps)), max(1, steps - 1))
        return int(self.at)

    def check(self, steps: int | None) -> Iterator[Problem]:
        """Yield what is wrong with it, for clips of so many steps or of any number."""
        at = self.at
        if isinstance(at, float) and math.isnan(at):
            yield Problem(
                "switch_at",
                "switch_at: from which step on? As in switch_at=0.5, or switch_at=10.",
            )
            return
        number = isinstance(at, (int, float)) and not isinstance(at, bool) and math.isfinite(at)
        if not number or not (0 < at < 1 or (at >= 1 and int(at) == at)):
            yield Problem(
                "switch_at",
                f"switch_at={shorten(at)}: a share of the steps over 0 and under 1, or a whole "
                "number of steps, is needed.",
            )
        elif steps is not None and self.step(steps) >= steps:
            yield Problem(
                "switch_at",
                f"switch_at={at:g}: before the last of the clip's {steps} steps is needed; the "
                f"nearest is {max(1, steps - 1)}.",
            )
        for name in ("prompt", "negative_prompt"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                yield Problem(f"then_{name}", f"then_{name}={shorten(value)}: a text is needed.")
        scale = self.guidance_scale
        good = isinstance(scale, float) and math.isfinite(scale) and scale >= 0
        if scale is not None and not good:
            yield Problem(
                "then_guidance_scale",
                f"then_guidance_scale={shorten(scale)}: a finite number, 0 or more, is needed.",
            )
        if (self.prompt, self.negative_prompt, scale) == (None, None, None):
            yield Problem(
                "switch_at",
                f"switch_at={shorten(at)}: what changes then? Give then_prompt= or "
                "then_guidance_scale=, too.",
            )


def switch_of(given: Mapping[str, Any]) -> Switch | None:
    """Return a shot's switch from the arguments in `SWITCH_ARGUMENTS`, or None for none."""
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        return None
    scale = values.get("then_guidance_scale")
    whole = isinstance(scale, int) and not isinstance(scale, bool)
    return Switch(
        values.get("switch_at", math.nan),
        values.get("then_prompt"),
        values.get("then_negative_prompt"),
        float(scale) if whole else scale,  # type: ignore[arg-type]
    )


def switch_code(switch: Switch | None) -> list[str]:
    """Return the arguments of `bc.shot` that make this switch."""
    if switch is None:
        return []
    names = {"at": "switch_at"}
    return [f"{names.get(n, f'then_{n}')}={v!r}" for n, v in switch.to_dict().items()]
