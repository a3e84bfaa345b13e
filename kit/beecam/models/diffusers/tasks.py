"""The tasks of one set of weights: video from text alone, from images, from video.

diffusers has a pipeline class for each. Those that work with the same weights are built from one
another's components, which costs nothing.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from beecam.errors import join_words
from beecam.models.batching.owner import OwnerState, is_known
from beecam.models.denoise.guiders import counts_steps
from beecam.models.diffusers.families.family import Family
from beecam.models.diffusers.families.find import family_of
from beecam.models.diffusers.introspection import (
    PipelineInfo,
    denoiser_of,
    missing_packages,
    rounds_of,
    source_of,
    steps_of_rounds,
)
from beecam.models.speed.speed import Speed
from beecam.models.text.negative_prompt import unset_negative_prompt
from beecam.shots.conditions import CONDITIONS, Condition
from beecam.shots.shot import SHOT_ARGUMENTS, Shot

# Classes with these words can't work from text alone, even if their signatures allow it.
_FROM_INPUTS = re.compile("ImageToVideo|(?<!T)I2V|VideoToVideo|VideoToWorld|StableVideoDiffusion")
_KEYFRAME_CONDITIONS = ("image", "last_image", "keyframes")

# Arguments of every pipeline that the adapter fills in itself; a family may name more.
_FILLED_IN = (
    "self",
    "prompt",
    "negative_prompt",
    "height",
    "width",
    "num_frames",
    "num_inference_steps",
    "guidance_scale",
    "generator",
    "latents",
    "num_videos_per_prompt",
    "num_images_per_prompt",
    "output_type",
    "return_dict",
    "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
    "callback",
    "callback_steps",
    "denoising_end",
    "denoising_start",
)
# What decides the steps of pipelines that take no number of them.
_STEPS = ("pyramid_num_inference_steps_list", "sigmas")
_PARTS = "use draft=0.5, which can be finished later; a part of the steps leaves noise in a clip"
# What to use in place of arguments that are filled in, or that a family excludes.
_SEEDS = "use seed= or noise="
_INSTEAD = {
    "denoising_end": _PARTS,
    "denoising_start": _PARTS,
    "generator": _SEEDS,
    "latents": _SEEDS,
    "audio_latents": _SEEDS,
    "noise_scale": _SEEDS,
    "num_videos_per_prompt": "use seed=range(4), which makes a cell of each clip",
    "num_images_per_prompt": "use seed=range(4), which makes a cell of each clip",
    "output_type": "clip.frames() returns the frames, and clip.save() writes them",
    "return_dict": "clip.frames() returns the frames",
    "callback_on_step_end": "a run shows previews of its steps",
    "callback_on_step_end_tensor_inputs": "a run shows previews of its steps",
    "callback": "a run shows previews of its steps",
    "callback_steps": "a run shows previews of its steps",
    "conditions": "use image=, last_image= or keyframes=",
    "frame_index": "use keyframes=, a mapping of frames to images",
    "timesteps": "use num_inference_steps=",
    "min_seconds": "use num_frames=",
    "max_seconds": "use num_frames=",
    "reference_conditions": "use video=",
    "cond_image": "use image=",
    "c2w": "use action=",
    "use_kv_cache": "the pipeline fails without it",
    "causal_block_size": "set it on the transformer before bc.wrap, since it changes all clips",
}
# Sana's argument for an instruction before the prompt (not before the negative prompt), whose
# length it adds to the limit, less 2.
_INSTRUCTION = "complex_human_instruction"
_INSTRUCTION_RESERVE = 2
# Parts of names of arguments that take encoded prompts.
_ENCODED = ("_embeds", "_attention_mask", "_embeds_mask", "_cu_seqlens")


@dataclass(frozen=True)
class TextLimit:
    """How much of a prompt one tokenizer reads.

    Attributes:
        tokenizer: The tokenizer, or a processor with one.
        tokens: The number of tokens.
        specials: Whether the special tokens are among them.
    """

    tokenizer: Any
    tokens: int
    specials: bool


@dataclass(frozen=True)
class Task:
    """One pipeline class over a model's weights.

    Attributes:
        pipe: The pipeline.
        info: What was read off it.
        family: Its row in the table.
        accepts: The conditions that it can use.
        requires: The conditions that it can't work without.
        requires_any: Whether it needs at least one condition.
        uses_cache_context: Whether it names its network's calls, as caches need.
        as_set_up: Whether its networks stay as their owner has set them up, at any speed.
    """

    pipe: Any
    info: PipelineInfo
    family: Family
    accepts: frozenset[str]
    requires: frozenset[str]
    requires_any: bool
    uses_cache_context: bool
    as_set_up: bool = False

    @cached_property
    def unset_negative_prompt(self) -> str | None:
        """The text that is the same as no negative prompt; None if none is.

        Found on first use: reading a class takes time, and most models have tasks that no shot
        needs.
        """
        own: str | None = self.family.defaults.get("negative_prompt")
        if self.as_set_up or own is not None:
            return own
        return unset_negative_prompt(type(self.pipe), self.info.parameters)

    @cached_property
    def missing_packages(self) -> dict[str, str]:
        """Packages that aren't installed, by the argument for which its run would need them."""
        found = missing_packages(self.pipe, self.info)
        for name, package in self.family.packages.items():
            if importlib.util.find_spec(package) is None:
                found[name] = package
        return found

    @cached_property
    def own_refusals(self) -> dict[Any, Any]:
        """What its pipeline's own checks said of shots, by what of a shot they look at."""
        return {}

    def supports(self, conditions: tuple[Condition, ...]) -> bool:
        """Return whether this task generates shots with these conditions."""
        names = {condition.name for condition in conditions}
        allowed = names <= self.accepts and self.requires <= names
        return allowed and bool(names or not self.requires_any)

    @property
    def description(self) -> str:
        """What it generates from what, in words."""
        if not self.accepts:
            return "text to video"
        inputs = join_words([name for name in CONDITIONS if name in self.accepts])
        return f"video from {inputs}" if self.requires_any else f"video from text, or from {inputs}"

    def further_arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments of a shot as its pipeline takes them: it distinguishes lists and tuples.

        Args:
            given: The shot's further arguments, which stores both as tuples.
        """
        return {
            name: list(value)
            if isinstance(value, tuple) and not self.info.takes_tuple(name)
            else value
            for name, value in given.items()
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """What a shot may pass to it beyond its own fields, with the defaults."""
        info = self.info
        filled_in = {
            *_FILLED_IN,
            *CONDITIONS,
            *self.family.excludes,
            *self.family.inputs.values(),
            *self.family.fixed,
            info.fps_argument,
            info.frames_argument,
        }
        return {
            name: parameter.default
            for name, parameter in info.parameters.items()
            if name not in filled_in
            and not any(part in name for part in _ENCODED)
            and parameter.kind is not parameter.VAR_KEYWORD
        }

    @property
    def filled_in(self) -> dict[str, str]:
        """Its pipeline's other arguments, each with what to use in its place."""
        info, arguments = self.info, self.arguments
        ours = {info.frames_argument: "use num_frames=", info.fps_argument: "use fps="}
        return {
            name: ours.get(name) or _INSTEAD.get(name) or "use prompt= or negative_prompt="
            for name, parameter in info.parameters.items()
            if name not in arguments
            and name not in ("self", "prompt", *SHOT_ARGUMENTS)
            and parameter.kind is not parameter.VAR_KEYWORD
        }

    @property
    def strength_argument(self) -> str | None:
        """The argument that sets the share of the steps that a redrawn video takes, if any."""
        names = ("denoise_strength", "strength")
        return next((name for name in names if name in self.info.parameters), None)

    def whole_frames(self, frames: int) -> int:
        """Return the number of frames that a pipeline makes when it is asked for this one.

        Some have a default that they round, to the next number after a whole latent frame.
        """
        step, plus = self.family.frame_step, self.family.frame_plus
        if (frames - plus) % step == 0 or "num_frames" not in self.info.parameters:
            return frames
        return max(frames // step * step + plus, step, plus)

    @property
    def step_arguments(self) -> list[str]:
        """The arguments that decide its steps, if it takes no number of them."""
        if "num_inference_steps" in self.info.parameters:
            return []
        return [name for name in _STEPS if name in self.arguments]

    def own_steps(self, shot: Shot) -> int | None:
        """Return the steps of a pipeline that takes no number of them; None for others."""
        parameters = self.info.parameters
        if "num_inference_steps" in parameters:
            return None
        values = (shot.arguments.get(n, parameters[n].default) for n in self.step_arguments)
        found = [value for value in values if isinstance(value, (list, tuple))]
        whole = [all(isinstance(one, int) for one in value) for value in found]
        # Numbers of steps by stage, or the noise level of each step.
        return next((sum(v) if w else len(v) for v, w in zip(found, whole, strict=True)), 1)

    def steps(self, shot: Shot) -> int:
        """Return how many steps a resolved shot takes: for a redrawn video only a share."""
        steps, parameters = shot.num_inference_steps or 1, self.info.parameters
        redraws = any(condition.name == "video" for condition in shot.conditions)
        name = self.strength_argument
        share = shot.arguments.get(name, parameters[name].default) if redraws and name else 1
        if isinstance(share, (int, float)):
            steps = min(steps, int(steps * share))
        return steps_of_rounds(self.pipe, steps)

    def text_limits(self, shot: Shot, argument: str = "prompt") -> list[TextLimit]:
        """Return how much of a text each of the pipeline's tokenizers reads.

        Args:
            shot: A shot, which may set `max_sequence_length`.
            argument: What the text is: the prompt, or the negative prompt.
        """
        if "prompt" not in self.info.parameters:
            return []
        # What a class of the owner's own makes of a text isn't known.
        tokenizers = [
            own_tokens if is_known(own_tokens := getattr(self.pipe, name, None)) else None
            for name in ("tokenizer", "tokenizer_2")
        ]
        parameter = self.info.parameters.get("max_sequence_length")
        own = shot.arguments.get("max_sequence_length", parameter and parameter.default)
        tokenizer = getattr(tokenizers[0], "tokenizer", tokenizers[0])
        first = own or self.family.text_limit or getattr(tokenizer, "model_max_length", None)
        limits = [(first, not self._has_template), (self.family.second_text_limit, True)]
        instruction = self.info.parameters.get(_INSTRUCTION)
        instructed = shot.arguments.get(_INSTRUCTION, instruction and instruction.default)
        if first and instructed and argument != "negative_prompt":
            # The special tokens belong to its instruction.
            limits[0] = (first - _INSTRUCTION_RESERVE, False)
        return [
            TextLimit(tokenizer, limit, specials)
            for tokenizer, (limit, specials) in zip(tokenizers, limits, strict=True)
            if tokenizer is not None and limit
        ]

    @property
    def _has_template(self) -> bool:
        """Whether the prompt is put into a template, which has the special tokens."""
        return "prompt_template" in self.info.parameters or any(
            hasattr(self.pipe, name) for name in ("prompt_template", "system_message")
        )

    def usable(self, speed: Speed) -> Speed:
        """Return the part of a speed that this task can use."""
        own = self.family.own_timesteps
        if self.as_set_up:
            speed = replace(speed, cache=None, bfloat16=False, compiled=False, attention=None)
        # A LoRA for few steps was trained on text alone.
        few = None if self.accepts or self.as_set_up else speed.few_steps
        exact = own or (speed.few_steps is not None and few is None)
        return replace(
            speed,
            cache=speed.cache if self.uses_cache_context else None,
            few_steps=few,
            scheduler=None if own else speed.scheduler,
            steps=1.0 if exact else speed.steps,
        )


def task_of(pipe: Any) -> Task:
    """Return the task of one pipeline."""
    info = PipelineInfo(pipe)
    # A class that is derived from a known one is of its family.
    kinds = [kind.__name__ for kind in type(pipe).__mro__]
    family = family_of(kinds, info)
    if rounds_of(pipe) > 1:
        # What one round leaves to the next isn't part of a checkpoint.
        family = replace(family, resumes=False, predicts=False)
    if counts_steps(getattr(pipe, "guider", None)):
        family = replace(family, resumes=False)
    accepts = {
        name
        for name in CONDITIONS
        if family.inputs.get(name, name) in info.parameters and name not in family.excludes
    }
    if family.keyframes:
        accepts.update(_KEYFRAME_CONDITIONS)
        if "reference_conditions" in info.parameters:
            accepts.add("video")
    requires = accepts.intersection(info.missing)
    from_inputs = not family.text_alone and any(map(_FROM_INPUTS.search, kinds))
    if info.frames_argument is None:
        requires.add("video")
    return Task(
        pipe,
        info,
        family,
        frozenset(accepts),
        frozenset(requires),
        bool(requires or (accepts and from_inputs)),
        "cache_context" in source_of(type(pipe).__call__),
    )


def tasks_of(pipe: Any, kinds: Sequence[type]) -> list[Task]:
    """Return a pipeline's own task first, then those of other classes over its weights.

    Args:
        pipe: The pipeline.
        kinds: What `sibling_classes` returns for it.
    """
    others = (_sibling(pipe, kind) for kind in kinds)
    return [task_of(pipe), *(task_of(other) for other in others if other is not None)]


def sibling_classes(pipe: Any) -> list[type]:
    """Return the other classes of diffusers over a pipeline's weights."""
    import diffusers

    own = [kind.__name__ for kind in type(pipe).__mro__]
    names = [
        name
        for name in family_of(own, PipelineInfo(pipe)).siblings
        if name not in own and _fits_weights(pipe, name)
    ]
    return [kind for name in names if (kind := getattr(diffusers, name, None)) is not None]


def as_set_up(tasks: Sequence[Task], owner: OwnerState) -> tuple[Task, ...]:
    """Return the tasks that a pipeline has with what its owner has set up on it.

    What closes over the pipeline doesn't follow to other pipeline classes over its weights, and
    what networks keep within a clip isn't part of a checkpoint.
    """
    if not owner.alone:
        return tuple(tasks)
    family = replace(tasks[0].family, batches=False, resumes=False)
    if owner.may_draw:
        family = replace(family, own_draws=True)
    return (replace(tasks[0], family=family, as_set_up=True),)


def _sibling(pipe: Any, kind: Any) -> Any:
    """Build a pipeline of another class from a pipeline's components; None if one is missing.

    Not by `from_pipe`, which casts the shared networks to another dtype.
    """
    parts = {}
    for part, parameter in inspect.signature(kind.__init__).parameters.items():
        if part == "self":
            continue
        if part in pipe.components:
            parts[part] = pipe.components[part]
        elif part in pipe.config:
            parts[part] = pipe.config[part]
        elif parameter.default is parameter.empty:
            return None
    sibling = kind(**parts)
    sibling.set_progress_bar_config(disable=True)
    return sibling


def _fits_weights(pipe: Any, name: str) -> bool:
    """Return whether weights of one class were trained for the task of another."""
    if not name.startswith("Wan"):
        return True
    # Weights that were trained on an image have its channels beside the noise.
    network = denoiser_of(pipe)
    if network is None or pipe.vae is None:
        return False  # it can't run: the check of a shot reports it
    plain = bool(network.config.in_channels == pipe.vae.config.z_dim)
    if name == "WanImageToVideoPipeline":
        return plain and bool(pipe.config.get("expand_timesteps"))
    return plain
