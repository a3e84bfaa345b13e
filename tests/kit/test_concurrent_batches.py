"""Concurrent batches: small models on a CPU run one per core, and clips don't affect each other."""

import hashlib

import pytest

import beecam as bc
from beecam.models.batching.threads import WorkerPool
from helpers import PATIENCE
from tiny import SHAPES, make

CLASSES = (
    "LTXPipeline",
    "CogVideoXPipeline",
    "HunyuanVideoPipeline",
    # Their decoders have state: each batch has its own copy.
    "WanPipeline",
    "SkyReelsV2Pipeline",
    "AnyFlowPipeline",
    "SanaVideoPipeline",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_clips_of_concurrent_batches_have_the_bits_that_they_have_alone(name, library):
    model = bc.wrap(make(name), name=name)
    model._workers = WorkerPool()
    model._workers.widen(2, threads=1)  # on any number of cores
    renamed = {"frames": "num_frames"}
    shape = {renamed.get(argument, argument): v for argument, v in SHAPES[name].items()}
    more = {**shape, "num_inference_steps": 3}
    sweep = bc.sweep(["a bee", "a moth over the sea", "a cat"], seed=range(8), **more)
    run = bc.run(sweep, model, library=library).wait(PATIENCE)
    assert not run.errors
    for clip in run.clips:
        regenerated = clip.regenerate(model)  # alone, in a batch of the same size
        assert hashlib.sha256(regenerated.tobytes()).hexdigest() == clip.facts["digest"]
