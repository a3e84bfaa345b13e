"""Cosmos Predict 1 and 2.5 (text, image or video), Predict 2 (image or video), and 3.

The pipelines refuse to run without a safety checker, by default the large models of
cosmos_guardrail. `_always_safe` returns a small stand-in that their constructors accept: it has
the two checks that they call, and accepts everything.
"""

from functools import partial

from tiny import wan
from tiny.inputs import image
from tiny.text_encoders import SIZE, qwen, qwen_tokenizer, t5, t5_tokenizer


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


def _transformer(channels, out_channels, **more):
    from diffusers import CosmosTransformer3DModel

    sizes = {
        "in_channels": channels,
        "out_channels": out_channels,
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 1,
        "mlp_ratio": 2,
        "text_embed_dim": SIZE,
        "adaln_lora_dim": 4,
        "max_size": (128, 480, 480),  # so that the default size fits, at half the published factor
        "patch_size": (1, 2, 2),
        "rope_scale": (2.0, 1.0, 1.0),
        "extra_pos_embed_type": "learnable",
        "concat_padding_mask": False,  # the published weights have it; it needs torchvision
    }
    return CosmosTransformer3DModel(**{**sizes, **more})


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


def _unipc():
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)


def _cosmos25():
    tokenizer = qwen_tokenizer("", 0)
    text_encoder = qwen(tokenizer)
    # The states of all layers side by side.
    layers = text_encoder.config.text_config.num_hidden_layers
    return {
        "tokenizer": tokenizer,
        "text_encoder": text_encoder,
        "safety_checker": _always_safe(),
        "vae": wan.vae(),
        "scheduler": _unipc(),
        "transformer": _transformer(17, 16, text_embed_dim=layers * SIZE),
    }


def _cosmos3():
    from diffusers import Cosmos3OmniTransformer

    tokenizer = qwen_tokenizer("", 0)
    transformer = Cosmos3OmniTransformer(
        head_dim=8,
        hidden_act="relu2",
        hidden_size=16,
        intermediate_size=32,
        latent_channel=16,
        latent_patch_size=1,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        patch_latent_dim=16,
        qk_norm_for_text=False,
        rms_norm_eps=1e-5,
        rope_axes_dim=[2, 1, 1],
        vocab_size=len(tokenizer),
    )
    return {
        "transformer": transformer,
        "text_tokenizer": tokenizer,
        "vae": wan.vae(),
        "scheduler": _unipc(),
        "sound_tokenizer": None,
        "safety_checker": None,
        "enable_safety_checker": False,
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
    "Cosmos2_5_PredictBasePipeline": _cosmos25,
    "Cosmos3OmniPipeline": _cosmos3,
}
SHAPES = {
    "CosmosTextToWorldPipeline": _SHAPE,
    "CosmosVideoToWorldPipeline": {**_SHAPE, "image": image()},
    "Cosmos2VideoToWorldPipeline": {**_SHAPE, "image": image()},
    # Its instructions are in the prompt.
    "Cosmos2_5_PredictBasePipeline": {**_SHAPE, "max_sequence_length": 300},
    "Cosmos3OmniPipeline": {
        "height": 16,
        "width": 16,
        "num_frames": 5,
        "num_inference_steps": 2,
        "use_system_prompt": False,
    },
}
