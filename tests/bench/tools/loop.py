"""The plain loop: what a user of diffusers writes without a kit.

Every tool has a function `make`; docs/benchmark.md documents its arguments and its result.
"""

import functools


@functools.cache
def pipeline(model, device):
    """Return the pipeline of a folder or repository, loaded once."""
    import torch
    from diffusers import DiffusionPipeline

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    pipe = DiffusionPipeline.from_pretrained(model, dtype=dtype, use_safetensors=True).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def loop(pipe, prompts, seeds, **settings):
    """Yield each clip, one pipeline call per clip."""
    import torch

    for prompt in prompts:
        for seed in seeds:
            yield pipe(
                prompt=prompt,
                generator=torch.Generator().manual_seed(seed),
                output_type="np",
                **settings,
            ).frames[0]


def make(prompts, seeds, *, model, device, **settings):
    """Generate a clip of every prompt with every seed."""
    return list(loop(pipeline(model, device), prompts, seeds, **settings))
