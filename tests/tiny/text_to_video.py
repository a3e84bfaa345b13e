"""Older pipelines of Stable Diffusion's kind: ModelScope, I2VGen-XL and PIA."""

from tiny import animatediff
from tiny.inputs import image, video
from tiny.text_encoders import SIZE, clip_images, clip_vision

_BLOCKS = {
    "block_out_channels": (8, 8),
    "layers_per_block": 1,
    "sample_size": 8,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": SIZE,
    "attention_head_dim": 4,
    "norm_num_groups": 2,
}


def _without_motion():
    parts = animatediff.parts()
    return {name: part for name, part in parts.items() if name != "motion_adapter"}


def _modelscope():
    from diffusers import UNet3DConditionModel

    unet = UNet3DConditionModel(**_BLOCKS)
    return {**_without_motion(), "unet": unet}


def _i2vgen():
    from diffusers import I2VGenXLUNet

    image_encoder, _ = clip_vision(SIZE, 32)
    return {
        **_without_motion(),
        "unet": I2VGenXLUNet(**_BLOCKS),
        "image_encoder": image_encoder,
        "feature_extractor": clip_images(32),
    }


def _pia():
    # Latents, the mask of the image, and its latents.
    return animatediff.parts(conv_in_channels=9)


_SHAPE = {"height": 16, "width": 16, "num_frames": 4, "num_inference_steps": 2}

MAKERS = {
    "TextToVideoSDPipeline": _modelscope,
    "VideoToVideoSDPipeline": _modelscope,
    "I2VGenXLPipeline": _i2vgen,
    "PIAPipeline": _pia,
}
SHAPES = {
    "TextToVideoSDPipeline": _SHAPE,
    "VideoToVideoSDPipeline": {
        "video": video(4, 16, 16),
        "num_inference_steps": 4,
        "strength": 0.5,
    },
    # Its default, 1, needs text encoders as older versions of transformers built them.
    "I2VGenXLPipeline": {**_SHAPE, "image": image(16, 16), "clip_skip": None},
    "PIAPipeline": {**_SHAPE, "image": image(16, 16)},
}
