"""Tokenizers and text encoders: real classes with random weights, created in code.

Every tokenizer is a byte-pair encoding over all 256 bytes, so that different prompts have different
tokens: the words below are one token each, any other word is spelled. Where a pipeline cuts a fixed
number of tokens off its own instructions, the tokenizer encodes them as exactly that number.
"""

import json
import re
import tempfile
from pathlib import Path

WORDS = (  # noqa: SIM905
    "a an over the bee moth ladybug meadow dunes sea at noon night seen from drone cat red square "
    "system user assistant"
).split()
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SIZE = 16  # of every encoder's hidden states


def _vocabulary_and_merges(words, specials, suffix=""):
    """Return a vocabulary with all prefixes of the words, or all endings with CLIP's suffix."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    if suffix:
        letters += [letter + suffix for letter in letters]
    vocabulary = {token: i for i, token in enumerate([*specials, *letters])}
    merges = []
    for word in words:
        pieces = [*word[:-1], word[-1] + suffix][::-1] if suffix else ["Ġ", *word]
        merged = pieces[0]
        for piece in pieces[1:]:
            pair = (piece, merged) if suffix else (merged, piece)
            merged = "".join(pair)
            if merged not in vocabulary:
                vocabulary[merged] = len(vocabulary)
                merges.append(pair)
    return vocabulary, merges


def _tokenizer(words, specials, single, **more):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = _vocabulary_and_merges(words, specials)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    if single:
        used = [token for token in specials if token in single.split()]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=single, special_tokens=[(token, specials.index(token)) for token in used]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **more)


def t5_tokenizer():
    return _tokenizer(
        WORDS,
        [PAD, END, UNKNOWN],
        f"$A {END}",
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=512,
    )


def _tokenizer_of_length(specials, single, instructions, length, **more):
    """Return a tokenizer that encodes the pipeline's `instructions` as `length` tokens."""
    instruction_words = re.sub("|".join(map(re.escape, specials)), " ", instructions).split()
    unique = dict.fromkeys([*WORDS, *instruction_words])
    shortenable = sorted((word for word in unique if instruction_words.count(word) == 1), key=len)
    words = {word: word for word in unique}

    def rebuild():
        nonlocal tokenizer
        tokenizer = _tokenizer([word for word in words.values() if word], specials, single, **more)
        return length - len(tokenizer(instructions)["input_ids"])

    tokenizer = None
    while (excess := rebuild()) and shortenable:
        # Each letter that is missing from a known word is one more token.
        word = shortenable.pop()
        words[word] = word[: max(0, len(word) - excess)]
        if rebuild() < 0:  # it is a prefix of another word
            words[word] = word
    if excess:
        message = f"the instructions can't be made {length} tokens long"
        raise ValueError(message)
    return tokenizer


LLAMA = [
    "<|begin_of_text|>",
    "<|pad|>",
    "<image>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "\n\n",
]


def llama_tokenizer(template):
    """Return Llama 3's; the pipeline cuts off the first `crop_start` tokens of its `template`."""
    instructions, _, _ = template["template"].partition("{}")
    return _tokenizer_of_length(
        LLAMA,
        "<|begin_of_text|> $A",
        instructions,
        template["crop_start"],
        bos_token="<|begin_of_text|>",
        pad_token="<|pad|>",
        eos_token="<|eot_id|>",
        model_max_length=1024,
        padding_side="right",
    )


QWEN = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen_tokenizer(instructions, length):
    return _tokenizer_of_length(
        QWEN,
        None,
        instructions,
        length,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        model_max_length=4096,
        chat_template=CHAT,
        padding_side="right",
    )


def qwen_processor(tokenizer):
    """Return Qwen2.5-VL's for text and images: the part for videos needs torchvision."""
    from transformers import ProcessorMixin, Qwen2VLImageProcessorPil, Qwen2VLProcessor

    class TextAndImageProcessor(Qwen2VLProcessor):
        __module__ = Qwen2VLProcessor.__module__  # it stands for a class of transformers

        def __init__(self, image_processor=None, tokenizer=None):
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            ids = tokenizer.convert_tokens_to_ids
            self.image_token_id, self.video_token_id = map(
                ids, (self.image_token, self.video_token)
            )
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=CHAT)

    return TextAndImageProcessor(Qwen2VLImageProcessorPil(), tokenizer)


