"""The networks of pollen: diffusers' and transformers' own LTX and T5 classes at a small size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHANNELS = 144
SPACE, TIME = 24, 4  # pixels a side and frames for each latent cell
SIZE, FRAMES, FPS = 96, 17, 8.0
CELLS = SIZE // SPACE  # latent cells a side
LATENT_FRAMES = (FRAMES - 1) // TIME + 1
TOKENS = LATENT_FRAMES * CELLS**2
# Where the tokens of a whole clip lie, as LTXPipeline tells the denoiser.
PLACES: Mapping[str, Any] = {
    "num_frames": LATENT_FRAMES,
    "height": CELLS,
    "width": CELLS,
    "rope_interpolation_scale": (TIME / FPS, SPACE, SPACE),
}
TEXT_LENGTH = 128
SHORT_TEXT = 48  # tokens that are left of most texts when their padding is cut off
TEXT_WIDTH = 128


def autoencoder() -> Any:
    """Make the autoencoder: 24x24 pixels and 4 frames to 144 numbers, 5.8 M parameters."""
    from diffusers import AutoencoderKLLTXVideo

    return AutoencoderKLLTXVideo(
        latent_channels=CHANNELS,
        block_out_channels=(32, 64, 128),
        down_block_types=("LTXVideo095DownBlock3D",) * 2,
        decoder_block_out_channels=(64, 128),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False,) * 3,
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(True, True),
        upsample_factor=(2, 2),
        patch_size=6,
    )


def transformer(start: Path | None = None) -> Any:
    """Make the denoiser (320 wide, 6 layers, 10.9 M parameters), or take exported weights'."""
    import torch
    from diffusers import LTXVideoTransformer3DModel

    if start is not None:
        return LTXVideoTransformer3DModel.from_pretrained(
            start / "transformer", torch_dtype=torch.float32
        )
    return LTXVideoTransformer3DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_attention_heads=5,
        attention_head_dim=64,
        cross_attention_dim=320,
        num_layers=6,
        caption_channels=TEXT_WIDTH,
    )


def text_encoder(words: int) -> Any:
    """Make the text encoder: two layers, 128 wide.

    Args:
        words: Size of the vocabulary.
    """
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=words,
            d_model=TEXT_WIDTH,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def tokenizer(words: Sequence[str]) -> Any:
    """Make a tokenizer of whole words; letter case and punctuation don't matter.

    Args:
        words: The vocabulary, lower case; what is not in it is one unknown word.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>"]
    vocabulary = {word: i for i, word in enumerate([*special, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106  (no password)
    made.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\w\s]"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        model_max_length=TEXT_LENGTH,
    )


def scheduler() -> Any:
    """Make the flow matching scheduler; the shift spends more steps where the layout is decided."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=3.0)
