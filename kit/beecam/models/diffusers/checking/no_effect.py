"""Arguments that are set but change no pixel of a call, each with what would make it act.

The rule: an argument that a shot sets, and that differs from its default, changes the pixels or is
named here, as a note before any compute. Most is read off: the pipeline's signature and properties,
the configurations of its networks, the source of its scheduler's step.
`tests/kit/test_no_effect.py` varies each argument of each family and holds it.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from beecam._util.silence import silent_loggers
from beecam.errors import join_words
from beecam.models.denoise.guiders import reads_negative_prompt
from beecam.models.denoise.schedulers import Schedulers
from beecam.models.diffusers.checking.settings import SETTINGS
from beecam.models.diffusers.tasks import Task
from beecam.shots.shot import Shot

# Arguments that only change how guidance works.
_OF_GUIDANCE = (
    "guidance_scale_2",
    "guidance_rescale",
    "use_dynamic_cfg",
    "input_frames_guidance",
    "negative_prompt_2",
)
_OF_ENHANCEMENT = (
    "system_prompt",
    "prompt_max_new_tokens",
    "prompt_enhancement_kwargs",
    "prompt_enhancement_seed",
)
_OF_PERTURBATION = ("stg_scale", "audio_stg_scale", "spatio_temporal_guidance_blocks")
# What a clip may begin with.
_BEGINNINGS = ("image", "video")
# How many frames ChronoEdit makes unless it reasons.
EDITED_FRAMES = 5
# What acts on clips of more than one window only, by the argument with the frames of a window.
_OF_LONG_VIDEOS = {
    "base_num_frames": ("overlap_history", "addnoise_condition"),
    "temporal_tile_size": ("temporal_overlap", "temporal_overlap_cond_strength", "adain_factor"),
}


@dataclass(frozen=True)
class CallSettings:
    """What decides which arguments of a call have an effect.

    Attributes:
        task: The task of the shot.
        shot: A resolved shot.
        defaults: The resolved shot that sets nothing.
        schedulers: The schedulers of the pipeline.
        fits: Whether all texts are shorter than the limit of tokens.
    """

    task: Task
    shot: Shot
    defaults: Shot
    schedulers: Schedulers
    fits: bool = True

    @cached_property
    def values(self) -> dict[str, Any]:
        """The value of each argument of the pipeline, set or default."""
        shot, info = self.shot, self.task.info
        own = {
            "guidance_scale": shot.guidance_scale,
            "num_inference_steps": shot.num_inference_steps,
            "height": shot.height,
            "width": shot.width,
            info.frames_argument or "": shot.num_frames,
            info.fps_argument or "": shot.fps,
        }
        defaults = {name: one.default for name, one in info.parameters.items()}
        return {**defaults, **{n: v for n, v in own.items() if n in defaults}, **shot.arguments}

    def is_set(self, name: str) -> bool:
        """Return whether the shot sets an argument of the pipeline to another than its default."""
        arguments, parameters = self.shot.arguments, self.task.info.parameters
        if name not in arguments or name not in parameters:
            return False
        default = parameters[name].default
        return bool(arguments[name] != (tuple(default) if isinstance(default, list) else default))

    @cached_property
    def guided(self) -> bool:
        """Whether negative prompts have an effect: classifier-free guidance is on at some step."""
        switch = self.shot.switch
        later = [switch.guidance_scale] if switch and switch.guidance_scale is not None else []
        return any(
            self._guided({**self.values, "guidance_scale": scale})
            for scale in (self.shot.guidance_scale, *later)
        )

    def _guided(self, values: Mapping[str, Any]) -> bool:
        pipe = self.task.pipe
        if "negative_prompt" not in values:
            return False
        if "true_cfg_scale" in values:
            return bool((values["true_cfg_scale"] or 0) > 1) and self.has_negative_prompt
        if (guider := getattr(pipe, "guider", None)) is not None:
            return reads_negative_prompt(guider)
        if isinstance(getattr(type(pipe), "do_classifier_free_guidance", None), property):
            probe = copy.copy(pipe)
            vars(probe).update({f"_{name}": value for name, value in values.items()})
            with contextlib.suppress(Exception):
                return bool(probe.do_classifier_free_guidance)
        return bool((values.get("guidance_scale") or 0) > 1)

    @property
    def has_negative_prompt(self) -> bool:
        """Whether there is a negative prompt, which some pipelines need for guidance."""
        return (self.shot.negative_prompt, self.task.unset_negative_prompt) != (None, None)

    @property
    def how_to_guide(self) -> str:
        """What switches guidance on, in words."""
        values = self.values
        if "true_cfg_scale" in values:
            return "set true_cfg_scale=3, too"
        if getattr(self.task.pipe, "guider", None) is not None:
            return "switch the guider of the pipeline on, with a guidance_scale over 1"
        if "guidance_scale" in values:
            default = self.defaults.guidance_scale or 0
            return f"set guidance_scale={default if default > 1 else 3:g}, too"
        return "use a model with guidance"


def without_effect(call: CallSettings) -> dict[str, str]:
    """Return the arguments of a call that have no effect, each with what would act.

    Args:
        call: The settings of the call.
    """
    return {name: reason for rule in _RULES for name, reason in rule(call)}


def _guidance(call: CallSettings) -> Iterator[tuple[str, str]]:
    reason = _why_scale_is_idle(call)
    if reason and call.shot.guidance_scale != call.defaults.guidance_scale:
        yield "guidance_scale", reason


def _why_scale_is_idle(call: CallSettings) -> str | None:
    """Return why no guidance scale would change a pixel, or None if it can."""
    others = [n for n in call.task.arguments if "guid" in n or "cfg" in n]
    acts = f"set {join_words(others, 'or')} instead" if others else "its guider guides"
    kind = type(call.task.pipe).__name__
    if "guidance_scale" not in call.task.info.parameters:
        if not others and getattr(call.task.pipe, "guider", None) is None:
            acts = "it has no guidance"
        return f"{kind} has no such argument; {acts}"
    if "true_cfg_scale" in call.values and not _embeds_guidance(call):
        return f"this transformer wasn't trained with it; {acts}"
    if call.guided and _boundary_steps(call) == (False, True):
        return "all steps are those of transformer_2; set guidance_scale_2 or more steps"
    return None


def _embeds_guidance(call: CallSettings) -> bool:
    """Return whether the denoiser reads the scale itself, as distilled ones do."""
    config = getattr(call.task.info.denoiser, "config", {})
    return bool(config.get("guidance_embeds") or config.get("time_cond_proj_dim"))


def _negative_prompt(call: CallSettings) -> Iterator[tuple[str, str]]:
    # The pipeline's own text isn't the user's.
    if call.shot.negative_prompt in (None, "", call.task.unset_negative_prompt):
        return
    if "negative_prompt" not in call.task.info.parameters:
        yield (
            "negative_prompt",
            f"{type(call.task.pipe).__name__} has no such argument; say in the prompt what to show",
        )
    elif not call.guided:
        yield "negative_prompt", f"clips are generated without guidance; {call.how_to_guide}"


def _of_guidance(call: CallSettings) -> Iterator[tuple[str, str]]:
    if call.is_set("true_cfg_scale") and not call.has_negative_prompt:
        yield "true_cfg_scale", "it guides away from a negative prompt; set one, too"
    for name in _OF_GUIDANCE:
        if not call.is_set(name):
            continue
        if name == "negative_prompt_2" and not call.has_negative_prompt:
            yield name, "it is read beside negative_prompt; set that, too"
        elif not call.guided:
            yield name, f"clips are generated without guidance; {call.how_to_guide}"
        elif name == "guidance_scale_2" and _boundary_steps(call) == (True, False):
            yield name, "no step is one of transformer_2; set guidance_scale or more steps"


def _of_negative_size(call: CallSettings) -> Iterator[tuple[str, str]]:
    """Yield sizes of the negative prompt that SDXL doesn't read without one another."""
    both = ("negative_original_size", "negative_target_size")
    if not set(both) <= set(call.values):
        return
    missing = [name for name in both if call.values[name] is None]
    for name in (*both, "negative_crops_coords_top_left"):
        if call.is_set(name) and not call.guided:
            yield name, f"clips are generated without guidance; {call.how_to_guide}"
        elif call.is_set(name) and missing:
            yield name, f"it is read with {join_words(list(both))}; set {join_words(missing)}, too"


