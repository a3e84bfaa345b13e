"""A shot: everything that determines a clip's pixels, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from beecam._util.checks import integer
from beecam.errors import BeecamError, CheckError, Problem, shorten
from beecam.shots import weighted_prompts as blend
from beecam.shots.conditions import CONDITIONS, Condition, conditions_code
from beecam.shots.loras import LORA_ARGUMENTS, Adapter
from beecam.shots.loras import loras_code as code_of_loras
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS, Switch
from beecam.shots.prompt_switch import switch_code as code_of_switch
from beecam.shots.weighted_prompts import WeightedPrompts

MAX_SEED = 2**63 - 1
MAX_PROMPT = 4_000
KEY_DIGITS = 32
BOTH_NOISES = "seed and noise both say which noise to use: keep one of them."

_SIZES = ("width", "height", "num_frames", "num_inference_steps")
_INTEGERS = (*_SIZES, "draft_steps")
# No model of today comes near these; a slip of the finger would fill memory, or run for days.
_MOST = {
    "width": 16_384,
    "height": 16_384,
    "num_frames": 10_000,
    "num_inference_steps": 1_000,
    "draft_steps": 1_000,
}
_FLOATS = ("fps", "guidance_scale")
# The least and the most of each, whatever the model.
LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    **{name: (1, most) for name, most in _MOST.items()},
    "fps": (0, 240),
    "guidance_scale": (0, None),
}
_TEXTS = ("negative_prompt", "scheduler", "model", "revision")
# fps reaches some pipelines as frame_rate; the rest of these decide pixels in all of them.
RESOLVED_BY_MODEL = (*_SIZES, *_FLOATS, "negative_prompt", "scheduler", "model", "revision")

# What a person may give for a shot or as an axis, apart from the prompt and the pipeline's own.
SHOT_ARGUMENTS = (
    "negative_prompt",
    "seed",
    "noise",
    "width",
    "height",
    "num_frames",
    "fps",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "model",
    *SWITCH_ARGUMENTS,
    *LORA_ARGUMENTS,
    *CONDITIONS,
)

_LARGE = 10**300  # what is larger may be no float
_PLAIN = (str, int, float, bool)

Noise = tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Everything that determines a clip's pixels.

    A field that is None is the model's own default until `model.resolve(shot)` fills it in; only
    a resolved shot has a key.

    >>> bc.shot("a bee over a meadow", seed=7).seed
    7

    Attributes:
        prompt: What to show: one text, or several with weights that add up to 1, the heaviest
            first. What a model's encoder makes of them is mixed by weight.
        negative_prompt: What to keep away from.
        noise: Weighted seeds. One seed with weight 1 is the plain case; several are a variation,
            mixed as sum(w*n)/sqrt(sum(w**2)) so that the mix is Gaussian noise again.
        width: Pixels.
        height: Pixels.
        num_frames: Frames in the clip.
        fps: Frames a second at which it plays.
        num_inference_steps: Denoising steps.
        guidance_scale: Classifier-free guidance; 1 is off.
        scheduler: A diffusers scheduler class by name.
        model: The model's name.
        revision: A digest of the model's weights and configuration.
        conditions: Pictures and films that the model is given, by the digest of their pixels.
        adapters: LoRAs with their weights, by the digest of their files; none of them is ().
        speed: What is switched on that changes pixels to be faster.
        switch: Another prompt or guidance from some step on.
        draft_steps: For a draft: after so many steps, the result that is predicted then is shown.
        extra: Further arguments of the pipeline, by their names there.
    """

    prompt: str | WeightedPrompts
    negative_prompt: str | None = None
    noise: Noise = ((0, 1.0),)
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: float | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    model: str | None = None
    revision: str | None = None
    conditions: tuple[Condition, ...] = ()
    adapters: tuple[Adapter, ...] | None = None
    switch: Switch | None = None
    speed: tuple[str, ...] | None = None
    draft_steps: int | None = None
    extra: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Bring equal values to one form, so that equal shots have equal keys."""
        # Sweeps make shots by the hundred thousand: only what is not in its form is touched.
        own = vars(self)
        if type(own["prompt"]) is not str:
            own["prompt"] = blend.normalize_weights(own["prompt"])
        if own["extra"] != ():
            pairs = self.extra.items() if isinstance(self.extra, Mapping) else self.extra
            own["extra"] = tuple(sorted((str(k), _plain(v)) for k, v in pairs))
        if own["adapters"] is None and own["revision"] is not None:
            own["adapters"] = ()  # a model has resolved it, to none
        own["noise"] = _normal_noise(self.noise)
        for name in _INTEGERS:
            if type(own[name]) is not int:
                own[name] = _to_int(own[name])
        for name in _FLOATS:
            if type(own[name]) is not float:
                own[name] = _to_float(own[name])

    @property
    def text(self) -> str:
        """The prompt in one line, also of several texts: `0.7 a bee + 0.3 a moth`."""
        return blend.as_text(self.prompt)

    @property
    def seed(self) -> int:
        """The seed, or the heaviest of a variation's seeds.

        Raises:
            CheckError: The noise is none.
        """
        try:
            return max(self.noise, key=lambda pair: abs(pair[1]))[0]
        except (TypeError, ValueError, LookupError):
            raise CheckError(_check_noise(self.noise)) from None

    @property
    def arguments(self) -> dict[str, Any]:
        """The extra pipeline arguments as a dict."""
        return dict(self.extra)

    @property
    def resolved(self) -> bool:
        """Whether nothing is left to the model's defaults."""
        return all(getattr(self, name) is not None for name in RESOLVED_BY_MODEL)

    @cached_property
    def key(self) -> str:
        """A digest of all fields: 32 hexadecimal digits.

        Raises:
            BeecamError: The shot leaves something to the model's defaults.
        """
        if not self.resolved:
            missing = [name for name in RESOLVED_BY_MODEL if getattr(self, name) is None]
            raise BeecamError(
                f"a shot has a key once a model has resolved it; {', '.join(missing)} "
                "still open. Use model.resolve(shot)."
            )
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data without what is unset, so that new fields keep old keys."""
        data: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is None or (name in ("extra", "conditions", "adapters") and not value):
                continue
            data[name] = value
        if not isinstance(self.prompt, str):
            data["prompt"] = [[text, weight] for text, weight in self.prompt]
        data["noise"] = [[seed, weight] for seed, weight in self.noise]
        if self.extra:
            data["extra"] = dict(self.extra)
        if self.conditions:
            data["conditions"] = [condition.to_dict() for condition in self.conditions]
        if self.switch:
            data["switch"] = self.switch.to_dict()
        if self.adapters:
            data["adapters"] = [[one.digest, one.weight] for one in self.adapters]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Shot:
        """Rebuild a shot from `to_dict()`.

        Raises:
            BeecamError: The data is not a shot's.
        """
        try:
            arguments = {name: value for name, value in data.items() if name in _NAMES}
            if unknown := set(data).difference(_NAMES):
                raise BeecamError(f"this shot has fields of a newer beecam: {sorted(unknown)}")
            noise = tuple((seed, weight) for seed, weight in arguments.pop("noise"))
            conditions = tuple(map(Condition.from_dict, arguments.pop("conditions", ())))
            adapters = tuple(Adapter(str(d), float(w)) for d, w in arguments.pop("adapters", ()))
            switch = Switch(**arguments.pop("switch")) if "switch" in arguments else None
            if speed := arguments.pop("speed", None):
                arguments["speed"] = tuple(map(str, speed))
            return cls(
                noise=noise,
                conditions=conditions,
                adapters=adapters or None,
                switch=switch,
                **arguments,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BeecamError(f"this is not a shot: {shorten(data)}") from error

    def replace(self, **changes: Any) -> Shot:
        """Return a copy with other values; `seed=` stands for one plain seed."""
        if "seed" in changes:
            changes["noise"] = ((changes.pop("seed"), 1.0),)
        return replace(self, **changes)

    def code(self) -> str:
        """Return the `bc.shot(...)` call that makes this shot again with the same model."""
        parts = [repr(self.prompt if isinstance(self.prompt, str) else list(self.prompt))]
        plain = len(self.noise) == 1 and self.noise[0][1] == 1.0
        parts.append(f"seed={self.seed}" if plain else f"noise={self.noise!r}")
        for name in ("negative_prompt", *_INTEGERS, *_FLOATS, "scheduler"):
            value = getattr(self, name)
            if value not in (None, ""):
                parts.append(f"{name}={value!r}")
        parts += [f"{name}={value!r}" for name, value in dict(self.extra).items()]
        parts += conditions_code(self.conditions)
        parts += code_of_loras(self.adapters or ())
        parts += code_of_switch(self.switch)
        return f"bc.shot({', '.join(parts)})"


_NAMES = tuple(field.name for field in fields(Shot))


def check_values(shot: Shot) -> Iterator[Problem]:
    """Yield what is wrong with a shot whatever the model: types, ranges, text."""
    for name in _TEXTS:
        value = getattr(shot, name)
        if not isinstance(value, str) and value is not None:
            yield Problem(name, f"{name}={shorten(value)}: a text is needed.")
    yield from _check_prompts(shot.prompt)
    if isinstance(shot.negative_prompt, str):
        yield from _check_prompt("negative_prompt", shot.negative_prompt)
    for name in _INTEGERS:
        value = getattr(shot, name)
        if value is not None:
            yield from integer(name, value, 1, _MOST[name], ends=name not in _SIZES[:3])
    for name in _FLOATS:
        value = getattr(shot, name)
        if value is not None and not (isinstance(value, float) and math.isfinite(value)):
            yield Problem(name, f"{name}={shorten(value)}: a finite number is needed.")
        elif name == "fps" and value is not None and not 0 < value <= 240:  # noqa: PLR2004
            yield Problem(name, f"fps={value:g}: between 0 and 240 frames a second.")
        elif name == "guidance_scale" and value is not None and value < 0:
            yield Problem(name, f"{name}={value:g}: 0 or more is needed.")
    yield from _check_noise(shot.noise)
    yield from _check_extra(shot)


def _check_extra(shot: Shot) -> Iterator[Problem]:
    yield from shot.switch.check(None) if shot.switch else ()
    for name, value in dict(shot.extra).items():
        if not _is_data(value):
            yield Problem(
                name,
                f"{name}={shorten(value)}: a shot keeps texts, numbers, True, False, None and "
                f"lists of them; {_kind(value)} can't be kept with a clip.",
            )


def _is_data(value: Any) -> bool:
    """Return whether a value survives as JSON, and so can be part of a key."""
    if isinstance(value, tuple):
        return all(map(_is_data, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def _kind(value: Any) -> str:
    odd = next((v for v in value if not _is_data(v)), value) if isinstance(value, tuple) else value
    if isinstance(odd, float):
        return f"{odd}"
    return f"what is of the kind {type(odd).__name__}"


def _check_prompts(prompt: Any) -> Iterator[Problem]:
    wrong = list(blend.find_problems(prompt))
    yield from wrong
    for text, _ in () if wrong else blend.parts_of(prompt):
        yield from _check_prompt("prompt", text)


def _check_prompt(name: str, text: str) -> Iterator[Problem]:
    if len(text) > MAX_PROMPT:
        yield Problem(
            name, f"{name} has {len(text):,} characters; at most {MAX_PROMPT:,} are allowed."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        yield Problem(
            name,
            f"{name} has half of a surrogate pair at character {error.start}; "
            "it can't be stored as text.",
        )


def _check_noise(noise: Any) -> Iterator[Problem]:
    if noise == ():
        yield Problem("noise", "noise=(): at least one seed with its weight is needed.")
    elif not is_noise(noise, strictly=False):
        plain = f" seed={noise} is one plain seed." if isinstance(noise, int) else ""
        yield Problem(
            "noise",
            f"noise={shorten(noise)}: pairs of a seed and its weight are needed, as in "
            f"((3, 0.8), (9, 0.2)).{plain}",
        )
        return
    for seed, weight in noise:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            yield Problem(
                "seed",
                f"seed={shorten(seed)}: a whole number from 0 to {MAX_SEED}.{_near_seed(seed)}",
            )
        if not (isinstance(weight, float) and math.isfinite(weight) and weight != 0):
            yield Problem("noise", f"noise weight {shorten(weight)}: a finite number other than 0.")


def _near_seed(seed: Any) -> str:
    if isinstance(seed, str) and seed.isdecimal():
        return f" Did you mean {seed} without quotes?"
    if isinstance(seed, bool) or not isinstance(seed, (int, float)) or seed != seed:  # noqa: PLR0124
        return ""
    return f" The nearest is {int(min(max(seed, 0), MAX_SEED))}."


def is_noise(value: Any, *, strictly: bool = True) -> bool:
    """Return whether a value has the form of a noise: pairs of a seed and a weight.

    Args:
        value: What is given; a list of recipes is none.
        strictly: Whether both of a pair must be numbers.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    return (
        isinstance(value, (tuple, list))
        and all(
            isinstance(pair, (tuple, list))
            and len(pair) == 2  # noqa: PLR2004
            and (not strictly or all(isinstance(_plain(one), (int, float)) for one in pair))
            for pair in value
        )
        and bool(value)
    )


def _plain(value: Any) -> Any:
    """Numpy scalars and lists to plain Python, so that the key doesn't depend on the spelling."""
    if value is None or type(value) in _PLAIN:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple(_plain(v) for v in value)
    return value


def _to_int(value: Any) -> Any:
    value = _plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _to_float(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGE:
        return float(value)
    return value


def _is_normal(pair: Any) -> bool:
    return (
        type(pair) is tuple
        and len(pair) == 2  # noqa: PLR2004
        and type(pair[0]) is int
        and type(pair[1]) is float
    )


def _normal_noise(noise: Any) -> Any:
    """Bring a recipe to its form; what is none is left as it is, for `check_values` to name."""
    if type(noise) is tuple and all(_is_normal(pair) for pair in noise):
        return noise
    if isinstance(noise, Iterable) and not isinstance(noise, (str, bytes)):
        noise = tuple(_plain(noise))
    if not is_noise(noise, strictly=False):
        return noise
    return tuple((_to_int(seed), _to_float(weight)) for seed, weight in noise)
