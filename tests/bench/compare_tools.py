"""Compare several tools on one sweep: the plain loop, beecam, and any other.

`python tests/bench/compare_tools.py --tool path/to/file.py` adds a tool;
docs/benchmark.md documents its function `make` and what is measured.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
LOOP, ONE_THREAD, KIT = (
    FOLDER / "tools" / f"{name}.py" for name in ("loop", "loop_one_thread", "kit")
)
POLLEN = FOLDER.parents[1] / "kit" / "beecam" / "models" / "pollen" / "weights"
PROMPTS = [
    f"{insect} over {place}"
    for insect in ("a bee", "a butterfly", "a ladybug", "a dragonfly")
    for place in ("a meadow at noon", "the ocean at night")
]
SEEDS = 4
MARKER = "result:"  # marks results among what else a tool prints


# Arguments of each pipeline call of pollen besides prompt and seed.
POLLEN_SETTINGS = {
    "width": 96,
    "height": 96,
    "num_frames": 17,
    "frame_rate": 8,
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
}


@dataclass
class Sweep:
    """The sweep of every tool."""

    prompts: list
    seeds: list
    settings: dict = field(default_factory=dict)

    @property
    def size(self):
        return len(self.prompts) * len(self.seeds)


@dataclass
class ToolResult:
    """The seconds of each round of a tool, and the frames of the last one."""

    seconds: list
    frames: np.ndarray

    @property
    def median(self):
        return statistics.median(self.seconds)


def measure(tools, sweep, rounds=3):
    """Run a sweep with each tool in turn, `rounds` times; return a ToolResult by name.

    Each tool has a process that stays alive, so that it loads its model once. They take turns,
    so that other load on the machine affects all of them.

    Args:
        tools: Files with a function `make`, by name.
        sweep: The sweep.
        rounds: The number of rounds.
    """
    with tempfile.TemporaryDirectory() as folder:
        task = {"prompts": sweep.prompts, "seeds": sweep.seeds, "settings": sweep.settings}
        processes = {}
        try:
            for name, file in tools.items():
                target = str(Path(folder) / f"{len(processes)}.npy")
                processes[name] = _ToolProcess(name, {**task, "tool": str(file), "target": target})
            for process in processes.values():
                process.read_result()  # all warm up at the same time
            seconds_of = {name: [] for name in tools}
            for _ in range(rounds):
                for name, process in processes.items():
                    seconds_of[name].append(process.run_sweep())
            return {
                name: ToolResult(seconds_of[name], np.load(process.task["target"]))
                for name, process in processes.items()
            }
        finally:
            for process in processes.values():
                process.close()


class _ToolProcess:
    """A process with one tool: it warms up, reports that, and then runs sweeps on request."""

    def __init__(self, name, task):
        self.name, self.task = name, task
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", json.dumps(task)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run_sweep(self):
        """Run the sweep; return its seconds."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.read_result()

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def read_result(self):
        """Wait for the next result."""
        for line in self._process.stdout:
            if line.startswith(MARKER):
                return json.loads(line.removeprefix(MARKER))
        raise RuntimeError(f"{self.name} ended before the sweep did; its output is above.")


def run_tool(task):
    """Warm up one tool, then run the sweep at each line on stdin."""
    spec = importlib.util.spec_from_file_location("tool", task["tool"])
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    settings = task["settings"]
    # Not part of the sweep, so that a tool with a cache has no advantage.
    as_frames(tool.make(["a warm-up"], [1_000_000], **settings), 1)
    print(MARKER, "null", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        clips = tool.make(task["prompts"], task["seeds"], **settings)
        seconds = time.perf_counter() - start
        np.save(task["target"], as_frames(clips, len(task["prompts"]) * len(task["seeds"])))
        print(MARKER, json.dumps(seconds), flush=True)


def as_frames(clips, count):
    """Return clips as one array of uint8; some tools return floats from 0 to 1."""
    if len(clips) != count:
        raise ValueError(f"make returned {len(clips)} clips, not {count}")
    clips = [np.asarray(clip) for clip in clips]
    return np.stack(
        [
            clip if clip.dtype == np.uint8 else np.round(clip * 255).clip(0, 255).astype(np.uint8)
            for clip in clips
        ]
    )


def difference(one, other):
    """Return the largest difference of two pixels, of 255 levels; None for different shapes."""
    if one.shape != other.shape:
        return None
    # Clip by clip, to save memory.
    return max(int(np.abs(a.astype(np.int16) - b).max()) for a, b in zip(one, other, strict=True))


def table(results, size):
    """Return a table of the results in Markdown; all are compared with the first."""
    first = next(iter(results.values()))
    lines = [
        "| | s per clip | clips per minute | against the first | farthest pixel |",
        "|---|---|---|---|---|",
    ]
    for name, result in results.items():
        levels = difference(first.frames, result.frames)
        pixels = "" if result is first else "another size" if levels is None else f"{levels}/255"
        lines.append(
            f"| {name} | {result.median / size:.3f} | {size / result.median * 60:.1f} "
            f"| {first.median / result.median:.2f}x | {pixels} |"
        )
    return "\n".join(lines)


def machine():
    """Return the date, the machine and the versions in a line."""
    import diffusers
    import torch

    return (
        f"{time.strftime('%Y-%m-%d')}, {len(os.sched_getaffinity(0))} CPU cores "
        f"({platform.machine()}), Python {platform.python_version()}, torch {torch.__version__}, "
        f"diffusers {diffusers.__version__}"
    )


def main():
    """Measure the tools of the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        type=Path,
        help="a file with a function make; may be repeated",
    )
    parser.add_argument(
        "--model",
        default="pollen",
        help="pollen, or an argument of DiffusionPipeline.from_pretrained",
    )
    parser.add_argument("--device", default="cpu", help="as torch names it")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of each call, as in --set num_frames=33",
    )
    parser.add_argument("--prompts", type=int, default=8, choices=range(1, 9), metavar="1..8")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_tool(options.child)
        return
    settings = {"model": options.model, "device": options.device}
    if options.model == "pollen":
        settings |= {"model": str(POLLEN), **POLLEN_SETTINGS}
    settings |= dict(map(_setting, options.set))
    sweep = Sweep(PROMPTS[: options.prompts], list(range(options.seeds)), settings)
    tools = {"plain loop": LOOP}
    if options.device == "cpu":
        tools["plain loop, one thread"] = ONE_THREAD
    tools |= {"beecam": KIT, **{file.stem: file for file in options.tool}}
    results = measure(tools, sweep, options.rounds)
    print(f"{sweep.size} clips of {options.model}, medians of {options.rounds}; {machine()}\n")
    print(table(results, sweep.size))


def _setting(text):
    """Return the name and the value of NAME=VALUE."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
