"""Wan, CogVideoX and HunyuanVideo for the benchmarks: diffusers' own classes, random weights.

Wider and deeper than those of tests/tiny, so that a sweep is more than overhead, and small enough
for a CPU. Encoders and decoders are those of tests/tiny.
"""

from tiny import make as _tiny
from tiny import wan
from tiny.text_encoders import SIZE

# Arguments of each pipeline call besides prompt and seed; the others have their defaults.
SETTINGS = {
    "width": 64,
    "height": 64,
    "num_frames": 9,
    "num_inference_steps": 6,
    "max_sequence_length": 64,
}
_HEADS = {"num_attention_heads": 8, "num_layers": 4}


def _wan():
    from diffusers import WanTransformer3DModel

    return WanTransformer3DModel(
        in_channels=16, **{**wan.BLOCKS, **_HEADS, "attention_head_dim": 32, "ffn_dim": 1024}
    )


def _cogvideox():
    from diffusers import CogVideoXTransformer3DModel

    # With rotary positions, as CogVideoX-5B, which support every size.
    return CogVideoXTransformer3DModel(
        **_HEADS,
        attention_head_dim=32,
        in_channels=4,
        out_channels=4,
        time_embed_dim=64,
        text_embed_dim=SIZE,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=64,
        use_rotary_positional_embeddings=True,
    )


def _hunyuan():
    from diffusers import HunyuanVideoTransformer3DModel

    return HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=8,
        attention_head_dim=32,
        num_layers=2,
        num_single_layers=2,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        guidance_embeds=True,
        text_embed_dim=SIZE,
        pooled_projection_dim=SIZE,
        rope_axes_dim=(8, 12, 12),
    )


_DENOISERS = {
    "WanPipeline": _wan,
    "CogVideoXPipeline": _cogvideox,
    "HunyuanVideoPipeline": _hunyuan,
}


def make(name):
    """Return a pipeline of the diffusers class `name`, with the same weights every time."""
    import torch

    pipe = _tiny(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        denoiser = _DENOISERS[name]().eval().requires_grad_(False)
    pipe.register_modules(transformer=denoiser)
    return pipe
