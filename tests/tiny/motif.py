"""Motif-Video: text and image."""

from functools import partial

from tiny import wan
from tiny.inputs import image
from tiny.text_encoders import SIZE, t5_tokenizer


def _text_and_image_encoder(tokenizer):
    from transformers import (
        SiglipVisionConfig,
        T5Gemma2Encoder,
        T5Gemma2EncoderConfig,
        T5Gemma2TextConfig,
    )

    text = T5Gemma2TextConfig(
        hidden_size=SIZE,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=len(tokenizer),
        max_position_embeddings=128,
        initializer_range=0.5,
        dropout_rate=0.0,
    )
    vision = SiglipVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=16,
        patch_size=4,
    )
    return T5Gemma2Encoder(T5Gemma2EncoderConfig(text_config=text, vision_config=vision))


def _images():
    from transformers import SiglipImageProcessorPil

    return SiglipImageProcessorPil(size={"height": 16, "width": 16})


def _motif(*, image=False):
    from diffusers import (
        AdaptiveProjectedGuidance,
        FlowMatchEulerDiscreteScheduler,
        MotifVideoTransformer3DModel,
    )

    tokenizer = t5_tokenizer()
    return {
        "tokenizer": tokenizer,
        "text_encoder": _text_and_image_encoder(tokenizer),
        "vae": wan.vae(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
        "transformer": MotifVideoTransformer3DModel(
            in_channels=33,
            out_channels=16,
            num_attention_heads=2,
            attention_head_dim=12,
            num_layers=1,
            num_single_layers=1,
            patch_size=1,
            patch_size_t=1,
            qk_norm="rms_norm",
            text_embed_dim=SIZE,
            image_embed_dim=8 if image else None,
            rope_axes_dim=(4, 4, 4),
        ),
        "guider": AdaptiveProjectedGuidance(),
        "feature_extractor": _images() if image else None,
    }


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {
    "MotifVideoPipeline": _motif,
    "MotifVideoImage2VideoPipeline": partial(_motif, image=True),
}
SHAPES = {
    "MotifVideoPipeline": _SHAPE,
    "MotifVideoImage2VideoPipeline": {**_SHAPE, "image": image(16, 16)},
}
