"""Functions that tests of several folders use."""

import subprocess
import sys
import threading
import time
from typing import ClassVar

import numpy as np
import pytest

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, CheckError
from beecam.media import sheets
from beecam.models.batching.tuning import BatchSizes
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis

# Seconds to wait for an event: far more than any takes on a busy machine, and less than what
# pytest's timeout allows, so that a test that waits in vain says for what.
PATIENCE = 300


def wait_until(condition):
    """Poll until `condition()` is true; return its value."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)
    return value


def generate_frames(model, shots, on_step=None, **more):
    """Generate clips in one batch; return their frames."""
    return [generated.frames for generated in model.generate(shots, on_step, **more)]


def use_size(model, size):
    """Fix the batch size, as `batch_size=` does."""
    model._sizes = BatchSizes(size)


def fill(library, prompts=("a bee", "a moth"), seeds=3):
    """Add six clips of moving gradients, with coordinates, without a model; return them."""
    keys, coords = [], []
    for i, prompt in enumerate(prompts):
        for seed in range(seeds):
            t, y, x = np.mgrid[0:9, 0:32, 0:48]
            frames = np.stack([x * 5, y * 7, (t * 25 + seed * 9 + i * 60)], -1).astype(np.uint8)
            shot = Shot(
                prompt=prompt,
                noise=((seed, 1.0),),
                negative_prompt="",
                width=48,
                height=32,
                num_frames=9,
                fps=8.0,
                num_inference_steps=4,
                guidance_scale=3.0,
                scheduler="Euler",
                model="tiny",
                revision="0",
            )
            facts = {
                "frames": 9,
                "height": 32,
                "width": 48,
                "seconds": 0.1 * seed,
                "sheet": sheets.sheet_layout(frames),
            }
            keys.append(library.add(shot, frames, facts).key)
            coords.append({"prompt": i, "seed": seed})
    axes = [Axis("prompt", tuple(prompts)), Axis("seed", tuple(range(seeds)))]
    return ClipSet(library, keys, axes=axes, coords=coords, title="{prompt}")


def noisy(library, count, *, width=160, height=96, frames=24, stars=()):
    """Add clips that barely compress, as those of large models; return them."""
    rng = np.random.default_rng(0)
    keys = []
    for seed in range(count):
        coarse = rng.integers(0, 256, (frames, height // 4, width // 4, 3), np.uint8)
        pixels = coarse.repeat(4, 1).repeat(4, 2)
        facts = {
            "frames": frames,
            "height": height,
            "width": width,
            "seconds": 1.0,
            "sheet": sheets.sheet_layout(pixels),
        }
        shot = Shot(
            prompt="a bee",
            noise=((seed, 1.0),),
            negative_prompt="",
            width=width,
            height=height,
            num_frames=frames,
            fps=16.0,
            num_inference_steps=4,
            guidance_scale=1.0,
            scheduler="Euler",
            model="tiny",
            revision="0",
        )
        keys.append(library.add(shot, pixels, facts).key)
    clips = ClipSet(
        library,
        keys,
        axes=[Axis("seed", tuple(range(count)))],
        coords=[{"seed": seed} for seed in range(count)],
    )
    for i in stars:
        clips[i].stars = 5
    return clips


def error_message(call, kind=CheckError):
    """Return the message of the error that `call` raises; it must be of this kind."""
    with pytest.raises(BeecamError) as error:
        call()
    assert isinstance(error.value, kind)
    return str(error.value)


def statuses(run):
    """Return the status of each cell."""
    return [cell.status for cell in run.changes().cells]


def sweep(n=4, prompt="a {insect}"):
    """Return a sweep of two insects and `n / 2` seeds."""
    return bc.sweep(prompt, insect=["bee", "moth"], seed=range(n // 2))


class Gate:
    """Blocks each step of a model until it is opened, so that a test knows where a run is."""

    def __init__(self, model, monkeypatch):
        self.open = threading.Event()
        self.reached = threading.Event()
        original = model.generate

        def generate(shots, on_step=None, **more):
            def wait(step):
                self.reached.set()
                assert self.open.wait(PATIENCE)
                if on_step is not None:
                    on_step(step)

            return original(shots, wait, **more)

        monkeypatch.setattr(model, "generate", generate)


class PlainModel:
    """A model that needs nothing but numpy, for tests of runs rather than of models."""

    name, revision = "plain", "1"
    defaults: ClassVar = {
        "width": 16,
        "height": 16,
        "num_frames": 1,
        "fps": 8.0,
        "num_inference_steps": 1,
        "guidance_scale": 1.0,
        "negative_prompt": "",
        "scheduler": "none",
    }

    def resolve(self, shot):
        missing = {k: v for k, v in self.defaults.items() if getattr(shot, k) is None}
        return shot.replace(model=self.name, revision=self.revision, **missing)

    def check(self, shot):
        return []

    def batch_key(self, shot):
        return shot.width, shot.height, shot.num_frames, shot.num_inference_steps

    def generate(self, shots, on_step=None):
        if on_step is not None:
            on_step(bc.Step(1, 1))
        return [bc.Generated(self._draw(shot)) for shot in shots]

    def _draw(self, shot):
        rng = np.random.default_rng(shot.seed)
        return rng.integers(0, 256, (shot.num_frames, shot.height, shot.width, 3), np.uint8)


def memory_of(tmp_path, code):
    """Return by how many megabytes a process has grown while it ran some code."""
    text = (
        "import resource, sys, beecam as bc\n"
        "from beecam.clips.library import Library\n"
        "import av, PIL.Image\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        f"before = most()\n{code}\nprint(most() - before)"
    )
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    return float(done.stdout.split()[-1])
