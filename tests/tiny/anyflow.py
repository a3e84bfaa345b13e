"""AnyFlow: text."""

from tiny.text_encoders import t5
from tiny.wan import BLOCKS, text, vae


def _anyflow():
    from diffusers import AnyFlowTransformer3DModel, FlowMapEulerDiscreteScheduler

    blocks = {name: value for name, value in BLOCKS.items() if name != "qk_norm"}
    return {
        **text(t5),
        "vae": vae(),
        "scheduler": FlowMapEulerDiscreteScheduler(shift=5.0),
        "transformer": AnyFlowTransformer3DModel(
            in_channels=16, gate_value=0.25, deltatime_type="r", **blocks
        ),
    }


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {"AnyFlowPipeline": _anyflow}
SHAPES = {"AnyFlowPipeline": _SHAPE}
