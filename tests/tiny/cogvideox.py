"""CogVideoX: text, image, and video."""

from functools import partial

from tiny.inputs import image, video
from tiny.text_encoders import SIZE, t5, t5_tokenizer


def _cog(in_channels=4, **more):
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXTransformer3DModel,
    )

    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=in_channels,
        out_channels=4,
        time_embed_dim=4,
        text_embed_dim=SIZE,
        num_layers=1,
        sample_width=4,
        sample_height=4,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=16,
        **more,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    tokenizer = t5_tokenizer()
    return {
        "tokenizer": tokenizer,
        "text_encoder": t5(tokenizer),
        "vae": vae,
        "transformer": transformer,
        "scheduler": CogVideoXDDIMScheduler(),
    }


# Learned positions, without rotary ones, are for one size: 32 x 32, 9 frames.
_SHAPE = {
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

# As many frames as the video; at strength 0.5 it runs 2 of 4 steps.
_VIDEO = {
    "height": 32,
    "width": 32,
    "video": video(9),
    "num_inference_steps": 4,
    "strength": 0.5,
    "max_sequence_length": 16,
}

MAKERS = {
    "CogVideoXPipeline": _cog,
    # Noise and the image; rotary and learned positions, as CogVideoX-5B-I2V has.
    "CogVideoXImageToVideoPipeline": partial(
        _cog, 8, use_rotary_positional_embeddings=True, use_learned_positional_embeddings=True
    ),
    "CogVideoXVideoToVideoPipeline": _cog,
}
SHAPES = {
    "CogVideoXPipeline": _SHAPE,
    "CogVideoXImageToVideoPipeline": {**_SHAPE, "image": image()},
    "CogVideoXVideoToVideoPipeline": _VIDEO,
}
