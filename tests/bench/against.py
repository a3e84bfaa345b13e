"""The same sweep by several tools, side by side: the plain loop, beecam, and any other.

`python tests/bench/against.py --tool path/to/file.py` puts a tool of yours beside them;
docs/benchmark.md says what its function `make` is given and what is measured.
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

HERE = Path(__file__).resolve().parent
LOOP, ONE_THREAD, KIT = (
    HERE / "tools" / f"{name}.py" for name in ("loop", "loop_one_thread", "kit")
)
POLLEN = HERE.parents[1] / "kit" / "beecam" / "models" / "pollen" / "weights"
PROMPTS = [
    f"{insect} over {place}"
    for insect in ("a bee", "a butterfly", "a ladybug", "a dragonfly")
    for place in ("a meadow at noon", "the ocean at night")
]
SEEDS = 4
SAID = "against:"  # before what a child says to its parent, among all else that tools print


# What each call is given for pollen beside prompt and seed.
OF_POLLEN = {
    "width": 96,
    "height": 96,
    "num_frames": 17,
    "frame_rate": 8,
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
}


@dataclass
class Sweep:
    """What every tool is given."""

    prompts: list
    seeds: list
    settings: dict = field(default_factory=dict)

    @property
    def size(self):
        return len(self.prompts) * len(self.seeds)


@dataclass
class Side:
    """What one tool did: its seconds, round by round, and the frames of the last round."""

    seconds: list
    frames: np.ndarray

    @property
    def median(self):
        return statistics.median(self.seconds)


def measure(tools, sweep, rounds=3):
    """Give one sweep to each tool in turn, `rounds` times; return a Side for each, by its name.

    Each has a process of its own that stays alive, so that each loads its model once. They
    take turns, so that what else the machine does falls on all of them.

    Args:
        tools: Files with a function `make`, by what they are called.
        sweep: The same for all.
        rounds: How many times.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = {"prompts": sweep.prompts, "seeds": sweep.seeds, "settings": sweep.settings}
        children = {}
        try:
            for name, file in tools.items():
                target = str(Path(folder) / f"{len(children)}.npy")
                children[name] = _Child(name, {**work, "tool": str(file), "target": target})
            for child in children.values():
                child.answer()  # it is warm; they warm up at the same time
            found = {name: [] for name in tools}
            for _ in range(rounds):
                for name, child in children.items():
                    found[name].append(child.go())
            return {
                name: Side(found[name], np.load(child.work["target"]))
                for name, child in children.items()
            }
        finally:
            for child in children.values():
                child.end()


class _Child:
    """A process with one tool, which warms up, reports it, and then follows commands."""

    def __init__(self, name, work):
        self.name, self.work = name, work
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", json.dumps(work)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def go(self):
        """Have it make the sweep; return its seconds."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.answer()

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def answer(self):
        """Wait for what it says next."""
        for line in self._process.stdout:
            if line.startswith(SAID):
                return json.loads(line.removeprefix(SAID))
        raise RuntimeError(f"{self.name} ended before the sweep did; what it said is above.")


def child(work):
    """Be the process of one tool: warm up, then make the sweep at each word of the parent."""
    spec = importlib.util.spec_from_file_location("tool", work["tool"])
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    settings = work["settings"]
    # Not of the sweep, so that a tool that remembers what it made gains nothing.
    as_frames(tool.make(["a warm-up"], [1_000_000], **settings), 1)
    print(SAID, "null", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        made = tool.make(work["prompts"], work["seeds"], **settings)
        seconds = time.perf_counter() - start
        np.save(work["target"], as_frames(made, len(work["prompts"]) * len(work["seeds"])))
        print(SAID, json.dumps(seconds), flush=True)


def as_frames(made, many):
    """Return clips as one array of 8-bit numbers; some tools give shares of 1."""
    if len(made) != many:
        raise ValueError(f"make returned {len(made)} clips, not {many}")
    clips = [np.asarray(clip) for clip in made]
    return np.stack(
        [
            clip if clip.dtype == np.uint8 else np.round(clip * 255).clip(0, 255).astype(np.uint8)
            for clip in clips
        ]
    )


def difference(one, other):
    """Return how far apart the farthest pixels are, in levels of 255; None for unequal shapes."""
    if one.shape != other.shape:
        return None
    # Clip by clip: a sweep of large clips twice as integers is much memory.
    return max(int(np.abs(a.astype(np.int16) - b).max()) for a, b in zip(one, other, strict=True))


def table(sides, size):
    """Return the sides as a table in Markdown; the first is what all are compared with."""
    first = next(iter(sides.values()))
    lines = [
        "| | s a clip | clips a minute | against the first | farthest pixel |",
        "|---|---|---|---|---|",
    ]
    for name, side in sides.items():
        far = difference(first.frames, side.frames)
        pixels = "" if side is first else "another size" if far is None else f"{far}/255"
        lines.append(
            f"| {name} | {side.median / size:.3f} | {size / side.median * 60:.1f} "
            f"| {first.median / side.median:.2f}x | {pixels} |"
        )
    return "\n".join(lines)


def machine():
    """Return in a line what was measured on, and with."""
    import diffusers
    import torch

    return (
        f"{time.strftime('%Y-%m-%d')}, {len(os.sched_getaffinity(0))} CPU cores "
        f"({platform.machine()}), Python {platform.python_version()}, torch {torch.__version__}, "
        f"diffusers {diffusers.__version__}"
    )


def main():
    """Measure what the command line asks for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        type=Path,
        help="a file with a function make; as many as you like",
    )
    parser.add_argument(
        "--model", default="pollen", help="pollen, or what DiffusionPipeline.from_pretrained takes"
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
    asked = parser.parse_args()
    if asked.child:
        child(asked.child)
        return
    settings = {"model": asked.model, "device": asked.device}
    if asked.model == "pollen":
        settings |= {"model": str(POLLEN), **OF_POLLEN}
    settings |= dict(map(_setting, asked.set))
    sweep = Sweep(PROMPTS[: asked.prompts], list(range(asked.seeds)), settings)
    tools = {"plain loop": LOOP}
    if asked.device == "cpu":
        tools["plain loop, one thread"] = ONE_THREAD
    tools |= {"beecam": KIT, **{file.stem: file for file in asked.tool}}
    sides = measure(tools, sweep, asked.rounds)
    print(f"{sweep.size} clips of {asked.model}, medians of {asked.rounds}; {machine()}\n")
    print(table(sides, sweep.size))


def _setting(text):
    """Return the name and the value of NAME=VALUE."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    main()
