"""Every family does what the kit promises, on a tiny pipeline of its own classes."""

import hashlib

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import ModelError, Stopped
from beecam.models.lane import Lanes
from helpers import frames
from tiny import SHAPES, make

STEPS = 4
QUICK = ("LTXPipeline", "WanPipeline", "CogVideoXPipeline", "MochiPipeline", "AnimateDiffPipeline")
TEXT_TO_VIDEO = (*QUICK, *(
    pytest.param(name, marks=pytest.mark.slow)
    for name in (
        "HunyuanVideoPipeline", "SkyReelsV2Pipeline", "SanaVideoPipeline", "LattePipeline",
        "AllegroPipeline", "AnyFlowPipeline", "CosmosTextToWorldPipeline", "LTX2Pipeline",
        "Kandinsky5T2VPipeline", "HunyuanVideo15Pipeline",
    )
))  # fmt: skip
_RENAMED = {"frames": "num_frames", "video_length": "num_frames", "frame_rate": "fps"}


@pytest.fixture(scope="module", params=TEXT_TO_VIDEO)
def family(request):
    """A model, and what a shot of it is given."""
    model = bc.wrap(make(request.param), name=request.param)
    model._lanes = Lanes()
    shape = {_RENAMED.get(name, name): value for name, value in SHAPES[request.param].items()}
    # A list would be an axis.
    shape = {name: [v] if isinstance(v, list) else v for name, v in shape.items()}
    return model, {**shape, "num_inference_steps": STEPS}


def difference(one, other):
    return np.abs(one.astype(int) - other).max()


def digest(made):
    return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()


def plain(model, shot):
    """What a user writes without the kit."""
    taken = model._anatomy
    given = {
        "prompt": shot.prompt, "negative_prompt": shot.negative_prompt, "width": shot.width,
        "height": shot.height, taken.frames_argument: shot.num_frames,
        taken.fps_argument: shot.fps, "num_inference_steps": shot.num_inference_steps,
        "guidance_scale": shot.guidance_scale, **shot.arguments,
    }  # fmt: skip
    out = model.pipe(
        **{name: value for name, value in given.items() if name in taken.parameters},
        generator=torch.Generator().manual_seed(shot.seed), output_type="np",
    ).frames[0]  # fmt: skip
    return np.round(np.asarray(out) * 255).clip(0, 255).astype(np.uint8)


def test_a_sweep_of_prompts_seeds_and_a_number(family, library):
    model, more = family
    numeric = "guidance_scale" if "guidance_scale" in model._anatomy.parameters else None
    axis = {numeric: [2.0, 5.0]} if numeric else {"num_inference_steps": [3, 4]}
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=[3, 4], **{**more, **axis})
    run = bc.run(sweep, model, library=library).wait(120)
    assert not run.errors
    assert len(run.clips) == 8
    for clip in run.clips[::3]:
        shot = clip.shot
        assert clip.frames().shape == (shot.num_frames, shot.height, shot.width, 3)
        made = clip.remake(model)
        assert digest(made) == clip.facts["digest"]
        assert difference(made, plain(model, shot)) <= 1
    assert len({clip.facts["digest"] for clip in run.clips}) == 8


def test_previews_arrive_after_the_first_clip_and_leaving_is_harmless(family):
    model, more = family
    shots = [model.resolve(bc.shot(text, **more)) for text in ("a bee", "a moth")]
    shots = shots[: model.batch_size(shots[0])]
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
    sweep = bc.sweep(["a bee", "a moth over the sea"], seed=[1, 2], **more)
    together = bc.run(sweep, model, library=library, exact=True).wait().clips
    with bc.library(tmp_path / "alone") as other:
        alone = bc.run(sweep.cells[3].shot, model, library=other, exact=True).wait().clips[0]
        assert alone.facts["digest"] == together[3].facts["digest"]


def test_drafts_go_on_to_the_same_bits(family):
    model, more = family
    shot = model.resolve(bc.shot("a bee", **more))
    whole = frames(model, [shot])[0]
    (draft,) = model.generate([shot.replace(draft_steps=2)])
    assert not np.array_equal(draft.frames, whole)
    if not model._family.continues:
        assert draft.state is None
        return
    (finished,) = model.generate([shot], starts=[draft.state])
    assert np.array_equal(finished.frames, whole)


def test_what_the_pipeline_does_not_know_is_named(family):
    model, more = family
    with pytest.raises(bc.CheckError) as said:
        bc.sweep("a bee", nonsense=1, **{**more, "width": [33]}).check(model)
    assert "nonsense" in str(said.value)
    assert "width=33" in str(said.value)


def test_a_pipeline_in_no_table_makes_one_clip_a_call():
    known = make("CogVideoXPipeline")

    class SomebodysPipeline(type(known)):
        pass

    stranger = bc.wrap(SomebodysPipeline(**known.components))
    shots = [model.resolve(bc.shot("a bee")) for model in (stranger, bc.wrap(known))]
    assert stranger.batch_size(shots[0]) == 1
    sizes = [(shot.width, shot.height, shot.num_frames) for shot in shots]
    assert sizes[0] == sizes[1]
    shot = shots[0].replace(num_inference_steps=2, extra={"max_sequence_length": 16})
    made = frames(stranger, [stranger.resolve(shot)])[0]
    assert made.shape == (shot.num_frames, shot.height, shot.width, 3)


def test_a_model_of_pictures_is_refused():
    known = make("CogVideoXPipeline")

    class Pictures(type(known)):
        def __call__(self, prompt, height=64, width=64):
            raise NotImplementedError

    with pytest.raises(ModelError, match="it makes pictures"):
        bc.wrap(Pictures(**known.components))
    with pytest.raises(ModelError, match="a loaded diffusers pipeline is needed"):
        bc.wrap("Wan-AI/Wan2.1-T2V-1.3B-Diffusers")
