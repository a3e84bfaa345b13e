"""EasyAnimate: text."""

from tiny.text_encoders import SIZE, qwen_tokenizer


def _text_encoder(tokenizer):
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    ids = tokenizer.convert_tokens_to_ids
    return Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config={
                "hidden_size": SIZE,
                "intermediate_size": 32,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "num_hidden_layers": 2,
                "initializer_range": 0.5,
                "vocab_size": len(tokenizer),
                "rope_parameters": {
                    "mrope_section": [1, 1, 2],
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                },
                "bos_token_id": None,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            },
            vision_config={"depth": 1, "embed_dim": SIZE, "hidden_size": SIZE, "num_heads": 2},
            image_token_id=ids("<|image_pad|>"),
            video_token_id=ids("<|video_pad|>"),
            vision_start_token_id=ids("<|vision_start|>"),
            vision_end_token_id=ids("<|vision_end|>"),
        )
    )


def _easyanimate():
    from diffusers import (
        AutoencoderKLMagvit,
        EasyAnimateTransformer3DModel,
        FlowMatchEulerDiscreteScheduler,
    )

    tokenizer = qwen_tokenizer("", 0)
    blocks = ("Spatial{}Block3D", *("SpatialTemporal{}Block3D",) * 3)
    return {
        "tokenizer": tokenizer,
        "text_encoder": _text_encoder(tokenizer),
        "transformer": EasyAnimateTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=SIZE,
            num_layers=1,
            sample_width=16,
            sample_height=16,
            patch_size=2,
        ),
        "vae": AutoencoderKLMagvit(
            in_channels=3,
            out_channels=3,
            down_block_types=tuple(name.format("Down") for name in blocks),
            up_block_types=tuple(name.format("Up") for name in blocks),
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            spatial_group_norm=False,
        ),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


MAKERS = {"EasyAnimatePipeline": _easyanimate}
SHAPES = {
    "EasyAnimatePipeline": {"height": 16, "width": 16, "num_frames": 5, "num_inference_steps": 2}
}
