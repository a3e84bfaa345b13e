"""The tiny pipelines of other tests: real classes, small and deterministic."""

import inspect

import numpy as np
import pytest
import torch

import tiny
from beecam.models.diffusers.families.table import FAMILIES

pytestmark = pytest.mark.slow
TESTED = [name for family in FAMILIES for name in family.classes]
PROMPT = "a bee over the meadow"
# This pipeline drops the first 4 of the requested frames.
DROPPED_FRAMES = {"HunyuanVideoImageToVideoPipeline": 4}


def generate(pipe, name, seed, prompt=PROMPT):
    takes_prompt = "prompt" in inspect.signature(pipe.__call__).parameters
    output = pipe(
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        **({"prompt": prompt} if takes_prompt else {}),
        **tiny.SHAPES[name],
    )
    return np.asarray(output.frames)


def expected(name):
    shape = tiny.SHAPES[name]
    frames = next(shape[k] for k in ("num_frames", "frames", "video_length", "video") if k in shape)
    frames = frames if isinstance(frames, int) else len(frames)
    return frames - DROPPED_FRAMES.get(name, 0), shape.get("height", 16), shape.get("width", 16)


@pytest.mark.parametrize("name", TESTED)
def test_every_pipeline_generates_the_same_clip_every_time(name):
    if name in tiny.NEEDS:
        pytest.importorskip(tiny.NEEDS[name])
    rng_state = torch.random.get_rng_state()
    pipe = tiny.make(name)
    assert torch.equal(rng_state, torch.random.get_rng_state())
    assert type(pipe).__name__ == name
    clip = generate(pipe, name, 0)
    assert clip.shape == (1, *expected(name), 3)
    assert np.isfinite(clip).all()
    assert clip.std() > 0.01
    assert np.array_equal(clip, generate(pipe, name, 0))
    assert np.abs(clip - generate(pipe, name, 1)).max() > 2 / 255
    if "prompt" in inspect.signature(pipe.__call__).parameters:
        assert np.abs(clip - generate(pipe, name, 0, "a moth at night")).max() > 1 / 510
    assert np.array_equal(clip, generate(tiny.make(name), name, 0))


def test_every_class_has_a_tiny_pipeline():
    assert len(tiny.NAMES) == len(tiny.SHAPES) == 59
    assert set(tiny.NEEDS) <= set(tiny.NAMES)


def test_different_prompts_have_different_tokens():
    from tiny.text_encoders import clip_tokenizer, gemma_tokenizer, t5_tokenizer

    prompts = ["a bee", "a beetle", "a Bee", "ein Käfer", "a bee.", "蜂"]
    for tokenizer in (t5_tokenizer(), gemma_tokenizer()):
        encoded = [tuple(tokenizer(prompt)["input_ids"]) for prompt in prompts]
        assert len(set(encoded)) == len(prompts)
        assert [
            tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in encoded
        ] == prompts
    assert len({tuple(clip_tokenizer()(p)["input_ids"]) for p in prompts}) == len(prompts) - 1
