"""The plain loop with one thread, which is faster for small models on a CPU."""

from tools import loop


def make(prompts, seeds, **settings):
    """Generate a clip of every prompt with every seed."""
    import torch

    torch.set_num_threads(1)
    return loop.make(prompts, seeds, **settings)
