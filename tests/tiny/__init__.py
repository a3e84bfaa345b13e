"""Every video pipeline of diffusers with tiny random weights: no file, no network, no mock.

`make("WanPipeline")` is the real class around real models of a few thousand weights, the same
ones every time. `SHAPES["WanPipeline"]` holds the smallest arguments that it can be called with;
FACTS.md has what was measured of each.
"""

from tiny import (
    allegro,
    animatediff,
    anyflow,
    cogvideox,
    cosmos,
    hunyuan,
    kandinsky,
    latte,
    ltx,
    ltx2,
    mochi,
    sana,
    skyreels,
    svd,
    wan,
)

_GROUPS = (
    wan,
    ltx,
    cogvideox,
    hunyuan,
    mochi,
    ltx2,
    skyreels,
    cosmos,
    kandinsky,
    sana,
    animatediff,
    latte,
    allegro,
    svd,
    anyflow,
)
_MAKERS = {name: maker for group in _GROUPS for name, maker in group.MAKERS.items()}
SHAPES = {name: shape for group in _GROUPS for name, shape in group.SHAPES.items()}
NAMES: tuple[str, ...] = tuple(_MAKERS)
# Called with words, diffusers 0.42 ends in a NameError where these lack the package.
NEEDS = dict.fromkeys(
    (
        "WanImageToVideoPipeline",
        "WanVideoToVideoPipeline",
        "WanVACEPipeline",
        "SkyReelsV2Pipeline",
        "SkyReelsV2ImageToVideoPipeline",
        "SkyReelsV2DiffusionForcingPipeline",
    ),
    "ftfy",
)


def make(name):
    """A pipeline of the diffusers class `name`; the global random numbers stay as they were."""
    import diffusers
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = getattr(diffusers, name)(**_MAKERS[name]())
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe
