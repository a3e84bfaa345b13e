"""Wan 2.1: text, image, video, and VACE's control; and the editors that were trained from it."""

from functools import partial

from tiny.inputs import image, video
from tiny.text_encoders import SIZE, clip_vision, t5_tokenizer, umt5


def vae():
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=4,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


BLOCKS = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "out_channels": 16,
    "text_dim": SIZE,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 1,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 32,
}


def text(encoder=umt5):
    tokenizer = t5_tokenizer()
    return {"tokenizer": tokenizer, "text_encoder": encoder(tokenizer)}


def _flow():
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=3.0)


def _unipc():
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )


def _wan(scheduler=_flow):
    from diffusers import WanTransformer3DModel

    return {
        **text(),
        "transformer": WanTransformer3DModel(in_channels=16, **BLOCKS),
        "vae": vae(),
        "scheduler": scheduler(),
    }


def _wan_image():
    from diffusers import WanTransformer3DModel

    image_encoder, image_processor = clip_vision()
    # Latents, 4 channels of the mask and 16 of the image.
    transformer = WanTransformer3DModel(in_channels=36, image_dim=8, **BLOCKS)
    return {
        **text(),
        "transformer": transformer,
        "vae": vae(),
        "scheduler": _unipc(),
        "image_encoder": image_encoder,
        "image_processor": image_processor,
    }


def _wan_vace():
    from diffusers import WanVACETransformer3DModel

    transformer = WanVACETransformer3DModel(
        in_channels=16, vace_layers=[0], vace_in_channels=96, **BLOCKS
    )
    return {**text(), "transformer": transformer, "vae": vae(), "scheduler": _unipc()}


def _chronoedit():
    from diffusers import ChronoEditTransformer3DModel

    parts = _wan_image()
    config = dict(parts["transformer"].config)
    return {**parts, "transformer": ChronoEditTransformer3DModel.from_config(config)}


def _lucy():
    from diffusers import WanTransformer3DModel

    # Latents beside those of the video.
    transformer = WanTransformer3DModel(in_channels=32, **BLOCKS)
    return {**_wan(_unipc), "transformer": transformer}


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

# As many frames as the video; at strength 0.5 it runs 2 of 4 steps.
_VIDEO = {
    "height": 16,
    "width": 16,
    "video": video(5, 16, 16),
    "num_inference_steps": 4,
    "strength": 0.5,
    "max_sequence_length": 16,
}

MAKERS = {
    "WanPipeline": _wan,
    "WanImageToVideoPipeline": _wan_image,
    "WanVideoToVideoPipeline": partial(_wan, _unipc),
    "WanVACEPipeline": _wan_vace,
    "ChronoEditPipeline": _chronoedit,
    "LucyEditPipeline": _lucy,
}
SHAPES = {
    "WanPipeline": _SHAPE,
    "WanImageToVideoPipeline": {**_SHAPE, "image": image(16, 16)},
    "WanVideoToVideoPipeline": _VIDEO,
    "WanVACEPipeline": {**_SHAPE, "video": video(5, 16, 16)},
    "ChronoEditPipeline": {**_SHAPE, "image": image(16, 16)},
    "LucyEditPipeline": {**_SHAPE, "video": video(5, 16, 16)},
}
