"""SkyReels-V2: text, image, and diffusion forcing."""

from functools import partial

from tiny.inputs import image
from tiny.text_encoders import clip_vision
from tiny.wan import BLOCKS, text, vae


def _skyreels(**more):
    from diffusers import SkyReelsV2Transformer3DModel, UniPCMultistepScheduler

    return {
        **text(),
        "transformer": SkyReelsV2Transformer3DModel(**{"in_channels": 16, **BLOCKS, **more}),
        "vae": vae(),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0
        ),
    }


def _skyreels_image():
    components = _skyreels(in_channels=36, image_dim=8)
    components["image_encoder"], components["image_processor"] = clip_vision()
    return components


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {
    "SkyReelsV2Pipeline": _skyreels,
    "SkyReelsV2ImageToVideoPipeline": _skyreels_image,
    # Takes the frame rate, as the published weights do.
    "SkyReelsV2DiffusionForcingPipeline": partial(_skyreels, inject_sample_info=True),
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": partial(_skyreels, inject_sample_info=True),
}
SHAPES = {
    "SkyReelsV2Pipeline": _SHAPE,
    "SkyReelsV2ImageToVideoPipeline": {**_SHAPE, "image": image(16, 16)},
    "SkyReelsV2DiffusionForcingPipeline": _SHAPE,
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": {**_SHAPE, "image": image(16, 16)},
}
