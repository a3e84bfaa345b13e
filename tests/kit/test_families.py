"""Every family does what the kit promises, on a tiny pipeline of its own classes."""

import hashlib

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

import beecam as bc
from beecam.errors import CheckError, Stopped
from beecam.models.batching.threads import WorkerPool
from beecam.shots.conditions import CONDITIONS
from helpers import frames
from tiny import SHAPES, make
from tiny.inputs import image, video

STEPS = 4
QUICK = ("LTXPipeline", "WanPipeline", "CogVideoXPipeline", "MochiPipeline", "AnimateDiffPipeline")
TEXT_TO_VIDEO = (
    *QUICK,
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "HunyuanVideoPipeline",
            "SkyReelsV2Pipeline",
            "SanaVideoPipeline",
            "LattePipeline",
            "AllegroPipeline",
            "AnyFlowPipeline",
            "CosmosTextToWorldPipeline",
            "LTX2Pipeline",
            "Kandinsky5T2VPipeline",
            "HunyuanVideo15Pipeline",
        )
    ),
)
# With the images or videos that each takes; for some a class of its family is used.
GIVEN = {
    "WanImageToVideoPipeline": {"image": image(16, 16)},
    "WanVideoToVideoPipeline": {"video": video(5, 16, 16), "strength": 0.8},
    "WanVACEPipeline": {"keyframes": {0: image(16, 16), -1: image(16, 16, 4)}},
    "LTXImageToVideoPipeline": {"image": image(32, 32)},
    "LTXConditionPipeline": {"image": image(32, 32), "last_image": image(32, 32, 9)},
    "CogVideoXImageToVideoPipeline": {"image": image(32, 32)},
    "CogVideoXVideoToVideoPipeline": {"video": video(9, 32, 32), "strength": 0.8},
    "HunyuanVideoImageToVideoPipeline": {"image": image(16, 16)},
    "HunyuanVideo15ImageToVideoPipeline": {"image": image(16, 16)},
    "LTX2ImageToVideoPipeline": {"image": image(32, 32)},
    "SkyReelsV2ImageToVideoPipeline": {"image": image(16, 16)},
    "SkyReelsV2DiffusionForcingPipeline": {},
    "CosmosVideoToWorldPipeline": {"image": image(32, 32)},
    "Cosmos2VideoToWorldPipeline": {"image": image(32, 32)},
    "Kandinsky5I2VPipeline": {"image": image(16, 16)},
    "SanaImageToVideoPipeline": {"image": image(32, 32)},
    "AnimateDiffVideoToVideoPipeline": {"video": video(4, 16, 16), "strength": 0.8},
    "StableVideoDiffusionPipeline": {"image": image(16, 16)},
}
# What a user gives those that say it in other words.
PLAIN = {
    "LTXConditionPipeline": {
        "conditions": [
            LTXVideoCondition(image=image(32, 32), frame_index=0),
            LTXVideoCondition(image=image(32, 32, 9), frame_index=8),
        ]
    },
    "WanVACEPipeline": {
        "video": [
            image(16, 16),
            *[Image.new("RGB", (16, 16), (128, 128, 128))] * 3,
            image(16, 16, 4),
        ],
        "mask": [Image.new("L", (16, 16), shade) for shade in (0, 255, 255, 255, 0)],
    },
}
ALL = (
    *TEXT_TO_VIDEO,
    *(
        name if name == "LTXImageToVideoPipeline" else pytest.param(name, marks=pytest.mark.slow)
        for name in GIVEN
    ),
)
# Those to which guidance says nothing, or that have another word for it.
UNGUIDED = (
    "HunyuanVideoImageToVideoPipeline",
    "HunyuanVideo15Pipeline",
    "HunyuanVideo15ImageToVideoPipeline",
    "StableVideoDiffusionPipeline",
)
_RENAMED = {"frames": "num_frames", "video_length": "num_frames", "frame_rate": "fps"}


@pytest.fixture(scope="module", params=ALL)
def family(request):
    """A model, and what a shot of it is given."""
    model = bc.wrap(make(request.param), name=request.param)
    model._workers = WorkerPool()
    shape = {_RENAMED.get(name, name): value for name, value in SHAPES[request.param].items()}
    shape = {name: v for name, v in shape.items() if name not in CONDITIONS}
    # A list would be an axis.
    shape = {name: [v] if isinstance(v, list) else v for name, v in shape.items()}
    given = GIVEN.get(request.param, {})
    shape |= {
        name: bc.read_media(v) if name in CONDITIONS and not isinstance(v, dict) else v
        for name, v in given.items()
    }
    return model, {**shape, "num_inference_steps": STEPS}


def taken(model):
    return model.tasks[0].info.parameters


def texts(model, *some):
    return some if "prompt" in taken(model) else [""]


def difference(one, other):
    return np.abs(one.astype(int) - other).max()


def digest(made):
    return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()


