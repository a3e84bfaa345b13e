"""Sweeps of families other than pollen's against the plain loop, on small random pipelines."""

import tempfile

import compare_tools
import pipelines

# Pipeline classes by the usual names of the families.
FAMILIES = {
    "Wan": "WanPipeline",
    "CogVideoX": "CogVideoXPipeline",
    "HunyuanVideo": "HunyuanVideoPipeline",
}
TOOLS = {
    "loop": compare_tools.LOOP,
    "one thread": compare_tools.ONE_THREAD,
    "beecam": compare_tools.KIT,
}
AT_LEAST = 1.3
SEEDS = (1, 2)


def measure(pipeline_class, rounds=3):
    """Return the ToolResults of one family's sweep, and the sweep.

    Args:
        pipeline_class: The name of a diffusers class.
        rounds: The number of rounds.
    """
    with tempfile.TemporaryDirectory() as folder:
        pipelines.make(pipeline_class).save_pretrained(folder, safe_serialization=True)
        settings = {"model": folder, "device": "cpu", **pipelines.SETTINGS}
        sweep = compare_tools.Sweep(compare_tools.PROMPTS, list(SEEDS), settings)
        return compare_tools.measure(TOOLS, sweep, rounds), sweep


def promise_row(name):
    """Return a family's promise, its target, the measurement, whether it holds, and figures.

    The loop is the faster one of two: by default, and with one thread, which suits small models.
    """
    promise = f"{name}: sweep of {len(compare_tools.PROMPTS) * len(SEEDS)} against the plain loop"
    target = f"{AT_LEAST}x, pixels within 1/255"
    try:
        results, sweep = measure(FAMILIES[name])
    except RuntimeError as error:
        return promise, target, f"failed: {error}", False, {}
    beecam = results["beecam"]
    ratios = {
        variant: results[variant].median / beecam.median for variant in ("loop", "one thread")
    }
    levels = compare_tools.difference(results["loop"].frames, beecam.frames)
    smallest = min(ratios.values())
    measurement = (
        f"{ratios['loop']:.2f}x, {ratios['one thread']:.2f}x where the loop has one thread "
        f"({beecam.median / sweep.size:.3f} s per clip), pixels within {levels}/255"
    )
    figures = {variant: result.seconds for variant, result in results.items()}
    return (
        promise,
        target,
        measurement,
        smallest >= AT_LEAST and levels <= 1,
        {**figures, "levels": levels},
    )