def _boundary_steps(call: CallSettings) -> tuple[bool, bool] | None:
    """Return whether steps run above and below the boundary between two transformers, if any."""
    pipe = call.task.pipe
    ratio = getattr(pipe, "config", {}).get("boundary_ratio")
    if ratio is None:
        return None
    found = call.schedulers.rehearse(call.shot)
    if not found.timesteps:
        return None
    boundary = ratio * pipe.scheduler.config.num_train_timesteps
    above = [one >= boundary for one in found.timesteps]
    return any(above), not all(above)


def _eta(call: CallSettings) -> Iterator[tuple[str, str]]:
    schedulers, name = call.schedulers, call.shot.scheduler or ""
    if not call.is_set("eta") or reads(schedulers.kind(name).step, "eta"):
        return
    names = schedulers.names if not call.task.family.own_timesteps else []
    having = [one for one in names if reads(schedulers.kind(one).step, "eta")]
    acts = f"it acts with scheduler={having[0]!r}" if having else "no scheduler that fits does"
    yield "eta", f"{name} doesn't read it; {acts}"


def _decoding(call: CallSettings) -> Iterator[tuple[str, str]]:
    vae = getattr(call.task.pipe, "vae", None)
    conditioned = getattr(vae, "config", {}).get("timestep_conditioning")
    for name in ("decode_timestep", "decode_noise_scale"):
        if call.is_set(name) and not conditioned:
            yield name, "this autoencoder has no timestep; it acts with one that has"
    if call.is_set("decode_chunk_size") and vae is not None:
        size = call.values["decode_chunk_size"]
        if not reads(vae.decode, "num_frames") and not _has_temporal_decoder(vae):
            yield "decode_chunk_size", "it changes how much memory the decoder needs, no pixel"
        elif size is not None and size >= (call.shot.num_frames or 0):
            yield "decode_chunk_size", "all frames fit into one chunk; set less than num_frames"


def _has_temporal_decoder(vae: Any) -> bool:
    return "Temporal" in type(vae).__name__


def _perturbed_blocks(call: CallSettings) -> Iterator[tuple[str, str]]:
    """Yield what works by skipping attention in some blocks, where there are none such."""
    if "spatio_temporal_guidance_blocks" not in call.values:
        return
    network = call.task.info.denoiser
    blocks = getattr(network, "transformer_blocks", ())
    chosen = call.values["spatio_temporal_guidance_blocks"] or ()
    if not getattr(network, "config", {}).get("perturbed_attn", True):
        names: tuple[str, ...] = _OF_PERTURBATION
        reason = "this transformer has no perturbed attention; set modality_scale instead"
    elif not any(0 <= one < len(blocks) for one in chosen):
        names = _OF_PERTURBATION
        reason = f"set spatio_temporal_guidance_blocks to numbers below {len(blocks)}, too"
    elif not any((call.values.get(n) or 0) > 0 for n in ("stg_scale", "audio_stg_scale")):
        names, reason = _OF_PERTURBATION[2:], "stg_scale is 0; set more than 0"
    else:
        return
    yield from ((name, reason) for name in names if call.is_set(name))


def _enhancement(call: CallSettings) -> Iterator[tuple[str, str]]:
    if call.values.get("enable_prompt_enhancement"):
        return
    for name in _OF_ENHANCEMENT:
        if call.is_set(name):
            yield name, "prompts aren't enhanced; set enable_prompt_enhancement=True, too"


def _reasoning(call: CallSettings) -> Iterator[tuple[str, str]]:
    if not call.values.get("enable_temporal_reasoning"):
        reason = "it doesn't reason; set enable_temporal_reasoning=True, too"
    elif (call.shot.num_frames or 0) <= EDITED_FRAMES:
        reason = f"it reasons in frames between {EDITED_FRAMES}; set num_frames=29, too"
    else:
        return
    for name in ("enable_temporal_reasoning", "num_temporal_reasoning_steps"):
        if call.is_set(name):
            yield name, reason


def _long_videos(call: CallSettings) -> Iterator[tuple[str, str]]:
    begun = any(one.name in _BEGINNINGS for one in call.shot.conditions)
    for window, names in _OF_LONG_VIDEOS.items():
        frames = call.values.get(window)
        if not isinstance(frames, int) or (call.shot.num_frames or 0) > frames:
            continue
        for name in (*names, window):
            if name == "addnoise_condition" and begun:
                continue  # it changes what the clip begins with
            if call.is_set(name) and name not in call.task.family.needs:
                yield name, f"it is for clips of more than {window}={frames} frames; set more"