def plain(model, shot):
    """What a user writes without the kit."""
    task = model.tasks[0]
    taken = task.info
    given = {
        "prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt,
        "width": shot.width,
        "height": shot.height,
        taken.frames_argument: shot.num_frames + task.family.cut_frames,
        taken.fps_argument: shot.fps,
        "num_inference_steps": shot.num_inference_steps,
        "guidance_scale": shot.guidance_scale,
        **shot.arguments,
        **PLAIN.get(model.name, GIVEN.get(model.name, {})),
    }
    out = model.pipe(
        **{name: value for name, value in given.items() if name in taken.parameters},
        generator=torch.Generator().manual_seed(shot.seed),
        output_type="np",
    ).frames[0]
    return np.round(np.asarray(out) * 255).clip(0, 255).astype(np.uint8)


def test_a_sweep_of_prompts_seeds_and_a_number(family, library):
    model, more = family
    numeric = "num_inference_steps" if model.name in UNGUIDED else "guidance_scale"
    axis = {numeric: [2, 3]}
    template, words = "a {insect}", {"insect": ["bee", "moth"]}
    if "prompt" not in taken(model):
        template, words = "", {"noise_aug_strength": [0.02, 0.2]}
    sweep = bc.sweep(template, seed=[3, 4], **{**more, **axis, **words})
    run = bc.run(sweep, model, library=library).wait(120)
    assert not run.errors
    assert len(run.clips) == 8
    for clip in run.clips[::3]:
        shot = clip.shot
        assert clip.frames().shape == (shot.num_frames, shot.height, shot.width, 3)
        made = clip.regenerate(model)
        assert digest(made) == clip.facts["digest"]
        assert difference(made, plain(model, shot)) <= 1
    assert len({clip.facts["digest"] for clip in run.clips}) == 8


def test_previews_arrive_after_the_first_clip_and_leaving_is_harmless(family):
    model, more = family
    shots = [model.resolve(bc.shot(text, **more)) for text in texts(model, "a bee", "a moth")]
    shots = shots[: model.batching.size(shots[0])]
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
    prompts = list(texts(model, "a bee", "a moth over the sea"))
    sweep = bc.sweep(prompts, seed=[1, 2], **more)
    together = bc.run(sweep, model, library=library, exact=True).wait().clips
    with bc.library(tmp_path / "alone") as other:
        alone = bc.run(sweep.cells[-1].shot, model, library=other, exact=True).wait().clips[0]
        assert alone.facts["digest"] == together[-1].facts["digest"]


def test_drafts_go_on_to_the_same_bits(family):
    model, more = family
    shot = model.resolve(bc.shot(texts(model, "a bee")[0], **more))
    if not model.tasks[0].family.predicts:
        with pytest.raises(bc.CheckError, match="there are no drafts of it"):
            bc.run(shot, model, draft=0.5)
        return
    whole = frames(model, [shot])[0]
    (draft,) = model.generate([shot.replace(draft_steps=2)])
    assert not np.array_equal(draft.frames, whole)
    if not model.tasks[0].family.resumes:
        assert draft.checkpoint is None
        return
    (finished,) = model.generate([shot], starts=[draft.checkpoint])
    assert np.array_equal(finished.frames, whole)


def test_what_the_pipeline_does_not_know_is_named(family):
    model, more = family
    with pytest.raises(bc.CheckError) as said:
        bc.sweep(texts(model, "a bee")[0], nonsense=1, **{**more, "width": [33]}).check(model)
    assert "nonsense" in str(said.value)
    assert "width=33" in str(said.value)


def test_a_pipeline_in_no_table_makes_one_clip_a_call():
    known = make("CogVideoXPipeline")

    class SomebodysPipeline(type(known)):
        pass

    stranger = bc.wrap(SomebodysPipeline(**known.components))
    shots = [model.resolve(bc.shot("a bee")) for model in (stranger, bc.wrap(known))]
    assert stranger.batching.size(shots[0]) == 1
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

    with pytest.raises(CheckError, match="it makes images"):
        bc.wrap(Pictures(**known.components))
    with pytest.raises(CheckError, match="a loaded diffusers pipeline is needed"):
        bc.wrap("Wan-AI/Wan2.1-T2V-1.3B-Diffusers")


@pytest.mark.slow
def test_what_is_heard_is_kept_with_the_clip(library):
    model = bc.wrap(make("LTX2Pipeline"), name="ltx2")
    shape = {k: [v] if isinstance(v, list) else v for k, v in SHAPES["LTX2Pipeline"].items()}
    run = bc.run(bc.sweep("a bee hums", seed=[1, 2], fps=24.0, **shape), model, library=library)
    clips = run.wait().clips
    assert not run.errors
    rate = model.pipe.vocoder.config.output_sampling_rate
    for clip in clips:
        assert clip.facts["sound"] == {"rate": rate, "channels": 2}
        assert clip.sound().rate == rate
        assert len(clip.frames()) == clip.shot.num_frames
    drawn = bc.wrap(make("LTXPipeline"))
    shot = bc.shot("a bee", **SHAPES["LTXPipeline"])
    assert bc.run(shot, drawn, library=library).wait().clips[0].sound() is None
