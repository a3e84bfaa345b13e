"""LTX-2: text, image and conditions, each with sound."""

from functools import partial

from tiny.inputs import image
from tiny.text_encoders import SIZE, gemma3, gemma_tokenizer


def vae():
    from diffusers import AutoencoderKLLTX2Video

    made = AutoencoderKLLTX2Video(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(8,),
        decoder_block_out_channels=(8,),
        layers_per_block=(1,),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        downsample_type=("spatial",),
        upsample_residual=(False,),
        upsample_factor=(1,),
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    made.use_framewise_encoding = made.use_framewise_decoding = False
    return made


def _ltx2(padding_side="right", **of_transformer):
    from diffusers import (
        AutoencoderKLLTX2Audio,
        FlowMatchEulerDiscreteScheduler,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    tokenizer = gemma_tokenizer()
    tokenizer.padding_side = padding_side
    text_encoder = gemma3(tokenizer)
    transformer = LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=1,
        qk_norm="rms_norm_across_heads",
        caption_channels=SIZE,
        rope_double_precision=False,
        rope_type="split",
        **of_transformer,
    )
    connectors = LTX2TextConnectors(
        caption_channels=SIZE,
        text_proj_in_factor=text_encoder.config.text_config.num_hidden_layers + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_theta=10000.0,
        rope_double_precision=False,
        causal_temporal_positioning=False,
        rope_type="split",
    )
    video_vae = vae()
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=4,
        output_channels=2,
        ch_mult=(1,),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=8,
    )
    vocoder = LTX2Vocoder(
        in_channels=2 * 8,
        hidden_channels=8,
        out_channels=2,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        leaky_relu_negative_slope=0.1,
        output_sampling_rate=16000,
    )
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vae": video_vae,
        "audio_vae": audio_vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "connectors": connectors,
        "transformer": transformer,
        "vocoder": vocoder,
    }


_SHAPE = {
    "height": 32,
    "width": 32,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    # The block that guidance skips: the default is the 28th, but this model has one.
    "spatio_temporal_guidance_blocks": [0],
    "use_cross_timestep": False,
}

_DISTILLED = {n: v for n, v in _SHAPE.items() if "guidance" not in n and n != "num_inference_steps"}

# These read the side of the padding once, when they are made: as Gemma's, it is the left one.
_padded = partial(_ltx2, padding_side="left")

MAKERS = {
    **dict.fromkeys(("LTX2Pipeline", "LTX2ImageToVideoPipeline"), _ltx2),
    **dict.fromkeys(("LTX2ConditionPipeline", "LTX2InContextPipeline"), _padded),
    "LTX2DFRPipeline": partial(_padded, use_keyframes_abs_pos_embedding=True),
}
SHAPES = {
    "LTX2Pipeline": _SHAPE,
    "LTX2ImageToVideoPipeline": {**_SHAPE, "image": image()},
    "LTX2ConditionPipeline": _SHAPE,
    "LTX2InContextPipeline": _SHAPE,
    "LTX2DFRPipeline": {**_DISTILLED, "sigmas": [1.0, 0.5]},
}
