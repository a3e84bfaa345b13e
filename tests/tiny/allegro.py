"""Allegro: text."""

from tiny.text_encoders import SIZE, t5, t5_tokenizer


def _allegro():
    from diffusers import (
        AllegroTransformer3DModel,
        AutoencoderKLAllegro,
        EulerAncestralDiscreteScheduler,
    )

    transformer = AllegroTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        cross_attention_dim=24,
        sample_width=8,
        sample_height=8,
        sample_frames=8,
        caption_channels=SIZE,
    )
    vae = AutoencoderKLAllegro(
        in_channels=3,
        out_channels=3,
        down_block_types=("AllegroDownBlock3D",) * 4,
        up_block_types=("AllegroUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    vae.enable_tiling()  # it only decodes in tiles, here as small as the clips
    vae.kernel, vae.stride = (8, 16, 16), (4, 8, 8)
    tokenizer = t5_tokenizer()
    return {
        "tokenizer": tokenizer,
        "text_encoder": t5(tokenizer),
        "vae": vae,
        "transformer": transformer,
        "scheduler": EulerAncestralDiscreteScheduler(),
    }


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 8,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {"AllegroPipeline": _allegro}
SHAPES = {"AllegroPipeline": _SHAPE}
