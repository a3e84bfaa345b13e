"""AnimateDiff on Stable Diffusion 1.5: text and video."""

from tiny.inputs import video
from tiny.text_encoders import SIZE, clip_text, clip_tokenizer


def image_vae():
    """Return Stable Diffusion's VAE for single frames, with a factor of 2 instead of 8."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=2,
    )


def parts(**of_motion):
    from diffusers import DDIMScheduler, MotionAdapter, UNet2DConditionModel

    unet = UNet2DConditionModel(
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=SIZE,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    motion = MotionAdapter(
        block_out_channels=(8, 8),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=2,
        **of_motion,
    )
    tokenizer = clip_tokenizer()
    return {
        "vae": image_vae(),
        "text_encoder": clip_text(tokenizer),
        "tokenizer": tokenizer,
        "unet": unet,
        "motion_adapter": motion,
        "scheduler": DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="linear",
            clip_sample=False,
            timestep_spacing="linspace",
        ),
    }


# As many frames as the video; at strength 0.5 it runs 2 of 4 steps.
_VIDEO = {
    "height": 16,
    "width": 16,
    "video": video(4, 16, 16),
    "num_inference_steps": 4,
    "strength": 0.5,
}


def _animatediff_sdxl():
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    made = parts()
    tokenizer = made["tokenizer"]
    config = {**made["text_encoder"].config.to_dict(), "projection_dim": SIZE}
    # Both encoders' tokens, and the size of the image as six numbers beside the pooled text.
    unet = UNet2DConditionModel(
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=2 * SIZE,
        attention_head_dim=2,
        norm_num_groups=2,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + SIZE,
        transformer_layers_per_block=1,
    )
    second = CLIPTextModelWithProjection(CLIPTextConfig(**config))
    return {**made, "unet": unet, "tokenizer_2": tokenizer, "text_encoder_2": second}


MAKERS = {
    **dict.fromkeys(
        ("AnimateDiffPipeline", "AnimateDiffPAGPipeline", "AnimateDiffVideoToVideoPipeline"),
        parts,
    ),
    "AnimateDiffSDXLPipeline": _animatediff_sdxl,
}
SHAPES = {
    "AnimateDiffPAGPipeline": {
        "height": 16,
        "width": 16,
        "num_frames": 4,
        "num_inference_steps": 2,
    },
    "AnimateDiffSDXLPipeline": {
        "height": 16,
        "width": 16,
        "num_frames": 4,
        "num_inference_steps": 2,
    },
    "AnimateDiffPipeline": {"height": 16, "width": 16, "num_frames": 4, "num_inference_steps": 2},
    "AnimateDiffVideoToVideoPipeline": _VIDEO,
}
