"""Cosmos Predict 1 (text, image or video) and Predict 2 (image or video).

The pipelines refuse to run without a safety checker, by default the large models of
cosmos_guardrail. `_always_safe` returns a small stand-in that their constructors accept: it has
the two checks that they call, and accepts everything.
"""

from functools import partial

from tiny import wan
from tiny.inputs import image
from tiny.text_encoders import SIZE, t5, t5_tokenizer


def _always_safe():
    import torch
    from diffusers import ConfigMixin, ModelMixin

    class AlwaysSafe(ModelMixin, ConfigMixin):
        config_name = "config.json"

        def __init__(self):
            super().__init__()
            self.register_buffer("anywhere", torch.zeros(1), persistent=False)

        def check_text_safety(self, prompt):
            return True

        def check_video_safety(self, frames):
            return frames

    return AlwaysSafe()


def _transformer(channels, out_channels):
    from diffusers import CosmosTransformer3DModel

    return CosmosTransformer3DModel(
        in_channels=channels,
        out_channels=out_channels,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        mlp_ratio=2,
        text_embed_dim=SIZE,
        adaln_lora_dim=4,
        max_size=(4, 32, 32),
        patch_size=(1, 2, 2),
        rope_scale=(2.0, 1.0, 1.0),
        extra_pos_embed_type="learnable",
        concat_padding_mask=False,  # the published weights have it; it needs torchvision
    )


def _text():
    tokenizer = t5_tokenizer()
    return {"tokenizer": tokenizer, "text_encoder": t5(tokenizer), "safety_checker": _always_safe()}


def _cosmos(*, image=False):
    from diffusers import AutoencoderKLCosmos, EDMEulerScheduler

    vae = AutoencoderKLCosmos(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8, 8),
        decode_block_out_channels=(8, 8, 8, 8),
        attention_resolutions=(8,),
        resolution=64,
        num_layers=1,
        patch_size=4,
        patch_type="haar",
        scaling_factor=1.0,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    scheduler = EDMEulerScheduler(
        sigma_min=0.002,
        sigma_max=80,
        sigma_data=0.5,
        sigma_schedule="karras",
        prediction_type="epsilon",
        rho=7.0,
        final_sigmas_type="sigma_min",
    )
    # With an image, one channel marks the conditioning frames.
    transformer = _transformer(5 if image else 4, 4)
    return {**_text(), "vae": vae, "scheduler": scheduler, "transformer": transformer}


def _cosmos2():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True)
    return {
        **_text(),
        "vae": wan.vae(),
        "scheduler": scheduler,
        "transformer": _transformer(17, 16),
    }


_SHAPE = {
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {
    "CosmosTextToWorldPipeline": _cosmos,
    "CosmosVideoToWorldPipeline": partial(_cosmos, image=True),
    "Cosmos2VideoToWorldPipeline": _cosmos2,
}
SHAPES = {
    "CosmosTextToWorldPipeline": _SHAPE,
    "CosmosVideoToWorldPipeline": {**_SHAPE, "image": image()},
    "Cosmos2VideoToWorldPipeline": {**_SHAPE, "image": image()},
}
