"""Sweeps at the real sizes of Wan 2.1 1.3B and LTX-Video 2B: the plain loop against beecam.

`python tests/bench/gpu.py --device cuda --out gpu.md` needs torch and diffusers, no network: the
weights are random. The table is rewritten after each row, so that no measurement is lost
if the program is stopped.
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

import compare_tools  # noqa: E402
import real  # noqa: E402
from tools import kit, loop  # noqa: E402

import beecam as bc  # noqa: E402


class TimeUp(Exception):  # noqa: N818
    """Raised in the main thread when the time limit is reached."""


@dataclass(frozen=True)
class Mode:
    """One way to run the sweep.

    Attributes:
        name: Its name in the table.
        prepare: Returns a function `(prompts, seeds, **settings)` for a pipeline.
        available: Whether the installed beecam supports it.
    """

    name: str
    prepare: Callable
    available: bool = True


def plain_loop(pipe):
    """Return the loop that a user of diffusers writes."""
    return lambda *args, **settings: list(loop.loop(pipe, *args, **settings))


def beecam_sweep(pipe, wrapped=None, **options):
    """Return a beecam sweep, with arguments of `bc.wrap` and of the run."""
    model = kit.record_frames(bc.wrap(pipe, name=type(pipe).__name__, **(wrapped or {})))
    if str(pipe.device) == "cpu":
        from beecam.models.batching.threads import WorkerPool

        model._workers = WorkerPool()  # as on a GPU: one batch after the other
    return functools.partial(kit.run_sweep, model, **options)


def modes(batch):
    """Return all measured modes."""
    has_speed = "speed" in inspect.signature(bc.wrap).parameters
    balanced = functools.partial(beecam_sweep, wrapped={"speed": "balanced"})
    larger = functools.partial(beecam_sweep, wrapped={"batch_size": batch})
    return [
        Mode("plain loop", plain_loop),
        Mode("beecam", beecam_sweep),
        Mode("beecam, exact=True", functools.partial(beecam_sweep, exact=True)),
        Mode(f"beecam, batch_size={batch}", larger, available=bool(batch)),
        Mode('beecam, speed="balanced"', balanced, available=has_speed),
    ]


class Report:
    """The table; its file is written after each row."""

    def __init__(self, path, device):
        self.path = path
        dtypes = "float32" if device == "cpu" else "bfloat16 (the VAE of Wan in float32)"
        text = (
            f"Weights are random, in {dtypes}; the text encoder is a small random one with "
            "states of the right width. One other clip was generated before each row was timed. "
            "beecam's time includes its mp4 files; the loop writes none."
        )
        self.lines = [f"{compare_tools.machine()}; {_name_of(device)}.", "", text]

    def start_table(self, text):
        """Start the table of one model."""
        self.lines += [
            "",
            text,
            "",
            "| | clips per minute | against the loop | peak memory | farthest pixel | mean difference |",
            "|---|---|---|---|---|---|",
        ]
        self.write()

    def add(self, line):
        """Add a line."""
        self.lines.append(line)
        print(line, flush=True)
        self.write()

    def write(self):
        """Write the lines so far."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join(self.lines) + "\n")


def _name_of(device):
    import torch

    if device.startswith("cuda"):
        driver = f"CUDA {torch.version.cuda}"
        return f"{torch.cuda.get_device_name(device)}, {driver}"
    return f"on {device}"


@contextlib.contextmanager
def limited(minutes):
    """Raise TimeUp in the main thread once the minutes are over."""

    def raise_time_up(*_):
        raise TimeUp

    signal.signal(signal.SIGALRM, raise_time_up)
    signal.setitimer(signal.ITIMER_REAL, minutes * 60)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(eq=False)
class ModeResult:
    """The measurements of one mode.

    Attributes:
        seconds: The median time of the sweep.
        peak: The peak GPU memory in bytes, or None.
        frames: The frames of all clips.
    """

    seconds: float
    peak: int | None
    frames: np.ndarray


