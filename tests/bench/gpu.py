"""Sweeps at the real sizes of Wan 2.1 1.3B and LTX-Video 2B: the plain loop against beecam.

`python tests/bench/gpu.py --device cuda --out gpu.md` needs torch and diffusers, no network: the
weights are random. The table is rewritten after each row, so that what is measured is kept
however the program ends.
"""

import argparse
import contextlib
import functools
import gc
import inspect
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "kit"), str(ROOT / "tests")]

import against  # noqa: E402
import real  # noqa: E402
from tools import kit, loop  # noqa: E402

import beecam as bc  # noqa: E402


class TimeUp(Exception):  # noqa: N818
    """Raised where the program is when the time that it was given is over."""


@dataclass(frozen=True)
class Mode:
    """One way to make the sweep.

    Attributes:
        name: In the table.
        prepare: Given a pipeline, returns what makes clips from prompts, seeds and settings.
        offered: Whether what is installed has it.
    """

    name: str
    prepare: Callable
    offered: bool = True


def plain(pipe):
    """The loop that a user of diffusers writes."""
    return lambda *args, **settings: list(loop.loop(pipe, *args, **settings))


def by_beecam(pipe, wrapped=None, **asked):
    """beecam, with arguments of `bc.wrap` and of the run."""
    model = kit.keeping(bc.wrap(pipe, name=type(pipe).__name__, **(wrapped or {})))
    if str(pipe.device) == "cpu":
        from beecam.models.batching.threads import WorkerPool

        model._workers = WorkerPool()  # a trial of what happens on a GPU: one call after the other
    return functools.partial(kit.swept, model, **asked)


def modes(batch):
    """All ways that are measured; add a line for a new one."""
    has_speed = "speed" in inspect.signature(bc.wrap).parameters
    balanced = functools.partial(by_beecam, wrapped={"speed": "balanced"})
    larger = functools.partial(by_beecam, wrapped={"batch_size": batch})
    return [
        Mode("plain loop", plain),
        Mode("beecam", by_beecam),
        Mode("beecam, exact=True", functools.partial(by_beecam, exact=True)),
        Mode(f"beecam, batch_size={batch}", larger, offered=bool(batch)),
        Mode('beecam, speed="balanced"', balanced, offered=has_speed),
    ]


