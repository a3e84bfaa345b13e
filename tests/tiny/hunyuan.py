"""HunyuanVideo with Framepack and SkyReels, and HunyuanVideo 1.5: text and image."""

from functools import partial

from tiny.inputs import image
from tiny.text_encoders import (
    SIZE,
    clip_images,
    clip_text,
    clip_tokenizer,
    llama,
    llama_tokenizer,
    llava,
    qwen_text,
    qwen_tokenizer,
    siglip_vision,
    t5,
)


def _scheduler():
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=7.0)


def vae(channels=4, width=8):
    from diffusers import AutoencoderKLHunyuanVideo

    return AutoencoderKLHunyuanVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=channels,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(width,) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=True,
    )


def _hunyuan(*, image=False):
    from diffusers import HunyuanVideoTransformer3DModel
    from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video as of_text
    from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video_image2video as of_image

    transformer = HunyuanVideoTransformer3DModel(
        in_channels=9 if image else 4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=1,
        patch_size_t=1,
        guidance_embeds=not image,
        text_embed_dim=SIZE,
        pooled_projection_dim=SIZE,
        rope_axes_dim=(2, 4, 4),
        image_condition_type="latent_concat" if image else None,
    )
    tokenizer = llama_tokenizer((of_image if image else of_text).DEFAULT_PROMPT_TEMPLATE)
    tokenizer_2 = clip_tokenizer()
    components = {
        "transformer": transformer,
        "vae": vae(),
        "scheduler": _scheduler(),
        "tokenizer": tokenizer,
        "text_encoder": (llava if image else llama)(tokenizer),
        "tokenizer_2": tokenizer_2,
        "text_encoder_2": clip_text(tokenizer_2),
    }
    return {**components, "image_processor": clip_images(24)} if image else components


def _skyreels():
    from diffusers import HunyuanVideoTransformer3DModel

    # Latents beside those of the image.
    config = {**_hunyuan()["transformer"].config, "in_channels": 8}
    return {**_hunyuan(), "transformer": HunyuanVideoTransformer3DModel.from_config(config)}


def _framepack():
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    transformer = HunyuanVideoFramepackTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        guidance_embeds=True,
        text_embed_dim=SIZE,
        pooled_projection_dim=SIZE,
        rope_axes_dim=(2, 4, 4),
        image_condition_type=None,
        has_image_proj=True,
        image_proj_dim=12,
        has_clean_x_embedder=True,
    )
    image_encoder, feature_extractor = siglip_vision(12)
    return {
        **_hunyuan(),
        "transformer": transformer,
        "image_encoder": image_encoder,
        "feature_extractor": feature_extractor,
    }


def _hunyuan15(*, image=False):
    import inspect

    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )
    from transformers import ByT5Tokenizer

    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=SIZE,
        text_embed_2_dim=SIZE,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
        task_type="i2v" if image else "t2v",
    )
    vae = AutoencoderKLHunyuanVideo15(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=2,
        downsample_match_channel=False,
        upsample_match_channel=False,
    )
    system = inspect.signature(HunyuanVideo15Pipeline._get_mllm_prompt_embeds).parameters
    instructions = (
        f"<|im_start|>system\n{system['system_message'].default}<|im_end|>\n<|im_start|>user\n"
    )
    tokenizer = qwen_tokenizer(instructions, system["crop_start"].default)
    tokenizer_2 = ByT5Tokenizer()
    components = {
        "transformer": transformer,
        "vae": vae,
        "scheduler": _scheduler(),
        "tokenizer": tokenizer,
        "text_encoder": qwen_text(tokenizer),
        "tokenizer_2": tokenizer_2,
        "text_encoder_2": t5(tokenizer_2),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }
    if image:
        components["image_encoder"], components["feature_extractor"] = siglip_vision(12)
    return components


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}
_SHAPE15 = {"num_frames": 5, "num_inference_steps": 2}

MAKERS = {
    "HunyuanVideoPipeline": _hunyuan,
    "HunyuanVideoImageToVideoPipeline": partial(_hunyuan, image=True),
    "HunyuanVideo15Pipeline": _hunyuan15,
    "HunyuanVideo15ImageToVideoPipeline": partial(_hunyuan15, image=True),
    "HunyuanSkyreelsImageToVideoPipeline": _skyreels,
    "HunyuanVideoFramepackPipeline": _framepack,
}
# HunyuanVideo 1.5 pads texts and images to 1985 tokens, whatever the prompt and the networks.
_SHORT15 = {
    "tokenizer_max_length": 64,
    "tokenizer_2_max_length": 16,
    "vision_num_semantic_tokens": 9,
}
SHORT_TEXTS = {
    "HunyuanVideo15Pipeline": _SHORT15,
    "HunyuanVideo15ImageToVideoPipeline": _SHORT15,
}
SHAPES = {
    "HunyuanVideoPipeline": _SHAPE,
    # It drops the first 4 frames, so that 5 remain.
    "HunyuanVideoImageToVideoPipeline": {**_SHAPE, "image": image(16, 16), "num_frames": 9},
    "HunyuanVideo15Pipeline": {**_SHAPE15, "height": 16, "width": 16},
    # Takes its size from the image's shape and the transformer's `target_size`: 16 x 16.
    "HunyuanVideo15ImageToVideoPipeline": {**_SHAPE15, "image": image(16, 16)},
    "HunyuanSkyreelsImageToVideoPipeline": {**_SHAPE, "image": image(16, 16)},
    "HunyuanVideoFramepackPipeline": {
        **_SHAPE,
        "height": 32,
        "width": 32,
        "num_frames": 9,
        "latent_window_size": 3,
        "image": image(),
    },
}
