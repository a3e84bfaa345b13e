"""Calls at the same time: a small model on a CPU has a lane a core, and no clip minds the others."""

import hashlib

import pytest

import beecam as bc
from beecam.models.batching.threads import WorkerPool
from tiny import SHAPES, make

KINDS = (
    "LTXPipeline",
    "CogVideoXPipeline",
    "HunyuanVideoPipeline",
    # These keep in their decoder how far they are: each call has its own.
    "WanPipeline",
    "SkyReelsV2Pipeline",
    "AnyFlowPipeline",
    "SanaVideoPipeline",
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_clips_made_at_the_same_time_have_the_bits_that_they_have_alone(kind, library):
    model = bc.wrap(make(kind), name=kind)
    model._workers = WorkerPool()
    model._workers.widen(2, threads=1)  # however many cores there are
    shape = {"num_frames" if name == "frames" else name: v for name, v in SHAPES[kind].items()}
    more = {**shape, "num_inference_steps": 3}
    sweep = bc.sweep(["a bee", "a moth over the sea", "a cat"], seed=range(8), **more)
    run = bc.run(sweep, model, library=library).wait(120)
    assert not run.errors
    for clip in run.clips:
        made = clip.regenerate(model)  # alone, in a call of the same size
        assert hashlib.sha256(made.tobytes()).hexdigest() == clip.facts["digest"]