def gemma_tokenizer():
    specials = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "<start_of_image>",
        "<image_soft_token>",
        "<end_of_image>",
    ]
    return _tokenizer(
        WORDS,
        specials,
        "<bos> $A",
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        model_max_length=1024,
    )


def clip_tokenizer():
    from transformers import CLIPTokenizer

    specials = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = _vocabulary_and_merges(WORDS, specials, suffix="</w>")
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        files[0].write_text(json.dumps(vocabulary), "utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        files[1].write_text("\n".join(lines), "utf-8")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


_T5 = {"d_model": SIZE, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}


def t5(tokenizer):
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=len(tokenizer), **_T5))


def umt5(tokenizer):
    from transformers import UMT5Config, UMT5EncoderModel

    return UMT5EncoderModel(UMT5Config(vocab_size=len(tokenizer), **_T5))


# Large enough that every word changes the clip.
_DECODER = {
    "hidden_size": SIZE,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "initializer_range": 0.5,
}


def llama_config(tokenizer):
    from transformers import LlamaConfig

    # The pipelines use the state two layers before the last.
    return LlamaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **_DECODER,
    )


def llama(tokenizer):
    from transformers import LlamaModel

    return LlamaModel(llama_config(tokenizer))


def llava(tokenizer):
    """Return LLaVA with 24 x 24 patches: the pipeline's template expects 576."""
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        projection_dim=8,
        num_attention_heads=2,
        num_hidden_layers=2,
        image_size=24,
        patch_size=1,
    )
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=llama_config(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )


def _qwen_text(tokenizer):
    return {
        **_DECODER,
        "num_hidden_layers": 3,
        "vocab_size": len(tokenizer),
        "rope_parameters": {
            "mrope_section": [1, 1, 2],
            "rope_type": "default",
            "rope_theta": 10000.0,
        },
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def qwen_text(tokenizer):
    from transformers import Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel

    return Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**_qwen_text(tokenizer)))


def qwen(tokenizer):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    ids = tokenizer.convert_tokens_to_ids
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=_qwen_text(tokenizer),
            vision_config={
                "depth": 1,
                "hidden_size": SIZE,
                "intermediate_size": 32,
                "num_heads": 2,
                "out_hidden_size": SIZE,
                "fullatt_block_indexes": [0],
            },
            image_token_id=ids("<|image_pad|>"),
            video_token_id=ids("<|video_pad|>"),
            vision_start_token_id=ids("<|vision_start|>"),
            vision_end_token_id=ids("<|vision_end|>"),
        )
    )


def gemma2(tokenizer):
    from transformers import Gemma2Config, Gemma2Model

    return Gemma2Model(
        Gemma2Config(
            vocab_size=len(tokenizer),
            num_hidden_layers=1,
            head_dim=8,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
            **_DECODER,
        )
    )


def gemma3(tokenizer):
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3TextConfig,
        SiglipVisionConfig,
    )

    ids = tokenizer.convert_tokens_to_ids
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=2,
        head_dim=8,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        **_DECODER,
    )
    vision = SiglipVisionConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config=text,
            vision_config=vision,
            mm_tokens_per_image=4,
            boi_token_index=ids("<start_of_image>"),
            eoi_token_index=ids("<end_of_image>"),
            image_token_index=ids("<image_soft_token>"),
        )
    )


def clip_text(tokenizer):
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=SIZE,
            intermediate_size=32,
            projection_dim=SIZE,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def clip_vision(size=8, side=16):
    """Return an image encoder with 4 x 4 patches, and its processor."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=size,
            projection_dim=size,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=side,
            patch_size=side // 4,
        )
    )
    return model, clip_images(side)


def clip_images(size):
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )


def siglip_vision(size):
    """Return SigLIP with 27 x 27 patches: HunyuanVideo 1.5 expects 729."""
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    model = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=size,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=27,
            patch_size=1,
        )
    )
    return model, SiglipImageProcessorPil(size={"height": 27, "width": 27})
