"""The controls of the live view, and the conversion between them and shots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam.errors import CheckError, Problem, shorten
from beecam.models.capabilities import arguments_of
from beecam.models.model import Model
from beecam.shots.noise import MAX_SEED
from beecam.shots.shot import MAX_PROMPT, Shot
from beecam.shots.weighted_prompts import parts_of

_PAIR = 2
_DIGITS = 6
# A signature doesn't give the range of a number: a slider ends at twice the default.
_RANGE_FACTOR = 2.0
_MAX_STEPS = 100
_MAX_GUIDANCE = 100.0
# Arguments that concern a technique and not the look of a clip.
_NO_SLIDER = ("_length", "_timestep", "_noise_scale", "_size", "_index", "_per_prompt", "eta")


@dataclass(frozen=True)
class Slider:
    """The range of a numeric argument.

    Attributes:
        name: The argument of the pipeline.
        minimum: Value at the left end.
        maximum: Value at the right end.
        step: Distance between two values.
        default: The pipeline's default.
    """

    name: str
    minimum: float
    maximum: float
    step: float
    default: float

    def to_json(self) -> dict[str, Any]:
        """Return plain data for the front end."""
        return {
            "name": self.name,
            "min": self.minimum,
            "max": self.maximum,
            "step": self.step,
            "default": self.default,
        }


@dataclass(frozen=True)
class LiveControls(NearestAttributes):
    """The values of all controls of the live view.

    >>> controls = LiveControls("a bee", "a moth", blend=0.3, seed=4)
    >>> controls.shot(bc.shot("a bee")).prompt
    (('a bee', 0.7), ('a moth', 0.3))

    Attributes:
        prompt: The prompt.
        prompt_b: The prompt to blend it with; "" for none.
        blend: Weight of the second prompt, 0 to 1.
        seed: Seed of the noise.
        seed_b: Seed of the noise to blend it with.
        seed_blend: Weight of the second seed, 0 to 1.
        guidance_scale: Classifier-free guidance scale.
        steps: Denoising steps of a draft.
        arguments: Further arguments of the pipeline that differ from their defaults.
    """

    prompt: str
    prompt_b: str = ""
    blend: float = 0.0
    seed: int = 0
    seed_b: int = 1
    seed_blend: float = 0.0
    guidance_scale: float = 1.0
    steps: int = 6
    arguments: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for the front end.

        Seeds are strings: JavaScript has no integers of that size.
        """
        return {**asdict(self), "seed": str(self.seed), "seed_b": str(self.seed_b)}

    def updated(self, data: Mapping[str, Any], sliders: Mapping[str, Slider]) -> LiveControls:
        """Return the controls with the values that a front end sent; invalid ones are ignored.

        Args:
            data: As `to_json` returns it.
            sliders: The sliders that exist, by name.
        """
        changes: dict[str, Any] = {}
        for name in ("prompt", "prompt_b"):
            if isinstance(data.get(name), str):
                changes[name] = data[name][:MAX_PROMPT]
        for name in ("blend", "seed_blend"):
            changes[name] = round(_clip(data.get(name), 0.0, 1.0, getattr(self, name)), _DIGITS)
        for name in ("seed", "seed_b"):
            text = str(data.get(name, ""))
            if text.isdecimal() and int(text) <= MAX_SEED:
                changes[name] = int(text)
        guidance = data.get("guidance_scale")
        changes["guidance_scale"] = _clip(guidance, 0.0, _MAX_GUIDANCE, self.guidance_scale)
        changes["steps"] = int(_clip(data.get("steps"), 1, _MAX_STEPS, self.steps))
        if isinstance(data.get("arguments"), dict):
            values = data["arguments"]
            changes["arguments"] = {
                name: _cast(_clip(values[name], s.minimum, s.maximum, s.default), s.default)
                for name, s in sliders.items()
                if name in values and values[name] != s.default
            }
        return replace(self, **changes)

    def shot(self, base: Shot) -> Shot:
        """Return the shot of these controls.

        Args:
            base: The shot that everything without a control is taken from, the number of steps
                included.
        """
        prompt: Any = [(self.prompt, 1 - self.blend), (self.prompt_b, self.blend)]
        weight = round(1 - self.seed_blend, _DIGITS)
        noise = [(self.seed, weight), (self.seed_b, self.seed_blend)]
        if self.seed == self.seed_b or not self.seed_blend:
            noise = [(self.seed, 1.0)]
        elif not weight:
            noise = [(self.seed_b, 1.0)]
        return base.replace(
            prompt=prompt if self.prompt_b.strip() and self.blend else self.prompt,
            noise=tuple(noise),
            guidance_scale=self.guidance_scale,
            extra={**base.arguments, **self.arguments},
        )

    def with_shot(self, shot: Shot, sliders: Mapping[str, Slider]) -> LiveControls:
        """Return the controls that give a shot.

        Args:
            shot: The shot; what it leaves open keeps its current value.
            sliders: The sliders that exist, by name.

        Raises:
            CheckError: The shot blends more than two prompts or seeds, or has negative weights.
        """
        problems = list(_not_blendable(shot))
        if problems:
            raise CheckError(problems)
        changes = {**self._prompts_of(shot), **_seeds_of(shot)}
        if shot.guidance_scale is not None:
            changes["guidance_scale"] = shot.guidance_scale
        arguments = {n: v for n, v in shot.arguments.items() if n in sliders}
        return replace(self, **changes, arguments=arguments)

    def _prompts_of(self, shot: Shot) -> dict[str, Any]:
        prompts = parts_of(shot.prompt)
        if len(prompts) != _PAIR:
            return {"prompt": prompts[0][0], "blend": 0.0}
        first, second = prompts
        if first[0] == self.prompt_b:
            # Each prompt keeps its side, although in a shot the heavier one comes first.
            first, second = second, first
        return {"prompt": first[0], "prompt_b": second[0], "blend": second[1]}


