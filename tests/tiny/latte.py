"""Latte: text."""

from tiny.animatediff import image_vae
from tiny.text_encoders import SIZE, t5, t5_tokenizer


def _latte():
    from diffusers import DDIMScheduler, LatteTransformer3DModel

    transformer = LatteTransformer3DModel(
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=SIZE,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        video_length=4,
    )
    tokenizer = t5_tokenizer()
    return {
        "tokenizer": tokenizer,
        "text_encoder": t5(tokenizer),
        "vae": image_vae(),
        "transformer": transformer,
        "scheduler": DDIMScheduler(clip_sample=False),
    }


MAKERS = {"LattePipeline": _latte}
SHAPES = {"LattePipeline": {"height": 16, "width": 16, "video_length": 4, "num_inference_steps": 2}}
