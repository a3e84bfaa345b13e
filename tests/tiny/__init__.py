"""Every video pipeline of diffusers with tiny random weights: no file, no network, no mock.

`make("WanPipeline")` returns the real class with real models of a few thousand weights, the same
ones every time. `SHAPES["WanPipeline"]` has the smallest arguments that it can be called with;
FACTS.md lists the measured behaviour of those that make several clips in one call.
"""

from tiny import (
    allegro,
    animatediff,
    anyflow,
    cogvideox,
    cosmos,
    easyanimate,
    helios,
    hunyuan,
    kandinsky,
    kandinsky6,
    latte,
    ltx,
    ltx2,
    mochi,
    motif,
    sana,
    sana_wm,
    skyreels,
    svd,
    text_to_video,
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
    helios,
    kandinsky,
    sana,
    animatediff,
    latte,
    allegro,
    svd,
    anyflow,
    easyanimate,
    motif,
    kandinsky6,
    sana_wm,
    text_to_video,
)
_MAKERS = {name: maker for group in _GROUPS for name, maker in group.MAKERS.items()}
SHAPES = {name: shape for group in _GROUPS for name, shape in group.SHAPES.items()}
NAMES: tuple[str, ...] = tuple(_MAKERS)
# With a prompt and without this package, these raise a NameError in diffusers 0.42.
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


def make(name, *, short_texts=False):
    """Return a pipeline of the diffusers class `name`; the global random state doesn't change.

    With `short_texts`, one whose class pads texts to a thousand tokens pads them to fewer: that is
    most of its work, but its owner has then set it up.
    """
    import diffusers
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = getattr(diffusers, name)(**_MAKERS[name]())
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    if short_texts:
        for setting, value in hunyuan.SHORT_TEXTS.get(name, {}).items():
            setattr(pipe, setting, value)
    pipe.set_progress_bar_config(disable=True)
    return pipe