class Report:
    """The table, written to its file after each row."""

    def __init__(self, target, device):
        self.target = target
        numbers = "float32" if device == "cpu" else "bfloat16 (the VAE of Wan in float32)"
        said = (
            f"Weights are random, in {numbers}; the text encoder is a small random one with "
            "states of the right width. One other clip was made before each row's clock started. "
            "beecam's time includes its mp4 files; the loop writes none."
        )
        self.lines = [f"{against.machine()}; {_name_of(device)}.", "", said]

    def begin(self, said):
        """Begin the table of one model."""
        self.lines += [
            "",
            said,
            "",
            "| | clips a minute | against the loop | peak memory | farthest pixel | mean difference |",
            "|---|---|---|---|---|---|",
        ]
        self.write()

    def add(self, line):
        """Add a row, or what there is to say instead of one."""
        self.lines.append(line)
        print(line, flush=True)
        self.write()

    def write(self):
        """Write what there is so far."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_text("\n".join(self.lines) + "\n")


def _name_of(device):
    import torch

    if device.startswith("cuda"):
        driver = f"CUDA {torch.version.cuda}"
        return f"{torch.cuda.get_device_name(device)}, {driver}"
    return f"on {device}"


@contextlib.contextmanager
def limited(minutes):
    """Raise TimeUp in the main thread once the minutes are over."""

    def over(*_):
        raise TimeUp

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(eq=False)
class Found:
    """What one mode took and made.

    Attributes:
        seconds: For the sweep, the median of all rounds.
        peak: The most memory that was in use on the GPU, in bytes.
        frames: Of all clips.
    """

    seconds: float
    peak: int | None
    frames: np.ndarray


def measure(mode, pipe, sweep, rounds):
    """Make the sweep by one mode, once warm, and again for further rounds."""
    import torch

    gpu = pipe.device.type == "cuda"
    make = mode.prepare(pipe)
    make(["a warm-up"], [1_000_000], **sweep.settings)
    gc.collect()
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(pipe.device)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        made = make(sweep.prompts, sweep.seeds, **sweep.settings)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(pipe.device) if gpu else None
    return Found(statistics.median(seconds), peak, against.as_frames(made, sweep.size))


def rows(which, asked, report):
    """Measure all modes on one pipeline."""
    shape = "small" if asked.small else asked.shape
    given = {name: getattr(asked, name) for name in ("width", "height", "num_frames")}
    settings = {**which.shapes[shape], **{n: v for n, v in given.items() if v is not None}}
    if asked.steps is not None:
        settings["num_inference_steps"] = asked.steps
    prompts, seeds = against.PROMPTS[: asked.prompts], list(range(asked.seeds))
    sweep = against.Sweep(prompts, seeds, settings)
    print(f"making {which.name} ...", flush=True)
    pipe = real.make(which, asked.device, small=asked.small)
    size = sum(p.numel() for p in pipe.transformer.parameters()) / 1e9
    s = settings
    report.begin(
        f"**{which.name}{', shrunk' if asked.small else ''}** ({size:.2f} billion parameters): "
        f"{sweep.size} clips of {s['width']}x{s['height']}, {s['num_frames']} frames, "
        f"{s['num_inference_steps']} steps, guidance {s['guidance_scale']:g}"
        + (f"; medians of {asked.rounds}" if asked.rounds > 1 else "")
    )
    loops = None
    for mode in (mode for mode in modes(asked.batch) if mode.offered):
        try:
            found = measure(mode, pipe, sweep, asked.rounds)
        except TimeUp:
            report.add(f"| {mode.name} | time was up | | | | |")
            raise
        except Exception as error:  # noqa: BLE001  (the other rows are worth having)
            traceback.print_exc()
            text = " ".join(str(error).split())[:120]
            report.add(f"| {mode.name} | failed: {text} | | | | |")
            continue
        loops = found if mode.prepare is plain else loops
        report.add(_row(mode.name, sweep.size, found, loops))
    if loops is not None:
        report.add(f"\nThe pixels' standard deviation is {loops.frames.std():.0f} of 255.")


def _row(name, size, found, loops):
    """Return a row of the table; `loops` is what the plain loop did, if it did."""
    cells = [name, f"{size / found.seconds * 60:.2f}"]
    cells.append(f"{loops.seconds / found.seconds:.2f}x" if loops else "")
    cells.append("not measured" if found.peak is None else f"{found.peak / 2**30:.1f} GiB")
    if loops in (None, found):
        cells += ["", ""]
    else:
        far = against.difference(loops.frames, found.frames)
        mean = np.mean(
            [
                np.abs(a.astype(np.int16) - b).mean()
                for a, b in zip(loops.frames, found.frames, strict=True)
            ]
        )
        cells += [f"{far}/255", f"{mean:.3f}/255"]
    return f"| {' | '.join(cells)} |"


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="as torch names it")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "gpu.md", help="the table's file"
    )
    parser.add_argument("--minutes", type=float, default=60, help="when to end, whatever is done")
    parser.add_argument("--models", nargs="+", choices=[*real.REAL], default=[*real.REAL])
    parser.add_argument("--shape", choices=["explore", "published"], default="explore")
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--num-frames", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--prompts", type=int, default=8, choices=range(1, 9), metavar="1..8")
    parser.add_argument("--seeds", type=int, default=against.SEEDS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=0, help="a further row with this batch_size")
    parser.add_argument("--small", action="store_true", help="shrunk models, to try this program")
    asked = parser.parse_args()
    report = Report(asked.out, asked.device)
    with limited(asked.minutes):
        try:
            for name in asked.models:
                rows(real.REAL[name], asked, report)
                gc.collect()
        except TimeUp:
            report.add(f"\nEnded after {asked.minutes:g} minutes, as asked.")
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
