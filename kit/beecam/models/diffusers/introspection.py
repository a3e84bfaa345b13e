"""Facts read off a pipeline: the parameters of its call, and the sizes that it works with."""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from beecam.models.batching.owner import of_library

_FRAMES = ("num_frames", "frames", "video_length")
_FPS = ("frame_rate", "fps", "target_fps")
_SPATIAL = (
    "vae_scale_factor_spatial",
    "vae_spatial_compression_ratio",
    "vae_spatial_scale_factor",
    "vae_scale_factor",
)
_TEMPORAL = (
    "vae_scale_factor_temporal",
    "vae_temporal_compression_ratio",
    "vae_temporal_scale_factor",
)
DIVISIBLE = re.compile(r"`height` and `width` have to be divisible by (\d+)")
# The frame rate that most families were trained at.
_USUAL_FPS = 16.0


class PipelineInfo:
    """Facts read off one pipeline.

    Attributes:
        parameters: The parameters of its `__call__`, by name.
        frames_argument: Its argument for the number of frames; None for an image model.
        fps_argument: Its argument for the frame rate, or None if it has none.
        spatial: Pixels per side of a latent cell.
        temporal: Frames per latent frame.
        unnamed_call: What stands in the place of a class's `__call__` without naming the arguments
            that it takes, such as "WanPipeline.__call__ (logged)"; None for all others.
    """

    def __init__(self, pipe: Any) -> None:
        """Read the facts off a loaded pipeline."""
        self._pipe = pipe
        self.parameters: Mapping[str, inspect.Parameter] = call_parameters(type(pipe))
        self.frames_argument = next((n for n in _FRAMES if n in self.parameters), None)
        self.fps_argument = next((n for n in _FPS if n in self.parameters), None)
        self.spatial = _first(pipe, _SPATIAL) or 8
        self.temporal = _first(pipe, _TEMPORAL) or 1
        self.unnamed_call = _unnamed_call(type(pipe))

    def documented_choices(self, name: str) -> list[str]:
        """Return the strings that an argument can be, as far as the documentation quotes them.

        >>> PipelineInfo(cosmos).documented_choices("mixed_precision_format")
        ['none', 'fp8']
        """
        parameter = self.parameters.get(name)
        if parameter is None or "str" not in str(parameter.annotation):
            return []
        text = inspect.getdoc(type(self._pipe).__call__) or ""
        entry = re.search(rf"^( *){name} \(.*?\):(.*?)(?=^\1\S|\Z)", text, re.MULTILINE | re.DOTALL)
        found = re.findall(r'`"(\w+)"`', entry[2]) if entry else []
        return list(dict.fromkeys(found))

    @property
    def denoiser(self) -> Any:
        """The network that runs at each step."""
        return denoiser_of(self._pipe)

    @property
    def channels(self) -> int | None:
        """The number of channels of its latents."""
        config = getattr(self._pipe.vae, "config", {})
        return next((config[n] for n in ("z_dim", "latent_channels") if config.get(n)), None)

    @property
    def size_step(self) -> int:
        """The multiple that width and height should be of: a patch of latents."""
        patch = self._config("patch_size")
        side = patch[-1] if isinstance(patch, (list, tuple)) else patch or 1
        return math.lcm(self.spatial * int(side), self.checked_step)

    @cached_property
    def checked_step(self) -> int:
        """The multiple that the pipeline's own check demands of width and height, if it says one.

        That of the published weights, whatever the networks of this pipeline could work with.
        """
        source = source_of(getattr(type(self._pipe), "check_inputs", None))
        return math.lcm(*(int(number) for number in DIVISIBLE.findall(source)))

    @cached_property
    def missing(self) -> list[str]:
        """Required arguments other than the prompts."""
        return [
            name
            for name, parameter in self.parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            and name not in ("self", "prompt", "negative_prompt")
        ]

    def takes_tuple(self, name: str) -> bool:
        """Return whether an argument of the call is annotated as a tuple, and not as a list."""
        parameter = self.parameters.get(name)
        if parameter is None:
            return False
        text = str(parameter.annotation).lower()
        return isinstance(parameter.default, tuple) or ("tuple" in text and "list" not in text)

    def default(self, name: str) -> Any:
        """Return the default of an argument by its name in a shot, or None.

        Where the signature has no default, the denoiser's own size is used, as in the pipelines.
        """
        argument = self.frames_argument if name == "num_frames" else name
        found = self.parameters.get(argument or "")
        if found is not None and found.default not in (None, inspect.Parameter.empty):
            return found.default
        if name == "fps":
            argument = self.fps_argument
            return self.parameters[argument].default if argument else _USUAL_FPS
        if name in ("width", "height"):
            return self._size(name)
        if name == "num_frames":
            latent = self._config("sample_frames") or self._config("num_frames")
            return int(latent) if latent else self.temporal * 4 + 1
        return 1.0 if name == "guidance_scale" else None

    def _size(self, name: str) -> int:
        default = getattr(self._pipe, f"default_{name}", None)
        cells = self._config(f"sample_{name}") or self._config("sample_size")
        if isinstance(cells, (list, tuple)):
            cells = cells[-1] if name == "width" else cells[0]
        return int(default or (cells or 32) * self.spatial)

    def _config(self, name: str) -> Any:
        return getattr(getattr(self.denoiser, "config", None), name, None)


