"""Every family does what the kit promises, on a tiny pipeline of its own classes."""

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import ModelError, Stopped
from helpers import frames

STEPS = 4
# What each tiny pipeline is given beyond its defaults.
MORE = {"cog": {"max_sequence_length": 16}, "stranger": {"max_sequence_length": 16},
        "mochi": {"max_sequence_length": 16}}  # fmt: skip
FAMILIES = ("ltx", "wan", "cog", "mochi", "stranger")


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.getfixturevalue(request.param), MORE.get(request.param, {})


def difference(one, other):
    return np.abs(one.astype(int) - other).max()


def plain(model, shot):
    """What a user writes without the kit."""
    pipe = model.pipe
    size = {"width": shot.width, "height": shot.height, "num_frames": shot.num_frames}
    out = pipe(
        prompt=shot.prompt, negative_prompt=shot.negative_prompt, **size, **shot.arguments,
        num_inference_steps=shot.num_inference_steps, guidance_scale=shot.guidance_scale,
        generator=torch.Generator().manual_seed(shot.seed), output_type="np",
        **({"frame_rate": shot.fps} if "ltx" in model.name else {}),
    ).frames[0]  # fmt: skip
    return np.round(np.asarray(out) * 255).astype(np.uint8)


def test_a_sweep_of_prompts_seeds_and_a_number(family, library):
    model, more = family
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=[3, 4],
                     guidance_scale=[2.0, 5.0], num_inference_steps=STEPS, **more)  # fmt: skip
    run = bc.run(sweep, model, library=library).wait(120)
    assert not run.errors
    assert len(run.clips) == 8
    for clip in run.clips[::3]:
        shot = clip.shot
        assert clip.frames().shape == (shot.num_frames, shot.height, shot.width, 3)
        made = clip.remake(model)
        assert difference(made, plain(model, shot)) <= 1
        assert np.array_equal(made, clip.remake(model))
        assert clip.facts["digest"] == _digest(made)
    assert len({clip.facts["digest"] for clip in run.clips}) == 8


def _digest(made):
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()


def test_previews_arrive_after_the_first_clip_and_leaving_is_harmless(family):
    model, more = family
    shots = [model.resolve(bc.shot(text, num_inference_steps=STEPS, **more))
             for text in ("a bee", "a moth")][: model.batch_size(model.resolve(bc.shot("a bee")))]  # fmt: skip
    before = frames(model, shots)
    previews = []

    def leave(step):
        previews.append(step.preview())
        if step.step == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        model.generate(shots, leave)
    assert len(previews) == 2
    assert len(previews[0]) == len(shots)
    assert previews[0][0].dtype == np.uint8
    assert previews[0][0].ndim == 4
    again = frames(model, shots)
    assert all(np.array_equal(a, b) for a, b in zip(before, again, strict=True))


def test_in_exact_mode_a_clip_alone_is_that_clip_in_a_sweep(family, library, tmp_path):
    model, more = family
    sweep = bc.sweep(
        ["a bee", "a moth over the sea"], seed=[1, 2], num_inference_steps=STEPS, **more
    )
    together = bc.run(sweep, model, library=library, exact=True).wait().clips
    with bc.library(tmp_path / "alone") as other:
        alone = bc.run(sweep.cells[3].shot, model, library=other, exact=True).wait().clips[0]
        assert alone.facts["digest"] == together[3].facts["digest"]


def test_drafts_go_on_to_the_same_bits(family):
    model, more = family
    shot = model.resolve(bc.shot("a bee", num_inference_steps=STEPS, **more))
    whole = frames(model, [shot])[0]
    (draft,) = model.generate([shot.replace(draft_steps=2)])
    assert draft.state is not None
    assert not np.array_equal(draft.frames, whole)
    (finished,) = model.generate([shot], starts=[draft.state])
    assert np.array_equal(finished.frames, whole)


def test_what_the_pipeline_does_not_know_is_named(family):
    model, more = family
    with pytest.raises(bc.CheckError) as said:
        bc.sweep("a bee", nonsense=1, width=[33], **more).check(model)
    assert "nonsense" in str(said.value)
    assert "width=33" in str(said.value)


def test_a_pipeline_in_no_table_makes_one_clip_a_call(stranger, cog):
    assert stranger.batch_size(stranger.resolve(bc.shot("a bee"))) == 1
    shot = stranger.resolve(bc.shot("a bee"))
    known = cog.resolve(bc.shot("a bee"))
    assert (shot.width, shot.height, shot.num_frames) == (32, 32, 9)
    assert (known.width, known.height, known.num_frames) == (32, 32, 9)


def test_a_model_of_pictures_is_refused(cog_pipe):
    class Pictures(type(cog_pipe)):
        def __call__(self, prompt, height=64, width=64):
            raise NotImplementedError

    with pytest.raises(ModelError, match="it makes pictures"):
        bc.wrap(Pictures(**cog_pipe.components))
    with pytest.raises(ModelError, match="a loaded diffusers pipeline is needed"):
        bc.wrap("Wan-AI/Wan2.1-T2V-1.3B-Diffusers")
