"""Wan 2.1 T2V 1.3B and LTX-Video 2B at their real sizes, with random weights and no download.

The numbers are those of the published config.json files (Wan-AI/Wan2.1-T2V-1.3B-Diffusers and
the first version of Lightricks/LTX-Video). Speed and memory depend on shapes and dtypes, not on
the values of the weights. One part differs: the text encoder is a small one whose states have the
right width. With the real one (T5 with 4.8 billion parameters) a loop that encodes each prompt
again would only be slower.
"""

from dataclasses import dataclass

WAN = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 12,
    "attention_head_dim": 128,
    "in_channels": 16,
    "out_channels": 16,
    "text_dim": 4096,
    "freq_dim": 256,
    "ffn_dim": 8960,
    "num_layers": 30,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "image_dim": None,
    "added_kv_proj_dim": None,
    "rope_max_seq_len": 1024,
}
WAN_VAE = {
    "base_dim": 96,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_scales": [],
    "temperal_downsample": [False, True, True],
    "dropout": 0.0,
}
WAN_SCHEDULER = {
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "flow_shift": 3.0,
    "solver_order": 2,
    "solver_type": "bh2",
}
LTX = {
    "in_channels": 128,
    "out_channels": 128,
    "patch_size": 1,
    "patch_size_t": 1,
    "num_attention_heads": 32,
    "attention_head_dim": 64,
    "cross_attention_dim": 2048,
    "num_layers": 28,
    "activation_fn": "gelu-approximate",
    "qk_norm": "rms_norm_across_heads",
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "caption_channels": 4096,
    "attention_bias": True,
    "attention_out_bias": True,
}
LTX_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "block_out_channels": (128, 256, 512, 512),
    "decoder_block_out_channels": (128, 256, 512, 512),
    "layers_per_block": (4, 3, 3, 3, 4),
    "decoder_layers_per_block": (4, 3, 3, 3, 4),
    "spatio_temporal_scaling": (True, True, True, False),
    "decoder_spatio_temporal_scaling": (True, True, True, False),
    "decoder_inject_noise": (False,) * 5,
    "upsample_residual": (False,) * 4,
    "upsample_factor": (1,) * 4,
    "timestep_conditioning": False,
    "patch_size": 4,
    "patch_size_t": 1,
    "resnet_norm_eps": 1e-6,
    "scaling_factor": 1.0,
    "encoder_causal": True,
    "decoder_causal": False,
}
LTX_SCHEDULER = {
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}
_SMALL_WAN = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 64,
    "num_layers": 1,
}
_SMALL_LTX = {
    "in_channels": 16,
    "out_channels": 16,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "cross_attention_dim": 32,
    "num_layers": 1,
    "caption_channels": 16,
}
_SMALL_LTX_VAE = {
    "latent_channels": 16,
    "block_out_channels": (8,) * 4,
    "decoder_block_out_channels": (8,) * 4,
    "layers_per_block": (1,) * 5,
    "decoder_layers_per_block": (1,) * 5,
}


def wan_denoiser(*, small=False):
    from diffusers import WanTransformer3DModel

    return WanTransformer3DModel(**{**WAN, **(_SMALL_WAN if small else {})})


def wan_vae(*, small=False):
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        **{**WAN_VAE, **({"base_dim": 4, "num_res_blocks": 1} if small else {})}
    )


def ltx_denoiser(*, small=False):
    from diffusers import LTXVideoTransformer3DModel

    return LTXVideoTransformer3DModel(**{**LTX, **(_SMALL_LTX if small else {})})


def ltx_vae(*, small=False):
    from diffusers import AutoencoderKLLTXVideo

    vae = AutoencoderKLLTXVideo(**{**LTX_VAE, **(_SMALL_LTX_VAE if small else {})})
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    return vae


def _unipc():
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(**WAN_SCHEDULER)


def _flow():
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**LTX_SCHEDULER)


