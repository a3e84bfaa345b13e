"""The ways in which one set of weights makes clips: from text alone, from pictures, from films.

diffusers has a pipeline class for each; those that work with the same weights are made from one
another's parts, which costs nothing.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from beecam.errors import listing
from beecam.inputs import CONDITIONS, Condition
from beecam.models.anatomy import Anatomy
from beecam.models.families import Family, family_of

# Classes of this kind make nothing of a text alone, whatever their signatures say.
_FROM_INPUTS = re.compile("ImageToVideo|I2V|VideoToVideo|VideoToWorld|StableVideoDiffusion")
_OPENINGS = ("image", "last_image", "keyframes")


@dataclass(frozen=True)
class Way:
    """One pipeline class over a model's weights.

    Attributes:
        pipe: The pipeline.
        anatomy: What was read off it.
        family: Its row in the table.
        takes: The conditions that it can be given.
        needs: Those that it can't do without.
        needs_any: Whether it makes nothing without any.
    """

    pipe: Any
    anatomy: Anatomy
    family: Family
    takes: frozenset[str]
    needs: frozenset[str]
    needs_any: bool

    def suits(self, conditions: tuple[Condition, ...]) -> bool:
        """Return whether a shot with these conditions is made in this way."""
        names = {condition.name for condition in conditions}
        return names <= self.takes and self.needs <= names and bool(names or not self.needs_any)

    @property
    def tasks(self) -> str:
        """What it does, in words."""
        if not self.takes:
            return "text to video"
        given = listing([name for name in CONDITIONS if name in self.takes])
        return f"video from {given}" if self.needs_any else f"video from text, or from {given}"


def way_of(pipe: Any) -> Way:
    """Look at one pipeline."""
    anatomy = Anatomy(pipe)
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
    return Way(
        pipe, anatomy, family, frozenset(takes), frozenset(needs),
        bool(needs or (takes and _FROM_INPUTS.search(kind))),
    )  # fmt: skip


def ways_of(pipe: Any) -> list[Way]:
    """Return a pipeline's own way, and those of other classes that work with its weights."""
    own = way_of(pipe)
    others = [
        _sibling(pipe, name)
        for name in own.family.siblings
        if name != type(pipe).__name__ and _can_be(pipe, name)
    ]
    return [own, *(way_of(other) for other in others if other is not None)]


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