def _companions(call: CallSettings) -> Iterator[tuple[str, str]]:
    """Yield what acts only with an image or a video, or in a pipeline that has something."""
    pipe = call.task.pipe
    parts = {**pipe.config, **pipe.components}
    has = {name for name, part in parts.items() if part is not None and part is not False}
    has |= {one.name for one in call.shot.conditions}
    for name, others in call.task.family.acts_with.items():
        if call.is_set(name) and not has & set(others):
            inputs = [f"{one}=" for one in others if one in call.task.accepts]
            way_out = f"set {join_words(inputs, 'or')}, too" if inputs else "leave it out"
            yield name, f"this call has no {join_words(list(others), 'or')}; {way_out}"


def _noise_on_inputs(call: CallSettings) -> Iterator[tuple[str, str]]:
    """Yield what adds noise to an image or video where there is none."""
    given = {one.name for one in call.shot.conditions}
    flags = {f"add_noise_to_{name}_latents": name for name in _BEGINNINGS}
    for flag, name in flags.items():
        if call.is_set(flag) and name not in given:
            yield flag, f"it is for clips with {name}=; set that, too"
    if not any(name in given and call.values.get(flag) for flag, name in flags.items()):
        for name in call.shot.arguments:
            if "noise_sigma" in name and call.is_set(name):
                yield name, "no noise is added to an image or video; set image= or video=, too"


def _cleaning(call: CallSettings) -> Iterator[tuple[str, str]]:
    clean = getattr(call.task.pipe, "_text_preprocessing", None)
    if not call.is_set("clean_caption") or clean is None:
        return
    texts = [text for text in (call.shot.text, call.shot.negative_prompt) if text]
    with silent_loggers("diffusers"):
        same = clean(texts, clean_caption=True) == clean(texts, clean_caption=False)
    if same:
        yield (
            "clean_caption",
            "there is nothing to clean in these texts, or ftfy and bs4 are missing",
        )


def _unread(call: CallSettings) -> Iterator[tuple[str, str]]:
    unread = call.task.family.unread
    for name in call.shot.arguments:
        read = name not in unread and reads(type(call.task.pipe).__call__, name)
        if call.is_set(name) and not read:
            yield name, f"{type(call.task.pipe).__name__} doesn't read it; leave it out"


_RULES = (
    _guidance,
    _negative_prompt,
    _of_guidance,
    _of_negative_size,
    _eta,
    _decoding,
    _perturbed_blocks,
    _enhancement,
    _reasoning,
    _long_videos,
    _companions,
    _noise_on_inputs,
    _cleaning,
    _unread,
)


def reads(function: Any, name: str) -> bool:
    """Return whether a function has a parameter and reads it; true where that can't be told.

    >>> reads(lambda a, b: a, "b")
    False
    """
    return name in _read_parameters(inspect.unwrap(getattr(function, "__func__", function)))


@cache
def _read_parameters(function: Any) -> frozenset[str]:
    parameters = frozenset(inspect.signature(function).parameters)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return parameters
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if names & {"locals", "vars", "kwargs"}:
        return parameters
    return parameters & names


def effective_settings(call: CallSettings, idle: Mapping[str, str]) -> tuple[Any, ...]:
    """Return what is left of a shot's settings, besides its texts and noise, without those idle.

    Two shots with equal ones, texts and noise make equal clips.

    Args:
        call: The settings of the call.
        idle: The arguments that have no effect in it.
    """
    shot = call.shot
    extra = {n: v for n, v in shot.arguments.items() if n not in idle and call.is_set(n)}
    if call.fits and call.task.family.ignores_padding:
        extra.pop("max_sequence_length", None)
    strength = call.task.strength_argument
    redraws = any(one.name == "video" for one in shot.conditions)
    if redraws and strength in extra and not call.values.get("enforce_inference_steps"):
        extra[strength] = call.task.steps(shot)
    # Without guidance, every scale up to 1 is as 1.
    scaled = not _why_scale_is_idle(call) and (call.guided or _embeds_guidance(call))
    return (
        shot.guidance_scale if scaled else None,
        tuple(sorted(extra.items(), key=lambda pair: pair[0])),
        *(getattr(shot, name) for name in SETTINGS if name not in ("guidance_scale", "extra")),
    )