@dataclass(frozen=True)
class Real:
    """A pipeline at its real size.

    Attributes:
        name: The usual name.
        pipeline: Its diffusers class.
        encoder: The transformers class of its text encoder.
        denoiser: A function that creates it.
        vae: A function that creates it.
        scheduler: A function that creates it.
        exact_vae: Whether its decoder runs in float32, as its model card recommends.
        shapes: Arguments of a pipeline call: "published" as published, "explore" for many clips,
            "small" for a trial on a CPU.
    """

    name: str
    pipeline: str
    encoder: str
    denoiser: object
    vae: object
    scheduler: object
    exact_vae: bool
    shapes: dict


def _shape(width, height, num_frames, steps, **more):
    return {
        "width": width,
        "height": height,
        "num_frames": num_frames,
        "num_inference_steps": steps,
        **more,
    }


REAL = {
    "wan": Real(
        name="Wan 2.1 T2V 1.3B",
        pipeline="WanPipeline",
        encoder="UMT5",
        denoiser=wan_denoiser,
        vae=wan_vae,
        scheduler=_unipc,
        exact_vae=True,
        shapes={
            "published": _shape(832, 480, 81, 50, guidance_scale=5.0),
            "explore": _shape(416, 240, 33, 20, guidance_scale=5.0),
            "small": _shape(32, 32, 5, 3, guidance_scale=5.0, max_sequence_length=32),
        },
    ),
    "ltx": Real(
        name="LTX-Video 2B",
        pipeline="LTXPipeline",
        encoder="T5",
        denoiser=ltx_denoiser,
        vae=ltx_vae,
        scheduler=_flow,
        exact_vae=False,
        shapes={
            "published": _shape(704, 480, 161, 50, guidance_scale=3.0, frame_rate=25),
            "explore": _shape(352, 256, 49, 20, guidance_scale=3.0, frame_rate=25),
            "small": _shape(
                32, 32, 9, 3, guidance_scale=3.0, frame_rate=25, max_sequence_length=32
            ),
        },
    ),
}


def make(real, device, *, small=False):
    """Return the pipeline on a device: in bfloat16, on a CPU in float32."""
    import diffusers
    import torch

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    with torch.device(device):
        denoiser, vae = real.denoiser(small=small), real.vae(small=small)
    denoiser, vae = denoiser.eval().requires_grad_(False), vae.eval().requires_grad_(False)
    _cast(denoiser, dtype)
    _cast(vae, torch.float32 if real.exact_vae else dtype)
    tokenizer, encoder = _text(real.encoder, 16 if small else 4096)
    _cast(encoder, dtype)
    pipe = getattr(diffusers, real.pipeline)(
        transformer=denoiser,
        vae=vae,
        scheduler=real.scheduler(),
        tokenizer=tokenizer,
        text_encoder=encoder,
    ).to(device)
    _give_contrast(vae)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _text(architecture, width):
    """Return a tokenizer and a text encoder of one layer, whose states have this width."""
    import transformers

    from tiny.text_encoders import t5_tokenizer

    tokenizer = t5_tokenizer()
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=len(tokenizer), d_model=width, d_kv=64, d_ff=64, num_layers=1, num_heads=2
    )
    encoder = getattr(transformers, f"{architecture}EncoderModel")(config)
    return tokenizer, encoder.eval().requires_grad_(False)


def _cast(model, dtype):
    """Cast as `from_pretrained(dtype=...)` does: some parts of Wan stay in float32."""
    float32_parts = getattr(model, "_keep_in_fp32_modules", None) or ()
    for name, parameter in model.named_parameters():
        if not any(part in float32_parts for part in name.split(".")):
            parameter.data = parameter.data.to(dtype)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and not any(
            part in float32_parts for part in name.split(".")
        ):
            buffer.data = buffer.data.to(dtype)


def _give_contrast(vae):
    """Scale a random decoder's last layer, so that pixels fill their range.

    Otherwise all pixels would be nearly the same grey, and differences would not show.
    """
    import torch

    parameter = next(vae.decoder.parameters())
    channels = vae.config.get("z_dim") or vae.config.latent_channels
    latents = torch.randn(1, channels, 3, 8, 8, device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad():
        spread = vae.decode(latents).sample.float().std()
        for parameter in vae.decoder.conv_out.parameters():
            parameter.mul_(0.5 / spread)
