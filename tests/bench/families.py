"""Sweeps of other families than pollen's against the plain loop, on small random pipelines."""

import tempfile

import against
import pipelines

# By the names that people call them.
FAMILIES = {
    "Wan": "WanPipeline",
    "CogVideoX": "CogVideoXPipeline",
    "HunyuanVideo": "HunyuanVideoPipeline",
}
TOOLS = {"loop": against.LOOP, "one thread": against.ONE_THREAD, "beecam": against.KIT}
AT_LEAST = 1.3
SEEDS = (1, 2)


def measured(kind, rounds=3):
    """Return how long one family's sweep takes each tool, and the sweep.

    Args:
        kind: A class of diffusers.
        rounds: How many times.
    """
    with tempfile.TemporaryDirectory() as folder:
        pipelines.make(kind).save_pretrained(folder, safe_serialization=True)
        settings = {"model": folder, "device": "cpu", **pipelines.SETTINGS}
        sweep = against.Sweep(against.PROMPTS, list(SEEDS), settings)
        return against.measure(TOOLS, sweep, rounds), sweep


def row(name):
    """Return one family's promise, what it is, what was measured, whether it holds, and figures.

    The loop is the quicker of two: as it is, and with one thread, which suits small models.
    """
    promise = f"{name}: sweep of {len(against.PROMPTS) * len(SEEDS)} against the plain loop"
    target = f"{AT_LEAST}x, pixels within 1/255"
    try:
        sides, sweep = measured(FAMILIES[name])
    except RuntimeError as error:
        return promise, target, f"failed: {error}", False, {}
    beecam = sides["beecam"]
    by = {which: sides[which].median / beecam.median for which in ("loop", "one thread")}
    far = against.difference(sides["loop"].frames, beecam.frames)
    best = min(by.values())
    said = (
        f"{by['loop']:.2f}x, {by['one thread']:.2f}x where the loop has one thread "
        f"({beecam.median / sweep.size:.3f} s a clip), pixels within {far}/255"
    )
    figures = {which: side.seconds for which, side in sides.items()}
    return promise, target, said, best >= AT_LEAST and far <= 1, {**figures, "levels": far}
