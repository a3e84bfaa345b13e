"""A run that is killed at any moment loses no finished clip and leaves no damaged row."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from beecam.clips.library import Library
from helpers import PATIENCE

# Loads the model once; each line on stdin forks a process that runs the sweep and is killed. It
# forks before any clip is generated, while its only other thread waits for work.
ZYGOTE = """
import os, sys
import torch
torch.set_num_threads(1)
import beecam as bc
from beecam.clips.library import Library
from pathlib import Path
model = bc.load()
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child:
        print("child", child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)
        continue
    sweep = bc.sweep("a bee over a meadow", seed=range(1000), num_inference_steps=1,
                     guidance_scale=1.0, num_frames=9)
    run = bc.run(sweep, model, library=Library(Path(sys.argv[1])))
    version = 0
    while not run.finished:
        changes = run.changes(version, timeout=5)
        version = changes.version
        for cell in changes.cells:
            if cell.status == "done":
                os.write(1, f"done {cell.key}\\n".encode())  # unbuffered: a kill would cut the line
    os._exit(0)
"""


@pytest.mark.slow
def test_twelve_kills_at_random_moments(tmp_path):
    rng = random.Random(20)
    folder = tmp_path / "library"
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        finished, seen = set(), set()
        for attempt in range(12):
            finished |= _run_and_kill(process, rng.uniform(0.05, 0.6))
            _check_library(folder, finished, seen, attempt)
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
    assert len(finished) >= 12, "all kills came before the first clip: this tests nothing"


def _run_and_kill(process, seconds):
    """Let a child run until some time after its first clip; return the clips that it reported."""
    process.stdin.write("go\n")
    child = int(process.stdout.readline().split()[1])
    reported = set()
    first = process.stdout.readline().split()
    if first and first[0] == "done":
        reported.add(first[1])
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    while (line := process.stdout.readline().split())[0] != "gone":
        reported.add(line[1])
    return reported


def _check_library(folder, finished, seen, attempt):
    with Library(folder) as library:
        clips = library.clips()
        assert finished <= set(clips.keys), f"attempt {attempt} lost finished clips"
        for clip in clips.filter(lambda clip: clip.key not in seen):
            frames = clip.frames()
            assert frames.shape == (9, 96, 96, 3)
            assert clip.sheet_bytes()[:2] == b"\xff\xd8"
            assert np.ptp(frames) > 0
        assert not list((folder / "media").rglob(".*")), "a half-written file was left"
        seen.update(clips.keys)
        files = {path.stem for path in (folder / "media").glob("??/*.mp4")}
        assert files == set(clips.keys), "a file without a row was left"
        assert library._index.unfinished() == {}
