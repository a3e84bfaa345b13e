"""Facts that can't be read off a pipeline, one row per family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from beecam.models.diffusers.introspection import PipelineInfo


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
        keyframes: Keyframe format: "ltx", "vace" or "" for none.
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
    defaults: Mapping[str, Any] = field(default_factory=dict)


_LTX = ("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline")
_WAN = ("WanPipeline", "WanVideoToVideoPipeline", "WanImageToVideoPipeline")
_COGVIDEOX = ("CogVideoXPipeline", "CogVideoXVideoToVideoPipeline")
_LTX2 = ("LTX2Pipeline", "LTX2ImageToVideoPipeline")
# What these decide is decided by num_frames, which is always passed, and by noise.
_LTX2_IDLE = ("min_seconds", "max_seconds", "noise_scale")
_SANA = ("SanaVideoPipeline", "SanaImageToVideoPipeline")
_ANIMATEDIFF = ("AnimateDiffPipeline", "AnimateDiffVideoToVideoPipeline")

# Where `batches` is False, two clips in one batch failed or changed each other in our tests.
FAMILIES = (
    Family(
        name="LTX",
        classes=("LTXPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        ignores_padding=True,
        siblings=_LTX,
        excludes=("timesteps",),  # it always passes sigmas to its scheduler, too
    ),
    Family(
        name="LTX",
        classes=("LTXImageToVideoPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        ignores_padding=True,
        siblings=_LTX,
        per_clip=True,
        excludes=("timesteps",),
    ),
    # At each step it adds noise to its conditions, drawn from the initial latents.
    Family(
        name="LTX",
        classes=("LTXConditionPipeline",),
        size_step=32,
        frame_step=8,
        masks_padding=True,
        ignores_padding=True,
        siblings=_LTX,
        batches=False,
        resumes=False,
        keyframes="ltx",
        own_timesteps=True,
        excludes=("timesteps", "conditions", "frame_index"),
    ),
    # Its second scheduler, for the audio, is a copy whose state isn't captured.
    Family(
        name="LTX-2",
        classes=("LTX2Pipeline",),
        size_step=32,
        resumes=False,
        siblings=_LTX2,
        excludes=("timesteps", "audio_latents", *_LTX2_IDLE),
    ),
    Family(
        name="LTX-2",
        classes=("LTX2ImageToVideoPipeline",),
        size_step=32,
        resumes=False,
        siblings=_LTX2,
        batches=False,
        excludes=("timesteps", "audio_latents", *_LTX2_IDLE),
    ),
    Family(name="Wan", classes=("WanPipeline", "WanImageToVideoPipeline"), fps=16.0, siblings=_WAN),
    Family(
        name="Wan", classes=("WanVideoToVideoPipeline",), fps=16.0, per_clip=True, siblings=_WAN
    ),
    Family(
        name="Wan VACE", classes=("WanVACEPipeline",), fps=16.0, batches=False, keyframes="vace"
    ),
    Family(name="CogVideoX", classes=("CogVideoXPipeline",), fps=8.0, siblings=_COGVIDEOX),
    Family(
        name="CogVideoX",
        classes=("CogVideoXVideoToVideoPipeline",),
        fps=8.0,
        per_clip=True,
        siblings=_COGVIDEOX,
    ),
    Family(name="CogVideoX", classes=("CogVideoXImageToVideoPipeline",), fps=8.0, per_clip=True),
    # It always passes sigmas of its own to its scheduler, and divides by the steps less one.
    Family(
        name="Mochi",
        classes=("MochiPipeline",),
        fps=30.0,
        ignores_padding=True,
        least_steps=2,
        excludes=("timesteps",),
    ),
    Family(
        name="HunyuanVideo",
        classes=("HunyuanVideoPipeline",),
        unread=("prompt_2", "negative_prompt_2"),
        fps=24.0,
        second_text_limit=77,
        ignores_padding=True,
    ),
    Family(
        name="HunyuanVideo",
        classes=("HunyuanVideoImageToVideoPipeline",),
        unread=("prompt_2", "negative_prompt_2"),
        fps=24.0,
        per_clip=True,
        cut_frames=4,
        second_text_limit=77,
        ignores_padding=True,
    ),
    Family(
        name="HunyuanVideo 1.5",
        fps=24.0,
        text_limit=1000,
        batches=False,
        classes=("HunyuanVideo15Pipeline", "HunyuanVideo15ImageToVideoPipeline"),
    ),
    Family(
        name="SkyReels-V2",
        classes=("SkyReelsV2Pipeline", "SkyReelsV2ImageToVideoPipeline"),
        fps=24.0,
    ),
    # It has a scheduler for each latent frame. `causal_block_size` is written into its transformer,
    # whose later clips would differ.
    Family(
        name="SkyReels-V2",
        classes=(
            "SkyReelsV2DiffusionForcingPipeline",
            "SkyReelsV2DiffusionForcingImageToVideoPipeline",
        ),
        fps=24.0,
        batches=False,
        own_draws=True,
        resumes=False,
        predicts=False,
        excludes=("causal_block_size",),
    ),
    Family(name="Cosmos", classes=("CosmosTextToWorldPipeline",), batches=False),
    # They count their steps from the first one that they run.
    Family(
        name="Cosmos",
        batches=False,
        resumes=False,
        classes=("CosmosVideoToWorldPipeline", "Cosmos2VideoToWorldPipeline"),
    ),
    Family(
        name="Kandinsky 5",
        classes=("Kandinsky5T2VPipeline", "Kandinsky5I2VPipeline"),
        fps=24.0,
        second_text_limit=77,
        ignores_padding=True,
        batches=False,
    ),
    # Its bits depend on a clip's position in the batch, even in batches of two.
    Family(
        name="SanaVideo",
        classes=_SANA,
        fps=16.0,
        batches=False,
        siblings=_SANA,
        ignores_padding=True,
    ),
    Family(name="AnimateDiff", classes=("AnimateDiffPipeline",), fps=8.0, siblings=_ANIMATEDIFF),
    Family(
        name="AnimateDiff",
        classes=("AnimateDiffVideoToVideoPipeline",),
        fps=8.0,
        per_clip=True,
        siblings=_ANIMATEDIFF,
    ),
    Family(name="AnimateDiff", classes=("AnimateDiffPAGPipeline",), fps=8.0),
    Family(
        name="AnimateDiff SDXL",
        classes=("AnimateDiffSDXLPipeline",),
        fps=8.0,
        second_text_limit=77,
        batches=False,
    ),
    # It generates whole chunks, each from its first step on.
    Family(
        name="Helios",
        classes=("HeliosPipeline",),
        frame_step=33,
        frame_plus=0,
        fps=24.0,
        batches=False,
        resumes=False,
        predicts=False,
        # Without the first frame it splits its history into one frame more than it has.
        # The other one drops frames of clips that have a second chunk.
        excludes=("keep_first_frame", "is_skip_first_chunk"),
    ),
    Family(name="Latte", classes=("LattePipeline",), fps=8.0, batches=False, text_limit=120),
    Family(
        name="Allegro",
        classes=("AllegroPipeline",),
        fps=15.0,
        frame_plus=0,
        batches=False,
        ignores_padding=True,
    ),
    Family(
        name="Stable Video Diffusion",
        classes=("StableVideoDiffusionPipeline",),
        frame_plus=0,
        per_clip=True,
    ),
    # Its latents have another axis order in its loop than before it.
    Family(name="AnyFlow", classes=("AnyFlowPipeline",), fps=16.0, resumes=False),
)

_CONTROL = "a video that controls it, which a shot can't carry yet"
_LATENTS = "latents of another pipeline, which aren't part of a shot"
# Video pipelines that can't generate a shot, each with what it needs.
UNFIT = {
    "AnimateDiffControlNetPipeline": _CONTROL,
    "AnimateDiffSparseControlNetPipeline": "frames that control it, which a shot can't carry yet",
    "AnimateDiffVideoToVideoControlNetPipeline": _CONTROL,
    "CogVideoXFunControlPipeline": _CONTROL,
    "ConsisIDPipeline": "an embedding of a face, which a shot can't carry yet",
    "Cosmos2_5_TransferPipeline": _CONTROL,
    "EasyAnimateControlPipeline": _CONTROL,
    "EasyAnimateInpaintPipeline": "a video with a mask, which it names otherwise than a shot",
    "LTX2DFRTemporalRefinePipeline": _LATENTS,
    "LTX2LatentUpsamplePipeline": _LATENTS,
    "LTX2VideoDiffusionDecodePipeline": _LATENTS,
    "LTXLatentUpsamplePipeline": _LATENTS,
    "WanAnimatePipeline": "videos of a pose and of a face, which a shot can't carry yet",
}


def family_of(class_names: Sequence[str], info: PipelineInfo) -> Family:
    """Return the family of a pipeline class; cautious values if it is in no row.

    Args:
        class_names: The name of the pipeline's class, then those of the classes it derives from.
        info: Facts read off the pipeline, for what the row leaves open.
    """
    name = class_names[0].removesuffix("Pipeline")
    # Any number of frames: a clip is kept with those that it then has.
    unknown = Family(
        name=name, classes=(), frame_step=1, frame_plus=0, batches=False, own_draws=True
    )
    rows = {kind: family for family in FAMILIES for kind in family.classes}
    row = next((rows[kind] for kind in class_names if kind in rows), unknown)
    # A size must pass the pipeline's check and divide into whole patches of its autoencoder.
    size_step = math.lcm(row.size_step, info.spatial) if row.size_step else info.size_step
    return replace(
        row,
        size_step=size_step,
        frame_step=row.frame_step or info.temporal,
        fps=row.fps or info.default("fps"),
    )
