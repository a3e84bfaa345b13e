"""The families that every test of `tests/kit/test_families.py` runs."""

from __future__ import annotations

from beecam.models.diffusers.families.family import Family

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
        continues=True,
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
        continues=True,
        least_video=33,
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
