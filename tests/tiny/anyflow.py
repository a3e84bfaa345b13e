"""AnyFlow: text; and FAR, which makes a clip in chunks."""

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


def _anyflow_far():
    from diffusers import AnyFlowFARTransformer3DModel

    blocks = {name: value for name, value in BLOCKS.items() if name != "qk_norm"}
    transformer = AnyFlowFARTransformer3DModel(
        in_channels=16,
        gate_value=0.25,
        deltatime_type="r",
        compressed_patch_size=(1, 4, 4),
        full_chunk_limit=3,
        chunk_partition=(1, 1, 1),
        **blocks,
    )
    return {**_anyflow(), "transformer": transformer}


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {"AnyFlowPipeline": _anyflow, "AnyFlowFARPipeline": _anyflow_far}
SHAPES = {"AnyFlowPipeline": _SHAPE, "AnyFlowFARPipeline": {**_SHAPE, "num_frames": 9}}