def sliders_of(model: Model, shot: Shot) -> dict[str, Slider]:
    """Return a slider for each numeric argument of a model's pipeline, by name.

    Args:
        model: The model.
        shot: An argument that the model rejects for this shot gets no slider.
    """
    sliders = {}
    for name, default in arguments_of(model).items():
        is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
        if not is_number or not math.isfinite(default) or name.endswith(_NO_SLIDER):
            continue
        if list(model.check(shot.replace(extra={**shot.arguments, name: default}))):
            continue  # such as one that needs an image or a video
        sliders[name] = _slider(name, default)
    return sliders


def weight_problems(name: str, value: Any) -> Iterator[Problem]:
    """Yield a problem unless a value is a number in [0, 1].

    Args:
        name: Name of the argument.
        value: Its value.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 <= value <= 1:
        return
    nearest = ""
    if is_number and not math.isnan(value):
        nearest = f" The nearest is {min(max(value, 0), 1):g}."
    yield Problem(name, f"{name}={shorten(value)}: a number from 0 to 1 is needed.{nearest}")


def _slider(name: str, default: float) -> Slider:
    is_integer = isinstance(default, int)
    is_share = 0 <= default <= 1 and not is_integer
    maximum = 1.0 if is_share else max(1.0, _RANGE_FACTOR * abs(default))
    minimum = -maximum if default < 0 else 0.0
    step = 1.0 if is_integer else 10 ** math.floor(math.log10(maximum)) / 50
    return Slider(name, minimum, maximum, step, default if is_integer else float(default))


def _not_blendable(shot: Shot) -> Iterator[Problem]:
    """Yield the reasons why a shot has no controls."""
    prompts, noise = parts_of(shot.prompt), shot.noise
    if len(prompts) > _PAIR:
        yield Problem(
            "prompt",
            f"prompt: {len(prompts)} weighted prompts; the live view blends two. The nearest are "
            f"the heaviest, {shorten(prompts[:2], 120)}.",
        )
    if len(noise) > _PAIR or any(weight < 0 for _, weight in noise):
        yield Problem(
            "noise",
            f"noise={shorten(noise)}: the live view blends two seeds with weights over 0; the "
            f"nearest is seed={shot.seed}.",
        )


def _seeds_of(shot: Shot) -> dict[str, Any]:
    noise = shot.noise
    if len(noise) != _PAIR:
        return {"seed": noise[0][0], "seed_blend": 0.0}
    weight = round(noise[1][1] / sum(weight for _, weight in noise), _DIGITS)
    return {"seed": noise[0][0], "seed_b": noise[1][0], "seed_blend": weight}


def _clip(value: Any, minimum: float, maximum: float, otherwise: float) -> float:
    """Return a number clipped to [minimum, maximum], `otherwise` if it isn't a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return otherwise
    return min(max(value, minimum), maximum)


def _cast(value: float, example: float) -> float:
    return int(value) if isinstance(example, int) else float(value)
