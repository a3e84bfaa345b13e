"""LTX-Video: text, image, and conditions."""

from tiny.inputs import image
from tiny.text_encoders import SIZE, t5, t5_tokenizer


def _ltx():
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXVideoTransformer3DModel,
    )

    vae = AutoencoderKLLTXVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=1,
        caption_channels=SIZE,
    )
    tokenizer = t5_tokenizer()
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "vae": vae,
        "transformer": transformer,
        "text_encoder": t5(tokenizer),
        "tokenizer": tokenizer,
    }


_SHAPE = {
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}


def _ltx_long():
    from diffusers import LTXEulerAncestralRFScheduler

    return {**_ltx(), "scheduler": LTXEulerAncestralRFScheduler()}


MAKERS = {
    **dict.fromkeys(("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline"), _ltx),
    "LTXI2VLongMultiPromptPipeline": _ltx_long,
}
SHAPES = {
    "LTXPipeline": _SHAPE,
    "LTXImageToVideoPipeline": {**_SHAPE, "image": image()},
    "LTXConditionPipeline": {**_SHAPE, "image": image()},
    "LTXI2VLongMultiPromptPipeline": _SHAPE,
}
