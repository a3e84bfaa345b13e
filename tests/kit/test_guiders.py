"""Guiders of diffusers, which keep the state of a call: each clip is guided as by a fresh one."""

import hashlib

import numpy as np
import pytest
import torch
from diffusers import (
    AdaptiveProjectedGuidance,
    ClassifierFreeGuidance,
    ClassifierFreeZeroStarGuidance,
    SkipLayerGuidance,
)

import beecam as bc
from beecam.models.batching.threads import WorkerPool
from helpers import PATIENCE, generate_frames
from tiny import SHAPES, make

pytestmark = pytest.mark.slow

KIND = "HunyuanVideo15Pipeline"
SHAPE = {**SHAPES[KIND], "num_inference_steps": 4}
GUIDERS = {
    "scale": lambda: ClassifierFreeGuidance(4.0),
    "first steps": lambda: ClassifierFreeGuidance(6.0, stop=0.5),
    "last steps": lambda: ClassifierFreeGuidance(6.0, start=0.4),
    "zero first": lambda: ClassifierFreeZeroStarGuidance(6.0),
    "momentum": lambda: AdaptiveProjectedGuidance(9.0, adaptive_projected_guidance_momentum=0.9),
    "skipped layer": lambda: SkipLayerGuidance(skip_layer_guidance_layers=[0]),
}


@pytest.fixture(scope="module")
def guided():
    """Return a pipeline, and a model of it that makes two clips at once."""
    pipe = make(KIND, short_texts=True)
    model = bc.wrap(pipe, name="tiny", batch_size=1)
    model._workers = WorkerPool()
    model._workers.widen(2, threads=1)  # on any number of cores
    return pipe, model


@pytest.mark.parametrize("guider", GUIDERS)
def test_clips_are_guided_as_by_the_plain_call(guided, guider, library):
    pipe, model = guided
    expected = []
    for seed in range(4):
        pipe.guider = GUIDERS[guider]()
        generator = torch.Generator().manual_seed(seed)
        expected.append(pipe("a bee", generator=generator, output_type="np", **SHAPE).frames[0])
    pipe.guider = own = GUIDERS[guider]()
    run = bc.run(bc.sweep("a bee", seed=range(4), **SHAPE), model, library=library).wait(PATIENCE)
    assert not run.errors
    for clip, plain in zip(run.clips, expected, strict=True):
        made = clip.regenerate(model)
        assert hashlib.sha256(made.tobytes()).hexdigest() == clip.facts["digest"]
        assert np.abs(made.astype(int) - np.round(np.asarray(plain) * 255)).max() <= 1
    assert pipe.guider is own


@pytest.mark.parametrize("guider", GUIDERS)
def test_a_draft_is_finished_to_the_same_bits_or_begins_again(guided, guider):
    pipe, model = guided
    pipe.guider = GUIDERS[guider]()
    model.refresh()
    shot = model.resolve(bc.shot("a bee", **SHAPE))
    full = generate_frames(model, [shot])[0]
    (draft,) = model.generate([shot.replace(draft_steps=2)])
    assert (draft.checkpoint is not None) == (guider == "scale")
    if draft.checkpoint is not None:
        (finished,) = model.generate([shot], starts=[draft.checkpoint])
        assert np.array_equal(finished.frames, full)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_negative_prompt_that_no_guider_reads_is_told(guided, scale):
    pipe, model = guided
    pipe.guider = ClassifierFreeGuidance(scale)
    notes = bc.sweep("a bee", negative_prompt=["", "sea"], **SHAPE).check(model)
    assert ("negative_prompt" in [note.argument for note in notes]) == (scale == 1.0)


def test_a_guider_or_a_scheduler_that_is_exchanged_during_a_call_stays(guided):
    pipe, model = guided
    pipe.guider = GUIDERS["skipped layer"]()  # its calls run on the pipeline itself
    scheduler, own = pipe.scheduler, {}
    model.refresh()

    def exchange(step):
        if step.step < step.steps:
            return
        own["guider"], own["scheduler"] = ClassifierFreeGuidance(2.0), type(scheduler)()
        pipe.guider, pipe.scheduler = own["guider"], own["scheduler"]

    model.generate([model.resolve(bc.shot("a bee", **SHAPE))], exchange)
    assert (pipe.guider, pipe.scheduler) == (own["guider"], own["scheduler"])
    pipe.scheduler = scheduler
