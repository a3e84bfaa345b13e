"""SANA-WM: an image and the path of the camera."""

from tiny import ltx2
from tiny.inputs import image
from tiny.text_encoders import SIZE, gemma2, gemma_tokenizer


def _text_encoder(tokenizer):
    from transformers import Gemma2ForCausalLM

    return Gemma2ForCausalLM(gemma2(tokenizer).config)


def _sana_wm():
    from diffusers import FlowMatchEulerDiscreteScheduler, SanaWMTransformer3DModel

    tokenizer = gemma_tokenizer()
    vae = ltx2.vae()
    transformer = SanaWMTransformer3DModel(
        in_channels=4,
        num_layers=2,
        hidden_size=32,
        num_attention_heads=2,
        linear_head_dim=16,
        softmax_every_n=2,
        chunk_plucker_channels=6 * vae.temporal_compression_ratio,
        chunk_plucker_post_attn_blocks=1,
        image_size=32,
        caption_channels=SIZE,
    )
    return {
        "tokenizer": tokenizer,
        "text_encoder": _text_encoder(tokenizer),
        "vae": vae,
        "transformer": transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler(),
    }


MAKERS = {"SanaWMPipeline": _sana_wm}
SHAPES = {
    "SanaWMPipeline": {
        "image": image(),
        "height": 32,
        "width": 32,
        "num_frames": 9,
        "num_inference_steps": 2,
        "max_sequence_length": 16,
        "action": "w-4,jw-4",
        "intrinsics": [30.0, 30.0, 16.0, 16.0],
    }
}
