"""Kandinsky 5: text and image."""

from functools import partial

from tiny.hunyuan import vae
from tiny.inputs import image
from tiny.text_encoders import SIZE, clip_text, clip_tokenizer, qwen, qwen_processor, qwen_tokenizer


def _kandinsky(*, image=False):
    import diffusers
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, Kandinsky5Transformer3DModel

    # The prompt template is set in the constructor, so that a pipeline without parts has it.
    empty_pipeline = diffusers.Kandinsky5T2VPipeline(*[None] * 7)
    instructions, _, _ = empty_pipeline.prompt_template.partition("{}")
    tokenizer = qwen_tokenizer(instructions, empty_pipeline.prompt_template_encode_start_idx)
    tokenizer_2 = clip_tokenizer()
    transformer = Kandinsky5Transformer3DModel(
        in_visual_dim=16,
        in_text_dim=SIZE,
        in_text_dim2=SIZE,
        time_dim=16,
        out_visual_dim=16,
        patch_size=(1, 2, 2),
        model_dim=16,
        ff_dim=32,
        num_text_blocks=1,
        num_visual_blocks=1,
        axes_dims=(2, 2, 4),
        visual_cond=image,
        attention_type="regular",
    )
    for weights in transformer.parameters():
        if not weights.any():  # zero weights would ignore the prompt
            torch.nn.init.normal_(weights, std=0.1)
    return {
        "transformer": transformer,
        "vae": vae(16),
        "text_encoder": qwen(tokenizer),
        "tokenizer": qwen_processor(tokenizer),
        "text_encoder_2": clip_text(tokenizer_2),
        "tokenizer_2": tokenizer_2,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


_SHAPE = {
    "height": 16,
    "width": 16,
    "num_frames": 5,
    "num_inference_steps": 2,
    "max_sequence_length": 16,
}

MAKERS = {
    "Kandinsky5T2VPipeline": _kandinsky,
    "Kandinsky5I2VPipeline": partial(_kandinsky, image=True),
}
SHAPES = {
    "Kandinsky5T2VPipeline": _SHAPE,
    # It normalizes the first 4 latent frames by the next ones: fewer than 17 frames give NaN.
    "Kandinsky5I2VPipeline": {**_SHAPE, "image": image(16, 16), "num_frames": 17},
}
