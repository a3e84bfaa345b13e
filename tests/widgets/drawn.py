"""A model that draws its clips: it implements the complete protocol with simple images.

Delays, errors and previews can be chosen, so that tests see a run in every state. The prompt
determines the colours, the seed the path of the insect; the same shot gives the same bits.
"""

import hashlib
import time

import numpy as np

from beecam.errors import OutOfMemoryError
from beecam.models.batching.batch_size import BatchPolicy
from beecam.models.model import Generated, Step

DEFAULTS = {
    "width": 96,
    "height": 64,
    "num_frames": 17,
    "fps": 8.0,
    "num_inference_steps": 4,
    "guidance_scale": 1.0,
    "scheduler": "Painter",
    "negative_prompt": "",
}


class DrawnModel:
    """Implements `bc.Model`, with drafts' arguments and a batch policy.

    Args:
        seconds: Duration of each step of a batch.
        batch: Clips per batch.
        broken: Prompts that contain this string fail.
        memory: Larger batches run out of memory.
        defaults: Defaults of the shot: sizes, steps and so on.
    """

    license = "Apache-2.0"
    revision = "1"

    def __init__(self, seconds=0.0, batch=2, broken=None, memory=64, **defaults):
        self.name = "drawn"
        self.seconds, self.broken, self.memory = seconds, broken, memory
        self.batching = BatchPolicy(batch)
        self.defaults = {**DEFAULTS, **defaults}
        self.arguments = {}
        self.batches = 0

    def check(self, shot):
        return []

    def resolve(self, shot):
        missing = {k: v for k, v in self.defaults.items() if getattr(shot, k) is None}
        return shot.replace(model=self.name, revision=self.revision, **missing)

    def steps(self, shot):
        return shot.num_inference_steps

    def batch_key(self, shot):
        return (shot.width, shot.height, shot.num_frames, shot.num_inference_steps)

    def generate(self, shots, on_step=None, *, pad_to=0, starts=()):
        self.batches += 1
        if len(shots) > self.memory:
            raise OutOfMemoryError(f"{len(shots)} clips do not fit.")
        steps = shots[0].num_inference_steps
        for step in range(1, steps + 1):
            time.sleep(self.seconds)
            if on_step:
                on_step(Step(step, steps, lambda s=step: [_preview(x, s / steps) for x in shots]))
        for shot in shots:
            if self.broken and self.broken in shot.prompt:
                raise ValueError(f"this painter has no colour for <b>{self.broken}</b>")
        return [Generated(draw(shot), index) for index, shot in enumerate(shots)]


def _preview(shot, progress):
    small = draw(shot)[::2, ::4, ::4].astype(float)
    rng = np.random.default_rng(shot.seed)
    noise = rng.uniform(0, 255, small.shape)
    return (small * progress + noise * (1 - progress)).astype(np.uint8)


def draw(shot):
    """Return frames of shape `(frames, height, width, 3)`: sky, passing hills, an insect."""
    rng = np.random.default_rng([shot.seed, *hashlib.sha256(shot.prompt.encode()).digest()[:4]])
    hue = np.random.default_rng([*hashlib.sha256(shot.prompt.encode()).digest()[:4]])
    sky, land, bug = (
        hue.integers([90, 120, 170], [200, 220, 250]),
        hue.integers(30, 170, 3),
        [250, 200, 40],
    )
    frames, height, width = shot.num_frames, shot.height, shot.width
    t = np.arange(frames)[:, None, None] / max(1, frames)
    y = np.linspace(0, 1, height)[None, :, None]
    x = np.linspace(0, 1, width)[None, None, :]
    clip = sky + (y[..., None] * 60) + np.zeros((frames, height, width, 3))
    phase, bumps = rng.uniform(0, 6, 3), rng.uniform(3, 9, 3)
    for layer in range(3):
        edge = (
            0.55
            + 0.13 * layer
            + 0.07 * np.sin(bumps[layer] * (x + t * (layer + 1) / 3) + phase[layer])
        )
        clip[np.broadcast_to(y > edge, clip.shape[:3])] = land * (1 - 0.22 * layer)
    cx = 0.2 + 0.6 * (0.5 + 0.5 * np.sin(2 * np.pi * t + phase[0]))
    cy = 0.35 + 0.2 * np.sin(4 * np.pi * t + phase[1])
    near = (((x - cx) * width) ** 2 + ((y - cy) * height) ** 2) < (0.07 * height + 1) ** 2
    clip[near] = bug
    return clip.clip(0, 255).astype(np.uint8)
