"""What one family of pipelines has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """One family of pipelines.

    Attributes:
        name: The name that people use.
        classes: Its diffusers pipeline classes.
        size_step: Width and height are multiples of this; 0 to read it off the pipeline.
        frame_step: The number of frames is a multiple of this, plus `frame_plus`; 0 to read it
            off the pipeline.
        frame_plus: See `frame_step`.
        fps: Frames per second that it was trained at; 0 to read it off the pipeline.
        excludes: Arguments that its pipelines name but can't work with.
        masks_padding: Whether padding tokens have no effect on the result, and can be cut off.
        ignores_padding: Whether a limit of tokens that a text doesn't reach has no effect.
        unread: Arguments that its pipelines take but, by a fault of diffusers, don't use.
        least_steps: The smallest number of steps that it can take.
        batches: Whether a batch can have several clips, none of which changes another.
        per_clip: Whether the clips of a batch may have different images and videos.
        cut_frames: How many frames fewer than requested a clip has.
        keyframes: Keyframe format: "ltx", "ltx2", "vace" or "" for none.
        siblings: Classes that work with the same weights, for conditions that this one can't use.
        own_timesteps: Whether its pipeline passes timesteps to its scheduler, which must not be
            shifted a second time; no other scheduler understands it.
        text_limit: Tokens of a prompt that it reads, for pipelines without `max_sequence_length`
            whose tokenizer doesn't limit it; 0 for others.
        second_text_limit: Tokens that its second tokenizer reads; 0 if it has none for the prompt.
        predicts: Whether its result can be predicted before its last step.
        resumes: Whether a clip can resume from within its steps.
        own_draws: Whether its pipeline draws random numbers without the generators that it is
            passed.
        draws_later: Whether it draws noise when its latents are prepared already.
        continues: Whether a clip continues a video, of any length, rather than redraws it.
        fits_images: Whether images reach it in their own size, because other arguments refer to
            their pixels.
        least_video: The fewest frames of a video that it can continue.
        inputs: Its own names of conditions, by their names in a shot.
        text_alone: Whether it works without an image, whatever the name of its class says.
        needs: Arguments that it can't work without, each with an example.
        acts_with: Arguments that act only with one of some conditions or parts of the pipeline.
        packages: Packages that it needs with some conditions, by the names of these.
        fixed: Arguments of its call that no shot sets, with their values.
        defaults: Arguments that differ from the pipeline's own defaults.
    """

    name: str
    classes: tuple[str, ...]
    size_step: int = 0
    frame_step: int = 0
    frame_plus: int = 1
    fps: float = 0.0
    excludes: tuple[str, ...] = ()
    masks_padding: bool = False
    ignores_padding: bool = False
    unread: tuple[str, ...] = ()
    least_steps: int = 1
    batches: bool = True
    per_clip: bool = False
    cut_frames: int = 0
    keyframes: str = ""
    siblings: tuple[str, ...] = ()
    own_timesteps: bool = False
    text_limit: int = 0
    second_text_limit: int = 0
    predicts: bool = True
    resumes: bool = True
    own_draws: bool = False
    draws_later: bool = False
    continues: bool = False
    fits_images: bool = False
    least_video: int = 1
    inputs: Mapping[str, str] = field(default_factory=dict)
    text_alone: bool = False
    needs: Mapping[str, str] = field(default_factory=dict)
    acts_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
