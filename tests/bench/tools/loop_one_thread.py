"""The plain loop by a user who found that a small model on a CPU is quicker with one thread."""

from tools import loop


def make(prompts, seeds, **settings):
    """Make a clip of every prompt with every seed."""
    import torch

    torch.set_num_threads(1)
    return loop.make(prompts, seeds, **settings)
