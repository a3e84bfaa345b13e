"""What can't be introspected of a pipeline, a row for each family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beecam.models.diffusers.introspection import PipelineInfo


@dataclass(frozen=True)
class Family:
    """One family of pipelines.

    Attributes:
        name: What people call it.
        classes: Its diffusers pipeline classes.
        size_step: Width and height are multiples of this; 0 to read it off the pipeline.
        frame_step: Frame counts are a multiple of this, plus `frame_plus`; 0 to read it off.
        frame_plus: See `frame_step`.
        fps: Frames a second at which it was trained to play; 0 to read it off.
        refuses: Arguments that its pipelines name but can't work with.
        masks_padding: Whether padded tokens of a text have no part in the result.
        batches: Whether one call can make several clips, none of which changes another.
        listed: Whether clips of one call may be given different pictures.
        missing: How many frames fewer than it is asked for a clip has.
        keyframes: Who makes what its pipeline calls keyframes: "ltx", "vace" or nobody.
        siblings: Classes that work with the same weights, for what this one can't be given.
        own_timesteps: Whether its pipeline tells its scheduler the timesteps, which must not be
            shifted once more; no other scheduler understands it.
        predicts: Whether its results can be told before its last step.
        continues: Whether a clip can go on from within its steps.
        defaults: Arguments that differ from the pipeline's own defaults.
    """

    name: str
    classes: tuple[str, ...]
    size_step: int = 0
    frame_step: int = 0
    frame_plus: int = 1
    fps: float = 0.0
    refuses: tuple[str, ...] = ()
    masks_padding: bool = False
    batches: bool = True
    listed: bool = False
    missing: int = 0
    keyframes: str = ""
    siblings: tuple[str, ...] = ()
    own_timesteps: bool = False
    predicts: bool = True
    continues: bool = True
    defaults: Mapping[str, Any] = field(default_factory=dict)


_LTX = ("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline")
_WAN = ("WanPipeline", "WanVideoToVideoPipeline", "WanImageToVideoPipeline")
_COGVIDEOX = ("CogVideoXPipeline", "CogVideoXVideoToVideoPipeline")
_LTX2 = ("LTX2Pipeline", "LTX2ImageToVideoPipeline")
_SANA = ("SanaVideoPipeline", "SanaImageToVideoPipeline")
_ANIMATEDIFF = ("AnimateDiffPipeline", "AnimateDiffVideoToVideoPipeline")

# Where `batches` is False, two clips in one call were seen to fail or to change each other.
FAMILIES = (
    Family(
        name="LTX",
        classes=("LTXPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        siblings=_LTX,
        refuses=("timesteps",),  # it always gives its scheduler sigmas, too
    ),
    Family(
        name="LTX",
        classes=("LTXImageToVideoPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        siblings=_LTX,
        listed=True,
        refuses=("timesteps",),
    ),
    # What it is given it draws noise on at each step, from what it began with.
    Family(
        name="LTX",
        classes=("LTXConditionPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        siblings=_LTX,
        batches=False,
        continues=False,
        keyframes="ltx",
        own_timesteps=True,
        refuses=("timesteps", "conditions", "frame_index"),
    ),
    # Its second scheduler, of the sound, is a copy that no state is kept of.
    Family(
        name="LTX-2",
        classes=("LTX2Pipeline",),
        size_step=32,
        continues=False,
        siblings=_LTX2,
        refuses=("timesteps", "audio_latents"),
    ),
    Family(
        name="LTX-2",
        classes=("LTX2ImageToVideoPipeline",),
        size_step=32,
        continues=False,
        siblings=_LTX2,
        batches=False,
        refuses=("timesteps", "audio_latents"),
    ),
    Family(name="Wan", classes=("WanPipeline", "WanImageToVideoPipeline"), fps=16.0, siblings=_WAN),
    Family(name="Wan", classes=("WanVideoToVideoPipeline",), fps=16.0, listed=True, siblings=_WAN),
    Family(
        name="Wan VACE", classes=("WanVACEPipeline",), fps=16.0, batches=False, keyframes="vace"
    ),
    Family(name="CogVideoX", classes=("CogVideoXPipeline",), fps=8.0, siblings=_COGVIDEOX),
    Family(
        name="CogVideoX",
        classes=("CogVideoXVideoToVideoPipeline",),
        fps=8.0,
        listed=True,
        siblings=_COGVIDEOX,
    ),
    Family(name="CogVideoX", classes=("CogVideoXImageToVideoPipeline",), fps=8.0, listed=True),
    Family(name="Mochi", classes=("MochiPipeline",), fps=30.0),
    Family(name="HunyuanVideo", classes=("HunyuanVideoPipeline",), fps=24.0),
    Family(
        name="HunyuanVideo",
        classes=("HunyuanVideoImageToVideoPipeline",),
        fps=24.0,
        listed=True,
        missing=4,
    ),
    Family(
        name="HunyuanVideo 1.5",
        fps=24.0,
        batches=False,
        classes=("HunyuanVideo15Pipeline", "HunyuanVideo15ImageToVideoPipeline"),
    ),
    Family(
        name="SkyReels-V2",
        classes=("SkyReelsV2Pipeline", "SkyReelsV2ImageToVideoPipeline"),
        fps=24.0,
    ),
    # It has a scheduler for each frame of latents.
    Family(
        name="SkyReels-V2",
        classes=("SkyReelsV2DiffusionForcingPipeline",),
        fps=24.0,
        batches=False,
        continues=False,
        predicts=False,
    ),
    Family(name="Cosmos", classes=("CosmosTextToWorldPipeline",), batches=False),
    # They count their steps from the first that they do.
    Family(
        name="Cosmos",
        batches=False,
        continues=False,
        classes=("CosmosVideoToWorldPipeline", "Cosmos2VideoToWorldPipeline"),
    ),
    Family(
        name="Kandinsky 5",
        classes=("Kandinsky5T2VPipeline", "Kandinsky5I2VPipeline"),
        fps=24.0,
        batches=False,
    ),
    # Its bits depend on a clip's place in the call, even in calls of two.
    Family(name="SanaVideo", classes=_SANA, fps=16.0, batches=False, siblings=_SANA),
    Family(name="AnimateDiff", classes=("AnimateDiffPipeline",), fps=8.0, siblings=_ANIMATEDIFF),
    Family(
        name="AnimateDiff",
        classes=("AnimateDiffVideoToVideoPipeline",),
        fps=8.0,
        listed=True,
        siblings=_ANIMATEDIFF,
    ),
    Family(name="Latte", classes=("LattePipeline",), fps=8.0, batches=False),
    Family(name="Allegro", classes=("AllegroPipeline",), fps=15.0, frame_plus=0, batches=False),
    Family(
        name="Stable Video Diffusion",
        classes=("StableVideoDiffusionPipeline",),
        frame_plus=0,
        listed=True,
    ),
    # Its latents have another order in its loop than before it.
    Family(name="AnyFlow", classes=("AnyFlowPipeline",), fps=16.0, continues=False),
)


def family_of(class_name: str, anatomy: PipelineInfo) -> Family:
    """Return the family of a pipeline class; cautious answers when it is in no row.

    Args:
        class_name: Of the pipeline.
        anatomy: What the row leaves open is read off it.
    """
    unknown = Family(name=class_name.removesuffix("Pipeline"), classes=(), batches=False)
    row = next((family for family in FAMILIES if class_name in family.classes), unknown)
    # A size must suit what the pipeline checks and what its autoencoder can cut without a rest.
    size_step = math.lcm(row.size_step, anatomy.spatial) if row.size_step else anatomy.size_step
    return replace(
        row,
        size_step=size_step,
        frame_step=row.frame_step or anatomy.temporal,
        fps=row.fps or anatomy.default("fps"),
    )