def measure(mode, pipe, sweep, rounds):
    """Run the sweep in one mode after a warm-up, for all rounds."""
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
        clips = make(sweep.prompts, sweep.seeds, **sweep.settings)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(pipe.device) if gpu else None
    return ModeResult(statistics.median(seconds), peak, compare_tools.as_frames(clips, sweep.size))


def rows(real_model, options, report):
    """Measure all modes on one pipeline."""
    shape = "small" if options.small else options.shape
    overrides = {name: getattr(options, name) for name in ("width", "height", "num_frames")}
    settings = {
        **real_model.shapes[shape],
        **{n: value for n, value in overrides.items() if value is not None},
    }
    if options.steps is not None:
        settings["num_inference_steps"] = options.steps
    prompts, seeds = compare_tools.PROMPTS[: options.prompts], list(range(options.seeds))
    sweep = compare_tools.Sweep(prompts, seeds, settings)
    print(f"creating {real_model.name} ...", flush=True)
    pipe = real.make(real_model, options.device, small=options.small)
    size = sum(p.numel() for p in pipe.transformer.parameters()) / 1e9
    report.start_table(
        f"**{real_model.name}{', shrunk' if options.small else ''}** ({size:.2f} billion parameters): "
        f"{sweep.size} clips of {settings['width']}x{settings['height']}, {settings['num_frames']} frames, "
        f"{settings['num_inference_steps']} steps, guidance {settings['guidance_scale']:g}"
        + (f"; medians of {options.rounds}" if options.rounds > 1 else "")
    )
    loop_result = None
    for mode in (mode for mode in modes(options.batch) if mode.available):
        try:
            result = measure(mode, pipe, sweep, options.rounds)
        except TimeUp:
            report.add(f"| {mode.name} | time was up | | | | |")
            raise
        except Exception as error:  # noqa: BLE001  (the other rows are worth having)
            traceback.print_exc()
            text = " ".join(str(error).split())[:120]
            report.add(f"| {mode.name} | failed: {text} | | | | |")
            continue
        loop_result = result if mode.prepare is plain_loop else loop_result
        report.add(_row(mode.name, sweep.size, result, loop_result))
    if loop_result is not None:
        report.add(f"\nThe pixels' standard deviation is {loop_result.frames.std():.0f} of 255.")


def _row(name, size, result, loop_result):
    """Return a row of the table, compared with the plain loop if it was measured."""
    cells = [name, f"{size / result.seconds * 60:.2f}"]
    cells.append(f"{loop_result.seconds / result.seconds:.2f}x" if loop_result else "")
    cells.append("not measured" if result.peak is None else f"{result.peak / 2**30:.1f} GiB")
    if loop_result in (None, result):
        cells += ["", ""]
    else:
        levels = compare_tools.difference(loop_result.frames, result.frames)
        mean = np.mean(
            [
                np.abs(a.astype(np.int16) - b).mean()
                for a, b in zip(loop_result.frames, result.frames, strict=True)
            ]
        )
        cells += [f"{levels}/255", f"{mean:.3f}/255"]
    return f"| {' | '.join(cells)} |"


def main():
    """Measure the models of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="as torch names it")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "out" / "gpu.md", help="the table's file"
    )
    parser.add_argument("--minutes", type=float, default=60, help="the time limit")
    parser.add_argument("--models", nargs="+", choices=[*real.REAL], default=[*real.REAL])
    parser.add_argument("--shape", choices=["explore", "published"], default="explore")
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--num-frames", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--prompts", type=int, default=8, choices=range(1, 9), metavar="1..8")
    parser.add_argument("--seeds", type=int, default=compare_tools.SEEDS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=0, help="a further row with this batch_size")
    parser.add_argument("--small", action="store_true", help="shrunk models, to try this program")
    options = parser.parse_args()
    report = Report(options.out, options.device)
    with limited(options.minutes):
        try:
            for name in options.models:
                rows(real.REAL[name], options, report)
                gc.collect()
        except TimeUp:
            report.add(f"\nEnded after {options.minutes:g} minutes, the time limit.")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