def rounds_of(pipe: Any) -> int:
    """Return how often a pipeline denoises a clip: more than once with FreeInit only.

    >>> pipe.enable_free_init(num_iters=3)
    >>> rounds_of(pipe)
    3
    """
    return getattr(pipe, "_free_init_num_iters", None) or 1


def steps_of_rounds(pipe: Any, steps: int) -> int:
    """Return how many steps a pipeline takes that denoises a clip several times, with FreeInit.

    >>> pipe.enable_free_init(num_iters=3)
    >>> steps_of_rounds(pipe, 4)
    12

    Args:
        pipe: Any pipeline.
        steps: The steps of one round.
    """
    rounds = rounds_of(pipe)
    if rounds == 1 or not getattr(pipe, "_free_init_use_fast_sampling", False):
        return int(steps * rounds)
    return sum(max(1, int(steps / rounds * (done + 1))) for done in range(rounds))


def denoiser_of(pipe: Any) -> Any:
    """Return the network of a pipeline that runs at each step; None if it has none."""
    # Wan 2.2 may have one of its two. A compiled network has no truth value.
    parts = (getattr(pipe, name, None) for name in ("transformer", "unet", "transformer_2"))
    return next((part for part in parts if part is not None), None)


def missing_parts(pipe: Any) -> list[str]:
    """Return the parts that a pipeline was loaded without although its class needs them.

    >>> missing_parts(WanPipeline.from_pretrained(folder, text_encoder=None))
    ['text_encoder']
    """
    parameters = inspect.signature(type(pipe).__init__).parameters
    optional = getattr(pipe, "_optional_components", ())
    return [
        name
        for name, part in pipe.components.items()
        if part is None
        and name not in optional
        and name in parameters
        and parameters[name].default is inspect.Parameter.empty
    ]


def call_parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of calls of a pipeline class.

    A derived class may pass on what it doesn't name: then those of the class above it are added.
    """
    found: dict[str, inspect.Parameter] = {}
    for one in kind.__mro__:
        if "__call__" not in vars(one):
            continue
        own = _parameters(vars(one)["__call__"])
        found |= {name: parameter for name, parameter in own.items() if name not in found}
        if not _is_open(own):
            break
        found = {
            name: p for name, p in found.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        }
    return found


def _is_open(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Return whether a function takes arguments that it doesn't name."""
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _unnamed_call(kind: type) -> str | None:
    """Return what passes on arguments that it doesn't name, where no class above names them."""
    homes = [one for one in kind.__mro__ if "__call__" in vars(one)]
    if not homes or not all(_is_open(_parameters(vars(one)["__call__"])) for one in homes):
        return None
    home = next((one for one in homes if of_library(one)), homes[-1])
    function = vars(home)["__call__"]
    named = not set(_FRAMES).isdisjoint(call_parameters(kind))
    if of_library(function) or (named and not of_library(home)):
        return None
    return f"{home.__name__}.__call__ ({getattr(function, '__name__', type(function).__name__)})"


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Return a function's parameters with their annotations, as far as Python can tell them.

    `from __future__ import annotations` in a pipeline's module leaves them as strings.
    """
    names = getattr(inspect.unwrap(function), "__globals__", {})
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        one = types.SimpleNamespace(__annotations__={name: parameter.annotation})
        try:
            annotation = typing.get_type_hints(one, names)[name]
        except Exception:  # noqa: BLE001  (of a module that is imported for type checkers only)
            annotation = parameter.annotation
        text = isinstance(parameter.annotation, str)
        found[name] = parameter.replace(annotation=annotation) if text else parameter
    return found


def missing_packages(pipe: Any, info: PipelineInfo) -> dict[str, str]:
    """Return packages that a pipeline uses but didn't import, by the argument that needs them.

    diffusers imports some only where they are installed, and ends in a NameError without them:
    ftfy, which cleans prompts, and torchvision in Cosmos' transformers.

    Args:
        pipe: The pipeline.
        info: What was read off it.
    """
    found: dict[str, str] = {}
    cleaners = (
        getattr(inspect.getmodule(kind), "prompt_clean", None) for kind in type(pipe).__mro__
    )
    clean = next((one for one in cleaners if one is not None), None)
    if clean is not None and "prompt" in info.parameters:
        try:
            clean("a")
        except NameError as error:
            found["prompt"] = str(error.name)
    network = info.denoiser
    pads = getattr(getattr(network, "config", None), "concat_padding_mask", False)
    if pads and not hasattr(inspect.getmodule(type(network)), "transforms"):
        found["model"] = "torchvision"
    return found


@lru_cache(maxsize=256)
def source_of(function: Any) -> str:
    """Return the source of a function; empty where there is none to read.

    Remembered, as finding it in a file of a few thousand lines takes as long as a step of a tiny
    model, and each pipeline of a class has the same.
    """
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _first(pipe: Any, names: tuple[str, ...]) -> int | None:
    found = (getattr(pipe, name, None) for name in names)
    return next((int(value) for value in found if value), None)
