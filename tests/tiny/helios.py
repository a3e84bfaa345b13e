"""Helios and its pyramid: text, image and video, in chunks of 33 frames."""

from tiny.wan import BLOCKS, text, vae


def _helios():
    from diffusers import HeliosScheduler, HeliosTransformer3DModel

    known = {n: v for n, v in BLOCKS.items() if n not in ("attention_head_dim", "rope_max_seq_len")}
    return {
        **text(),
        "transformer": HeliosTransformer3DModel(
            **known, in_channels=16, attention_head_dim=12, rope_dim=(4, 4, 4)
        ),
        "vae": vae(),
        "scheduler": HeliosScheduler(stages=1, stage_range=[0, 1], use_dynamic_shifting=False),
    }


def _pyramid():
    from diffusers import HeliosScheduler

    # As many stages as the call has numbers of steps. With the default gamma, 1/3, the covariance of
    # the noise between stages is singular but for rounding.
    return {**_helios(), "scheduler": HeliosScheduler(use_dynamic_shifting=False, gamma=0.3)}


MAKERS = {"HeliosPipeline": _helios, "HeliosPyramidPipeline": _pyramid}
SHAPES = {
    "HeliosPipeline": {
        "height": 32,
        "width": 32,
        "num_frames": 33,
        "num_inference_steps": 2,
        "max_sequence_length": 16,
    },
    "HeliosPyramidPipeline": {
        "height": 64,
        "width": 64,
        "num_frames": 33,
        "pyramid_num_inference_steps_list": [1, 1, 1],
        "max_sequence_length": 16,
    },
}
