"""SANA-Video: text and image."""

from functools import partial

from tiny import wan
from tiny.inputs import image
from tiny.text_encoders import SIZE, gemma2, gemma_tokenizer


def _solver():
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0
    )


def _euler():
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=8.0)


def _sana(scheduler):
    from diffusers import SanaVideoTransformer3DModel

    tokenizer = gemma_tokenizer()
    transformer = SanaVideoTransformer3DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=12,
        cross_attention_dim=24,
        caption_channels=SIZE,
        sample_size=8,
        patch_size=(1, 2, 2),
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    return {
        "tokenizer": tokenizer,
        "text_encoder": gemma2(tokenizer),
        "transformer": transformer,
        "vae": wan.vae(),
        "scheduler": scheduler(),
    }


# `use_resolution_binning` would change every size to one of 480p.
_SHAPE = {
    "height": 32,
    "width": 32,
    "frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
    "use_resolution_binning": False,
}

MAKERS = {
    "SanaVideoPipeline": partial(_sana, _solver),
    "SanaImageToVideoPipeline": partial(_sana, _euler),
}
SHAPES = {"SanaVideoPipeline": _SHAPE, "SanaImageToVideoPipeline": {**_SHAPE, "image": image()}}
