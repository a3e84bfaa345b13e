"""What the hand sets in the live view, and the shot that it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from beecam.errors import CheckError, Problem, shorten
from beecam.models.model import Model
from beecam.shots.noise import MAX_SEED
from beecam.shots.shot import MAX_PROMPT, Shot
from beecam.shots.weighted_prompts import parts_of

_PAIR = 2
_DIGITS = 6
# A signature doesn't say what a number may be: from nothing to twice the usual is a hand's reach.
_REACH = 2.0
_MOST_STEPS = 100


@dataclass(frozen=True)
class Slider:
    """A number that can be set by hand.

    Attributes:
        name: The argument of the pipeline.
        least: At the left end.
        most: At the right end.
        step: From one place to the next.
        usual: Where it is by itself.
    """

    name: str
    least: float
    most: float
    step: float
    usual: float


@dataclass(frozen=True)
class Dials:
    """All that can be set by hand.

    Attributes:
        prompt: What to show.
        prompt_b: What to blend it with; empty for nothing.
        blend: The second prompt's share, 0 to 1.
        seed: Of the noise.
        seed_b: Of the noise to blend it with.
        seed_blend: The second seed's share, 0 to 1.
        guidance_scale: Classifier-free guidance.
        steps: Of the clip that is made while the hand moves.
        more: Further arguments of the pipeline that aren't where they are by themselves.
    """

    prompt: str
    prompt_b: str = ""
    blend: float = 0.0
    seed: int = 0
    seed_b: int = 1
    seed_blend: float = 0.0
    guidance_scale: float = 1.0
    steps: int = 6
    more: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; seeds are texts, as JavaScript has no whole numbers so large."""
        return {**asdict(self), "seed": str(self.seed), "seed_b": str(self.seed_b)}

    def heard(self, data: Mapping[str, Any], sliders: Mapping[str, Slider]) -> Dials:
        """Return these dials as a page has set them; what is no value of a dial stays as it was."""
        changes: dict[str, Any] = {}
        for name in ("prompt", "prompt_b"):
            if isinstance(data.get(name), str):
                changes[name] = data[name][:MAX_PROMPT]
        for name in ("blend", "seed_blend"):
            changes[name] = round(_number(data.get(name), 0.0, 1.0, getattr(self, name)), _DIGITS)
        for name in ("seed", "seed_b"):
            text = str(data.get(name, ""))
            if text.isdecimal() and int(text) <= MAX_SEED:
                changes[name] = int(text)
        changes["guidance_scale"] = _number(
            data.get("guidance_scale"), 0.0, 100.0, self.guidance_scale
        )
        changes["steps"] = int(_number(data.get("steps"), 1, _MOST_STEPS, self.steps))
        if isinstance(data.get("more"), dict):
            given = {n: v for n, v in data["more"].items() if n in sliders}
            changes["more"] = {
                n: _as(s.usual, _number(given[n], s.least, s.most, s.usual))
                for n, s in sliders.items()
                if n in given and given[n] != s.usual
            }
        return replace(self, **changes)

    def shot(self, base: Shot) -> Shot:
        """Return the shot that is meant, with all else as in `base`; its steps stay."""
        prompt: Any = [(self.prompt, 1 - self.blend), (self.prompt_b, self.blend)]
        share = round(1 - self.seed_blend, _DIGITS)
        noise = [(self.seed, share), (self.seed_b, self.seed_blend)]
        if self.seed == self.seed_b or not self.seed_blend:
            noise = [(self.seed, 1.0)]
        elif not share:
            noise = [(self.seed_b, 1.0)]
        return base.replace(
            prompt=prompt if self.prompt_b.strip() and self.blend else self.prompt,
            noise=tuple(noise),
            guidance_scale=self.guidance_scale,
            extra={**base.arguments, **self.more},
        )

    def like(self, shot: Shot, sliders: Mapping[str, Slider]) -> Dials:
        """Return dials that mean a shot.

        Args:
            shot: What they shall mean; what it leaves open stays as it is.
            sliders: Those that there are.

        Raises:
            CheckError: There are no dials for it.
        """
        texts, noise = parts_of(shot.prompt), shot.noise
        problems = []
        if len(texts) > _PAIR:
            problems.append(
                Problem(
                    "prompt",
                    f"prompt: {len(texts)} weighted texts; the live view blends two. The "
                    "nearest are "
                    f"the heaviest, {shorten(texts[:2], 120)}.",
                )
            )
        if len(noise) > _PAIR or any(weight < 0 for _, weight in noise):
            problems.append(
                Problem(
                    "noise",
                    f"noise={shorten(noise)}: the live view blends two seeds with weights "
                    "over 0; the "
                    f"nearest is seed={shot.seed}.",
                )
            )
        if problems:
            raise CheckError(problems)
        whole = sum(weight for _, weight in noise)
        changes: dict[str, Any] = {
            "prompt": texts[0][0],
            "blend": 0.0,
            "seed": noise[0][0],
            "seed_blend": 0.0,
        }
        if len(texts) == _PAIR:
            changes |= {"prompt_b": texts[1][0], "blend": texts[1][1]}
            if texts[0][0] == self.prompt_b:
                # They stay on their sides, though the heavier one comes first in a shot.
                changes |= {"prompt": texts[1][0], "prompt_b": texts[0][0], "blend": texts[0][1]}
        if len(noise) == _PAIR:
            share = round(noise[1][1] / whole, _DIGITS)
            changes |= {"seed_b": noise[1][0], "seed_blend": share}
        if shot.guidance_scale is not None:
            changes["guidance_scale"] = shot.guidance_scale
        more = {n: v for n, v in shot.arguments.items() if n in sliders}
        return replace(self, **changes, more=more)


def sliders_of(model: Model, shot: Shot) -> dict[str, Slider]:
    """Return a slider for each number that a model's pipeline takes for such a shot."""
    found = {}
    for name, usual in model.arguments.items():
        number = isinstance(usual, (int, float)) and not isinstance(usual, bool)
        if not number or not math.isfinite(usual) or name.endswith(_NOT_FOR_HANDS):
            continue
        if list(model.check(shot.replace(extra={**shot.arguments, name: usual}))):
            continue  # of pictures or films only
        whole = isinstance(usual, int)
        most = 1.0 if 0 <= usual <= 1 and not whole else max(1.0, _REACH * abs(usual))
        least = -most if usual < 0 else 0.0
        step = 1.0 if whole else 10 ** math.floor(math.log10(most)) / 50
        found[name] = Slider(name, least, most, step, float(usual) if not whole else usual)
    return found


# Lengths and moments of a technique, not of a clip.
_NOT_FOR_HANDS = ("_length", "_timestep", "_noise_scale", "_size", "_index", "_per_prompt", "eta")


def _number(value: Any, least: float, most: float, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return otherwise
    return min(max(value, least), most)


def _as(usual: float, value: float) -> float:
    return int(value) if isinstance(usual, int) else float(value)
