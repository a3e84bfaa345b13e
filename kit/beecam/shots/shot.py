"""A shot: everything that determines a clip's pixels, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.digests import parse_digest
from beecam._util.plain import to_float, to_int, to_plain
from beecam.errors import BeecamError, CheckError, shorten
from beecam.shots.conditions import (
    CONDITIONS,
    Condition,
    conditions_code,
    conditions_of,
    sort_conditions,
)
from beecam.shots.loras import LORA_ARGUMENTS, Adapter, adapters_of, loras_code
from beecam.shots.noise import Noise, check_noise, is_noise, normalize_noise, seed_of
from beecam.shots.prompt_switch import (
    SWITCH_ARGUMENTS,
    Switch,
    switch_arguments,
    switch_code,
    switch_of,
)
from beecam.shots.weighted_prompts import WeightedPrompts, as_text, normalize_weights

MAX_PROMPT = 4_000  # characters
KEY_DIGITS = 32
_DEFAULT_NOISE: Noise = ((0, 1.0),)

_SIZES = ("width", "height", "num_frames", "num_inference_steps")
INTEGERS = (*_SIZES, "draft_steps")
FLOATS = ("fps", "guidance_scale")
# The smallest and the largest value of each number for every model; None for no limit. Models of
# today stay far below the largest: these catch typing errors that would fill the memory.
LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "width": (1, 16_384),
    "height": (1, 16_384),
    "num_frames": (1, 10_000),
    "num_inference_steps": (1, 1_000),
    "draft_steps": (1, 1_000),
    "fps": (0, 240),
    "guidance_scale": (0, None),
}
# fps reaches some pipelines as frame_rate; the others change the pixels of every pipeline.
RESOLVED_BY_MODEL = (*_SIZES, *FLOATS, "negative_prompt", "scheduler", "model", "revision")

# A call without a negative prompt isn't one with "" for every pipeline: it stays None then.
REQUIRED = tuple(name for name in RESOLVED_BY_MODEL if name != "negative_prompt")

# The arguments of `bc.shot` and `bc.sweep` besides the prompt and the pipeline's own arguments.
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


@dataclass(frozen=True, kw_only=True)
class Shot(NearestAttributes):
    """Everything that determines a clip's pixels.

    A field that is None stands for the model's default until `model.resolve(shot)` sets it; only
    a resolved shot has a key.

    >>> bc.shot("a bee over a meadow", seed=7)
    bc.shot('a bee over a meadow', seed=7)

    Attributes:
        prompt: What to show: a string, or several with weights that add up to 1, the heaviest
            first, whose embeddings are mixed by weight.
        negative_prompt: What to avoid. A model sets the text that its pipeline uses if it is
            called without one; None in a resolved shot stands for such a call, which for some
            pipelines is that of no text.
        noise: Weighted seeds. One seed with weight 1 is plain noise; several are a variation,
            mixed as sum(w*n)/sqrt(sum(w**2)), so that the mix is Gaussian noise again.
        width: In pixels.
        height: In pixels.
        num_frames: The number of frames in the clip.
        fps: Frames per second at which the clip plays.
        num_inference_steps: The number of denoising steps.
        guidance_scale: The scale of classifier-free guidance; 1 is off.
        scheduler: The name of a diffusers scheduler class.
        model: The model's name.
        revision: A digest of the model's weights and configuration.
        conditions: Images and videos for the model, by the digests of their pixels.
        adapters: LoRAs with their weights, by the digests of their files; () for no LoRA.
        speed: Names of the approximations that are on; they change pixels to save time.
        switch: Another prompt or guidance scale from a step on.
        draft_steps: For a draft, the number of steps after which the predicted result is shown.
        extra: Further arguments of the pipeline, by its own names.
    """

    prompt: str | WeightedPrompts
    negative_prompt: str | None = None
    noise: Noise = _DEFAULT_NOISE
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
        """Bring the fields to their canonical form, so that equal shots have equal keys."""
        # Sweeps build shots by the hundred thousand, hence the type tests before conversions.
        own = vars(self)
        if type(own["prompt"]) is not str:
            own["prompt"] = normalize_weights(own["prompt"])
        if own["extra"] != ():
            pairs = self.extra.items() if isinstance(self.extra, Mapping) else self.extra
            own["extra"] = tuple(sorted((str(k), to_plain(v)) for k, v in pairs))
        if own["adapters"] is None and own["revision"] is not None:
            own["adapters"] = ()  # a resolved shot without LoRAs
        own["noise"] = normalize_noise(self.noise)
        for name in INTEGERS:
            if type(own[name]) is not int:
                own[name] = to_int(own[name])
        for name in FLOATS:
            if type(own[name]) is not float:
                own[name] = to_float(own[name])

    def __repr__(self) -> str:
        # Code that builds the shot, but for `revision` and `speed`, which only a model sets.
        noise = [] if self.noise == _DEFAULT_NOISE else [self._noise_code()]
        return self._code([*noise, *self._arguments_code((*RESOLVED_BY_MODEL, "draft_steps"))])

    @property
    def text(self) -> str:
        """Return the prompt in one line, weighted prompts with their weights.

        >>> bc.shot([("a bee", 0.7), ("a moth", 0.3)]).text
        '0.7 a bee + 0.3 a moth'
        """
        return as_text(self.prompt)

    @property
    def seed(self) -> int:
        """Return the seed, or the seed of a variation that has the largest weight.

        >>> bc.shot("a bee", noise=((3, 0.8), (9, 0.2))).seed
        3

        Raises:
            CheckError: The noise is invalid.
        """
        try:
            return seed_of(self.noise)
        except (TypeError, ValueError, LookupError):
            raise CheckError(check_noise(self.noise)) from None

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the extra arguments of the pipeline as a dict.

        >>> bc.shot("a bee", max_sequence_length=64).arguments
        {'max_sequence_length': 64}
        """
        return dict(self.extra)

    @property
    def resolved(self) -> bool:
        """Return whether all of the model's defaults are filled in.

        >>> bc.shot("a bee").resolved, model.resolve(bc.shot("a bee")).resolved
        (False, True)
        """
        return all(getattr(self, name) is not None for name in REQUIRED)

    @cached_property
    def key(self) -> str:
        """Return a digest of all fields: 32 hexadecimal digits.

        >>> len(model.resolve(bc.shot("a bee")).key)
        32

        Raises:
            BeecamError: The shot isn't resolved.
        """
        return self.keys_with([self.noise])[0]

    def keys_with(self, noises: Iterable[Noise]) -> list[str]:
        """Return the keys that this shot has with other noises, for thousands.

        >>> resolved = model.resolve(bc.shot("a bee"))
        >>> resolved.keys_with([resolved.noise]) == [resolved.key]
        True

        Raises:
            BeecamError: The shot isn't resolved.
        """
        before, between, after = self._alike._json_around  # noqa: SLF001  (of a shot, too)
        rest = f"{between}{_compact_json(_prompt_data(self.prompt))}{after}"
        texts = (f"{before}{_noise_json(noise)}{rest}" for noise in noises)
        return [hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS] for text in texts]

    @cached_property
    def _json_around(self) -> tuple[str, str, str]:
        """The fields as JSON, sorted by name, around the values of the noise and of the prompt."""
        if not self.resolved:
            unset = [name for name in REQUIRED if getattr(self, name) is None]
            raise BeecamError(
                f"a shot has a key once a model has resolved it; {', '.join(unset)} are not set. "
                "Use model.resolve(shot)."
            )
        data = self.to_dict()
        before = _compact_json({name: data[name] for name in data if name < "noise"})
        between = _compact_json({n: data[n] for n in data if "noise" < n < "prompt"})
        after = _compact_json({name: data[name] for name in data if name > "prompt"})
        return f'{before[:-1]},"noise":', f',{between[1:-1]},"prompt":', f",{after[1:]}"

    def without_noise(self) -> tuple[Any, ...]:
        """Return all fields but the noise, to group shots that differ in it only.

        >>> bc.shot("a bee", seed=3).without_noise() == bc.shot("a bee", seed=4).without_noise()
        True
        """
        return (*_without_noise(vars(self)), self._extra_text)

    def without_texts(self) -> tuple[Any, ...]:
        """Return all fields but the noise and the prompt, and whether prompts are mixed.

        >>> bc.shot("a bee").without_texts() == bc.shot("a moth", seed=3).without_texts()
        True
        """
        return (
            type(self.prompt),
            bool(self.prompt),  # some pipelines take none
            *_without_texts(vars(self)),
            self._extra_text,
        )

    @property
    def _extra_text(self) -> str:
        """Further arguments as text: 0, 0.0 and False are equal, and not the same."""
        return repr(sorted(self.arguments.items())) if self.extra else ""

    def with_noise(self, noise: Noise) -> Shot:
        """Return a copy with another noise, faster than `replace`: for thousands.

        >>> bc.shot("a bee", seed=3).with_noise(((4, 1.0),))
        bc.shot('a bee', seed=4)

        Args:
            noise: Seeds with their weights, as the field holds them: integers and floats.
        """
        return self._copy("noise", noise)

    def with_prompt(self, prompt: str | WeightedPrompts) -> Shot:
        """Return a copy with another prompt, faster than `replace`: for thousands.

        >>> bc.shot("a bee", seed=3).with_prompt("a moth")
        bc.shot('a moth', seed=3)
        """
        return self._copy("prompt", prompt if type(prompt) is str else normalize_weights(prompt))

    def _copy(self, name: str, value: Any) -> Shot:
        copy = object.__new__(type(self))
        own = vars(copy)
        own.update(vars(self))
        own.pop("key", None)
        own[name] = value
        own["_alike"] = self._alike
        return copy

    @cached_property
    def _alike(self) -> Shot:
        """A shot that differs in noise and prompt only, with what all such copies share."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as JSON data.

        >>> bc.shot("a bee", seed=3).to_dict()
        {'prompt': 'a bee', 'noise': [[3, 1.0]]}
        """
        # Fields that aren't set are left out, so that a new field doesn't change existing keys.
        data: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is None or (name in ("extra", "conditions", "adapters") and not value):
                continue
            data[name] = value
        data["prompt"] = _prompt_data(self.prompt)
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
        """Return the shot of `to_dict()`.

        >>> Shot.from_dict({"prompt": "a bee", "noise": [[3, 1.0]]})
        bc.shot('a bee', seed=3)

        Raises:
            BeecamError: The data is not that of a shot.
        """
        try:
            values = {name: value for name, value in data.items() if name in _NAMES}
            if unknown := set(data).difference(_NAMES):
                raise BeecamError(f"this shot has fields of a newer beecam: {sorted(unknown)}")
            noise = tuple((seed, weight) for seed, weight in values.pop("noise"))
            conditions = tuple(map(Condition.from_dict, values.pop("conditions", ())))
            adapters = tuple(
                Adapter(parse_digest(digest), float(weight))
                for digest, weight in values.pop("adapters", ())
            )
            switch = Switch(**values.pop("switch")) if "switch" in values else None
            if speed := values.pop("speed", None):
                values["speed"] = tuple(map(str, speed))
            return cls(
                noise=noise,
                conditions=conditions,
                adapters=adapters or None,
                switch=switch,
                **values,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BeecamError(f"this is not a shot: {shorten(data)}") from error

    def replace(self, **changes: Any) -> Shot:
        """Return a copy with other values; takes the fields and the arguments of `bc.shot`.

        `seed=` sets plain noise of one seed; an image or video, or None, replaces that of its
        name; arguments of the pipeline are added to those that the shot has.

        >>> bc.shot("a bee", seed=3).replace(seed=4, width=96)
        bc.shot('a bee', seed=4, width=96)
        >>> bc.shot("a bee", image="bee.png").replace(image=None)
        bc.shot('a bee')

        Raises:
            CheckError: A value can't be read, or a LoRA's weight has no LoRA.
        """
        if "seed" in changes:
            changes["noise"] = ((changes.pop("seed"), 1.0),)
        if not changes.keys() <= _NAME_SET:
            changes |= self._fields_of({n: changes.pop(n) for n in changes.keys() - _NAME_SET})
        return replace(self, **changes)

    def _fields_of(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the fields that arguments of `bc.shot` without a field of their own change."""

        def take(names: Iterable[str]) -> dict[str, Any]:
            return {name: arguments.pop(name) for name in names if name in arguments}

        found: dict[str, Any] = {}
        if media := take(CONDITIONS):
            others = [one for one in self.conditions if one.name not in media]
            found["conditions"] = sort_conditions([*others, *conditions_of(media)])
        if loras := take(LORA_ARGUMENTS):
            found["adapters"] = adapters_of(loras)
        if switch := take(SWITCH_ARGUMENTS):
            found["switch"] = switch_of(switch_arguments(self.switch) | switch)
        if arguments:
            found["extra"] = dict(self.extra) | arguments
        return found

    def code(self) -> str:
        """Return the `bc.shot(...)` call that builds this shot again for the same model.

        >>> run.clips[0].shot.code()
        "bc.shot('a bee', seed=3, width=96, height=96, num_frames=17, ...)"
        """
        names = ("negative_prompt", *INTEGERS, *FLOATS, "scheduler")
        return self._code([self._noise_code(), *self._arguments_code(names)])

    def _code(self, arguments: Iterable[str]) -> str:
        prompt = repr(list(self.prompt) if isinstance(self.prompt, tuple) else self.prompt)
        return f"bc.shot({', '.join([prompt, *arguments, *self._other_code()])})"

    def _arguments_code(self, names: Iterable[str]) -> list[str]:
        # Also a negative prompt of "", which isn't none to every model.
        values = {name: getattr(self, name) for name in names if name != "revision"}
        return [f"{name}={value!r}" for name, value in values.items() if value is not None]

    def _noise_code(self) -> str:
        if is_noise(self.noise) and len(self.noise) == 1 and self.noise[0][1] == 1.0:
            return f"seed={self.seed}"
        return f"noise={self.noise!r}"

    def _other_code(self) -> list[str]:
        return [
            *(f"{name}={value!r}" for name, value in dict(self.extra).items()),
            *conditions_code(self.conditions),
            *loras_code(self.adapters or ()),
            *switch_code(self.switch),
        ]


_NAMES = tuple(field.name for field in fields(Shot))
_NAME_SET = frozenset(_NAMES)


def _compact_json(data: Any) -> str:
    if type(data) is str:
        return json.dumps(data)  # the same, and faster
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _prompt_data(prompt: str | WeightedPrompts) -> Any:
    return prompt if isinstance(prompt, str) else [[text, weight] for text, weight in prompt]


def _noise_json(noise: Noise) -> str:
    if len(noise) == 1:
        ((seed, weight),) = noise
        if type(seed) is int and type(weight) is float and weight == 1:
            return f"[[{seed},1.0]]"  # what most noises are, and faster
    return _compact_json([list(pair) for pair in noise])


_without_noise = itemgetter(*(name for name in _NAMES if name != "noise"))
_without_texts = itemgetter(*(name for name in _NAMES if name not in ("noise", "prompt")))
