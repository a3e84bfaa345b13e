"""SkyReels-V2: text, image, and diffusion forcing."""

from functools import partial

from tiny.inputs import image, video
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


def _skyreels_forcing_from_image():
    components = _skyreels(inject_sample_info=True)
    # Of later latent frames, these random weights show little: a text would not be seen.
    components["vae"].decoder.conv_out.weight.data *= 20
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
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": _skyreels_forcing_from_image,
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": _skyreels_forcing_from_image,
}
SHAPES = {
    "SkyReelsV2Pipeline": _SHAPE,
    "SkyReelsV2ImageToVideoPipeline": {**_SHAPE, "image": image(16, 16)},
    "SkyReelsV2DiffusionForcingPipeline": _SHAPE,
    # The first latent frame is that of the image; two more are generated.
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": {
        **_SHAPE,
        "num_frames": 9,
        "image": image(16, 16),
    },
    # The first five frames are the last ones of the video.
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": {
        **_SHAPE,
        "num_frames": 13,
        "video": video(5, 16, 16),
        "overlap_history": 5,
    },
}
