"""The ways in which one set of weights makes clips: from text alone, from pictures, from films.

diffusers has a pipeline class for each; those that work with the same weights are made from one
another's parts, which costs nothing.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from beecam.errors import join_words
from beecam.models.diffusers.families import Family, family_of
from beecam.models.diffusers.introspection import PipelineInfo
from beecam.shots.conditions import CONDITIONS, Condition
from beecam.shots.shot import Shot

# Classes of this kind make nothing of a text alone, whatever their signatures say.
_FROM_INPUTS = re.compile("ImageToVideo|I2V|VideoToVideo|VideoToWorld|StableVideoDiffusion")
_OPENINGS = ("image", "last_image", "keyframes")

# Arguments of every pipeline that the adapter itself fills in; its family may name more.
_OURS = (
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
    "output_type",
    "return_dict",
    "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
)
# Words in the names of arguments for what the adapter has encoded.
_ENCODED = ("_embeds", "_attention_mask", "_embeds_mask", "_cu_seqlens")


@dataclass(frozen=True)
class Task:
    """One pipeline class over a model's weights.

    Attributes:
        pipe: The pipeline.
        anatomy: What was read off it.
        family: Its row in the table.
        takes: The conditions that it can be given.
        needs: Those that it can't do without.
        needs_any: Whether it makes nothing without any.
        names_its_calls: Whether it tells its network with which texts it calls it, as caches need.
    """

    pipe: Any
    anatomy: PipelineInfo
    family: Family
    takes: frozenset[str]
    needs: frozenset[str]
    needs_any: bool
    names_its_calls: bool

    def suits(self, conditions: tuple[Condition, ...]) -> bool:
        """Return whether a shot with these conditions is made in this way."""
        names = {condition.name for condition in conditions}
        return names <= self.takes and self.needs <= names and bool(names or not self.needs_any)

    @property
    def tasks(self) -> str:
        """What it does, in words."""
        if not self.takes:
            return "text to video"
        given = join_words([name for name in CONDITIONS if name in self.takes])
        return f"video from {given}" if self.needs_any else f"video from text, or from {given}"

    @property
    def arguments(self) -> dict[str, Any]:
        """What a shot may give it beyond its own fields, with the defaults."""
        taken = self.anatomy
        ours = {
            *_OURS,
            *CONDITIONS,
            *self.family.refuses,
            taken.fps_argument,
            taken.frames_argument,
        }
        return {
            name: parameter.default
            for name, parameter in taken.parameters.items()
            if name not in ours
            and not any(word in name for word in _ENCODED)
            and parameter.kind is not parameter.VAR_KEYWORD
        }

    @property
    def share(self) -> str | None:
        """The argument that says which share of the steps a film that is redrawn takes, if any."""
        names = ("denoise_strength", "strength")
        return next((name for name in names if name in self.anatomy.parameters), None)

    def steps(self, shot: Shot) -> int:
        """Return how many steps a resolved shot takes: of a film that is redrawn, not all."""
        steps, taken = shot.num_inference_steps or 1, self.anatomy.parameters
        film = any(condition.name == "video" for condition in shot.conditions)
        name = self.share
        if not film or name is None:
            return steps
        share = shot.arguments.get(name, taken[name].default)
        return min(steps, int(steps * share)) if isinstance(share, (int, float)) else steps


def task_of(pipe: Any) -> Task:
    """Look at one pipeline."""
    anatomy = PipelineInfo(pipe)
    kind = type(pipe).__name__
    family = family_of(kind, anatomy)
    takes = {
        name for name in CONDITIONS if name in anatomy.parameters and name not in family.refuses
    }
    if family.keyframes:
        takes.update(_OPENINGS)
    needs = takes.intersection(anatomy.missing)
    if anatomy.frames_argument is None:
        needs.add("video")
    return Task(
        pipe,
        anatomy,
        family,
        frozenset(takes),
        frozenset(needs),
        bool(needs or (takes and _FROM_INPUTS.search(kind))),
        _names_its_calls(pipe),
    )


def _names_its_calls(pipe: Any) -> bool:
    try:
        return "cache_context" in inspect.getsource(type(pipe).__call__)
    except (OSError, TypeError):
        return False


def tasks_of(pipe: Any) -> list[Task]:
    """Return a pipeline's own way, and those of other classes that work with its weights."""
    own = task_of(pipe)
    others = [
        _sibling(pipe, name)
        for name in own.family.siblings
        if name != type(pipe).__name__ and _can_be(pipe, name)
    ]
    return [own, *(task_of(other) for other in others if other is not None)]


def _sibling(pipe: Any, name: str) -> Any:
    """Make a pipeline of another class from a pipeline's parts, or None where one is missing.

    Not by `from_pipe`, which casts the shared networks to another type of numbers.
    """
    import diffusers

    kind = getattr(diffusers, name, None)
    if kind is None:
        return None
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
    made = kind(**parts)
    made.set_progress_bar_config(disable=True)
    return made


def _can_be(pipe: Any, name: str) -> bool:
    """Return whether weights of one class were trained for what another does."""
    if not name.startswith("Wan"):
        return True
    # Weights that were trained on a picture have its channels beside the noise.
    plain = bool(pipe.transformer.config.in_channels == pipe.vae.config.z_dim)
    if name == "WanImageToVideoPipeline":
        return plain and bool(pipe.config.get("expand_timesteps"))
    return plain
