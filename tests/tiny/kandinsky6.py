"""Kandinsky 6: text and image, each with sound."""

from tiny.hunyuan import vae
from tiny.text_encoders import SIZE, clip_text, clip_tokenizer, qwen, qwen_processor, qwen_tokenizer

_MELS = 8


def _kandinsky6():
    import torch
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        Kandinsky6Transformer3DModel,
        MMAudioVAE,
        MMAudioVocoder,
    )
    from diffusers.pipelines.kandinsky6 import pipeline_kandinsky6_ti2va as of_pipeline

    instructions, _, _ = of_pipeline._PROMPT_TEMPLATE.partition("{}")
    tokenizer = qwen_tokenizer(instructions, of_pipeline._QWEN_CROP_START)
    tokenizer_2 = clip_tokenizer()
    transformer = Kandinsky6Transformer3DModel(
        in_visual_dim=16,
        out_visual_dim=16,
        in_text_dim=SIZE,
        in_text_dim2=SIZE,
        time_dim=16,
        patch_size=(1, 2, 2),
        model_dim=16,
        ff_dim=32,
        num_text_blocks=1,
        num_visual_blocks=1,
        axes_dims=(2, 2, 4),
        in_audio_dim=4,
        out_audio_dim=4,
        axes_dims_a=(8,),
        visual_token_type_num_embeddings=2,
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
        "audio_vae": MMAudioVAE(
            mel_bins=_MELS,
            latent_channels=4,
            hidden_channels=8,
            channel_multipliers=(1, 2),
            layers_per_block=1,
            sample_rate=16000,
            n_fft=64,
            hop_length=16,
        ),
        "vocoder": MMAudioVocoder(
            num_mels=_MELS,
            upsample_initial_channel=8,
            upsample_rates=(4, 4),
            upsample_kernel_sizes=(8, 8),
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1, 3, 5),),
        ),
    }


MAKERS = {"Kandinsky6TI2VAPipeline": _kandinsky6}
SHAPES = {
    "Kandinsky6TI2VAPipeline": {
        "height": 16,
        "width": 16,
        "num_frames": 5,
        "num_inference_steps": 2,
        "max_sequence_length": 16,
    }
}
