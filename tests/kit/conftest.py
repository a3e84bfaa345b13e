"""Real pipelines with random weights, small enough that every test can make clips."""

import numpy as np
import pytest

from beecam.models.lane import Lanes
from beecam.models.load import wrap

WORDS = ("a an over the bee moth ladybug meadow dunes sea at noon night seen from drone").split()  # noqa: SIM905


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=32,
    )  # fmt: skip


def _encoder(vocabulary):
    from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

    sizes = {"vocab_size": vocabulary, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1,
             "num_heads": 2}  # fmt: skip
    return T5EncoderModel(T5Config(**sizes)), UMT5EncoderModel(UMT5Config(**sizes))


@pytest.fixture(scope="session")
def ltx_pipe(tokenizer):
    import torch
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1, patch_size_t=1,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=2,
        attention_head_dim=8, cross_attention_dim=16, num_layers=1, caption_channels=16,
    )  # fmt: skip
    encoder, _ = _encoder(len(tokenizer))
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=vae.eval(), text_encoder=encoder.eval(),
        tokenizer=tokenizer, transformer=transformer.eval(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def wan_pipe(tokenizer):
    import torch
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )

    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16,
        out_channels=16, text_dim=16, freq_dim=16, ffn_dim=32, num_layers=1,
        cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    _, encoder = _encoder(len(tokenizer))
    return WanPipeline(
        tokenizer=tokenizer, text_encoder=encoder.eval(), transformer=transformer.eval(),
        vae=vae.eval(), scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def cog_pipe(tokenizer):
    import torch
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4,
        time_embed_dim=4, text_embed_dim=16, num_layers=1, sample_width=4, sample_height=4,
        sample_frames=9, patch_size=2, temporal_compression_ratio=4, max_text_seq_length=16,
    )  # fmt: skip
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
        temporal_compression_ratio=4,
    )  # fmt: skip
    encoder, _ = _encoder(len(tokenizer))
    return CogVideoXPipeline(
        tokenizer=tokenizer, text_encoder=encoder.eval(), vae=vae.eval(),
        transformer=transformer.eval(), scheduler=CogVideoXDDIMScheduler(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def mochi_pipe(tokenizer):
    import torch
    from diffusers import (
        AutoencoderKLMochi,
        FlowMatchEulerDiscreteScheduler,
        MochiPipeline,
        MochiTransformer3DModel,
    )

    torch.manual_seed(0)
    transformer = MochiTransformer3DModel(
        patch_size=2, num_attention_heads=2, attention_head_dim=8, num_layers=2,
        pooled_projection_dim=16, in_channels=12, qk_norm="rms_norm", text_embed_dim=16,
        time_embed_dim=4, activation_fn="swiglu", max_sequence_length=16,
    )  # fmt: skip
    transformer.pos_frequencies.data.zero_()
    vae = AutoencoderKLMochi(
        latent_channels=12, out_channels=3, encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4, layers_per_block=(1,) * 5,
    )  # fmt: skip
    encoder, _ = _encoder(len(tokenizer))
    return MochiPipeline(
        tokenizer=tokenizer, text_encoder=encoder.eval(), vae=vae.eval(),
        transformer=transformer.eval(), scheduler=FlowMatchEulerDiscreteScheduler(),
    )  # fmt: skip


@pytest.fixture
def cog(cog_pipe):
    return _small(
        wrap(cog_pipe, name="tiny-cog"), num_inference_steps=4, max_sequence_length=16,
    )  # fmt: skip


@pytest.fixture
def mochi(mochi_pipe):
    return _small(
        wrap(mochi_pipe, name="tiny-mochi"), width=32, height=32, num_frames=7,
        num_inference_steps=4,
    )  # fmt: skip


@pytest.fixture
def stranger(cog_pipe):
    """A pipeline of a class that is in no table."""

    class SomebodysPipeline(type(cog_pipe)):
        pass

    return _small(wrap(SomebodysPipeline(**cog_pipe.components)), num_inference_steps=4)


def _small(model, **defaults):
    """A model's defaults are set where it is made; these are for tests."""
    model._defaults.update(defaults)
    model._lanes = Lanes()  # one call after the other, however many cores there are
    return model


@pytest.fixture
def wrap_ltx(ltx_pipe):
    """Makes the model `ltx` anew, as another kernel would."""
    return lambda: _small(
        wrap(ltx_pipe, name="tiny-ltx"), width=32, height=32, num_frames=9,
        num_inference_steps=4, fps=8.0,
    )  # fmt: skip


@pytest.fixture
def ltx(wrap_ltx):
    return wrap_ltx()


@pytest.fixture
def wan(wan_pipe):
    return _small(
        wrap(wan_pipe, name="tiny-wan"), width=32, height=32, num_frames=9, num_inference_steps=4
    )


@pytest.fixture
def moving():
    """A clip with motion, colour and odd length: frames x height x width x 3."""
    t, y, x = np.mgrid[0:9, 0:48, 0:64]
    red = (x * 4 + t * 20) % 256
    green = (y * 5) % 256
    blue = np.where((x - 8 * t) ** 2 + (y - 24) ** 2 < 60, 255, 40)
    return np.stack([red, green, blue], -1).astype(np.uint8)
