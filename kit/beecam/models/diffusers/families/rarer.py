"""The families of which `tests/kit/test_rarer_families.py` compares a sweep with plain calls.

What more a family of `table.py` can do isn't tried here, and so is off: several clips in a batch,
drafts, resuming.
"""

from __future__ import annotations

import functools

from beecam.models.diffusers.families.family import Family

_LTX2_IDLE = ("timesteps", "audio_latents", "min_seconds", "max_seconds", "noise_scale")
# What belongs to latents of another pipeline, which aren't part of a shot.
_OF_LATENTS = (
    "reference_downscale_factor",
    "guidance_keyframe_strength",
    "keyframe_positions",
    "guidance_keyframe_positions",
    "keyframes_latents",
    "reference_latents",
    "guidance_keyframe_latents",
    "guidance_latents",
    "guiding_strength",
    "negative_index_latents",
)
_rare = functools.partial(Family, batches=False, resumes=False, predicts=False, own_draws=True)

RARER = (
    _rare(
        name="SkyReels-V2",
        classes=("SkyReelsV2DiffusionForcingVideoToVideoPipeline",),
        fps=24.0,
        continues=True,
        needs={"overlap_history": "overlap_history=17"},
        excludes=("causal_block_size",),
    ),
    _rare(
        name="LTX-2",
        classes=("LTX2ConditionPipeline", "LTX2InContextPipeline"),
        size_step=32,
        keyframes="ltx2",
        excludes=(*_LTX2_IDLE, "conditions", "reference_conditions"),
        acts_with={
            "reference_downscale_factor": ("video",),
            "conditioning_attention_strength": ("video",),
        },
    ),
    _rare(
        name="LTX-2",
        classes=("LTX2DFRPipeline",),
        size_step=32,
        keyframes="ltx2",
        excludes=(*_LTX2_IDLE, "conditions", *_OF_LATENTS),
    ),
    _rare(
        name="LTX",
        classes=("LTXI2VLongMultiPromptPipeline",),
        size_step=32,
        frame_step=8,
        inputs={"image": "cond_image"},
        text_alone=True,
        # Otherwise this number decides the noise, and no generator.
        fixed={"seed": None},
        draws_later=True,
        excludes=_OF_LATENTS,
        acts_with=dict.fromkeys(("cond_strength", "negative_index_strength"), ("image",)),
    ),
    # It has no negative prompt of its own, and fails without one.
    _rare(
        name="EasyAnimate",
        classes=("EasyAnimatePipeline",),
        fps=8.0,
        defaults={"negative_prompt": ""},
    ),
    _rare(
        name="Cosmos",
        classes=("Cosmos2_5_PredictBasePipeline",),
        fps=16.0,
        continues=True,
        acts_with=dict.fromkeys(
            ("conditional_frame_timestep", "num_latent_conditional_frames"), ("image", "video")
        ),
        packages={"image": "torchvision"},
    ),
    _rare(
        name="Cosmos",
        classes=("Cosmos3OmniPipeline",),
        continues=True,
        acts_with={"enable_safety_check": ("safety_checker",), "condition_video_keep": ("video",)},
    ),
    _rare(
        name="Helios",
        classes=("HeliosPyramidPipeline",),
        size_step=64,  # three stages, each of half the size of the next
        frame_step=33,
        frame_plus=0,
        fps=24.0,
        continues=True,
        least_video=33,
        excludes=("keep_first_frame", "is_skip_first_chunk"),
        acts_with={
            "use_zero_init": ("is_cfg_zero_star",),
            "zero_steps": ("is_cfg_zero_star",),
            "is_amplify_first_chunk": ("is_distilled",),
        },
    ),
    _rare(
        name="AnyFlow",
        classes=("AnyFlowFARPipeline",),
        fps=16.0,
        excludes=("video", "use_kv_cache"),
    ),
    _rare(
        name="HunyuanVideo",
        classes=("HunyuanVideoFramepackPipeline",),
        unread=("prompt_2", "negative_prompt_2"),
        second_text_limit=77,
        fps=30.0,
    ),
    _rare(
        name="HunyuanVideo",
        classes=("HunyuanSkyreelsImageToVideoPipeline",),
        unread=("prompt_2", "negative_prompt_2"),
        second_text_limit=77,
        fps=24.0,
        ignores_padding=True,
    ),
    _rare(name="Kandinsky 6", classes=("Kandinsky6TI2VAPipeline",), second_text_limit=77),
    _rare(
        name="ChronoEdit",
        classes=("ChronoEditPipeline",),
        fps=16.0,
        defaults={"num_frames": 5},
    ),
    _rare(name="Lucy Edit", classes=("LucyEditPipeline",), fps=24.0),
    _rare(
        name="SANA-WM",
        classes=("SanaWMPipeline",),
        needs={
            "action": "action='w-80'",
            "intrinsics": "intrinsics=[(800.0, 800.0, 640.0, 352.0)]",
        },
        excludes=("c2w",),
        fits_images=True,
        ignores_padding=True,
    ),
    _rare(
        name="Motif-Video",
        classes=("MotifVideoPipeline", "MotifVideoImage2VideoPipeline"),
        fps=24.0,
        ignores_padding=True,
        excludes=("timesteps",),  # it always passes sigmas to its scheduler, too
    ),
    _rare(name="PIA", classes=("PIAPipeline",), frame_plus=0, fps=8.0),
    _rare(
        name="ModelScope",
        classes=("TextToVideoSDPipeline", "VideoToVideoSDPipeline"),
        frame_plus=0,
        fps=8.0,
    ),
    _rare(name="I2VGen-XL", classes=("I2VGenXLPipeline",), frame_plus=0),
)
