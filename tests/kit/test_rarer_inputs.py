"""Images and videos in the forms of rarer pipelines, and what these need, told before compute."""

import importlib.util
import inspect

import pytest
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from tqdm import tqdm

import beecam as bc
from beecam.models.denoise.loop import DenoisingLoop, _Bar
from helpers import generate_frames
from kit.test_rarer_families import difference, frames_of, plain, shot_arguments, wrapped
from tiny import SHAPES, make
from tiny.inputs import image, video

FIRST, LAST = image(32, 32), image(32, 32, 9)
# A name for each case: the class, a shot's inputs, and the same of a plain call.
CASES = {
    "LTX-2 ends": (
        "LTX2ConditionPipeline",
        {"image": FIRST, "last_image": LAST},
        {"conditions": [LTX2VideoCondition(FIRST, 0), LTX2VideoCondition(LAST, -1)]},
    ),
    "LTX-2 between": (
        "LTX2ConditionPipeline",
        {"keyframes": {3: FIRST, -1: LAST}},
        {"conditions": [LTX2VideoCondition(FIRST, 2), LTX2VideoCondition(LAST, -1)]},
    ),
    "LTX-2 in context": (
        "LTX2InContextPipeline",
        {"image": FIRST, "video": video(5)},
        {
            "conditions": [LTX2VideoCondition(FIRST, 0)],
            "reference_conditions": [LTX2ReferenceCondition(video(5))],
        },
    ),
    "LTX-2 DFR": (
        "LTX2DFRPipeline",
        {"image": FIRST},
        {"conditions": [LTX2VideoCondition(FIRST, 0)]},
    ),
    "LTX long": ("LTXI2VLongMultiPromptPipeline", {"image": FIRST}, {"cond_image": FIRST}),
    **{
        f"{name} {kind}": (name, {kind: given}, {kind: given})
        for name, kind, given in (
            # In its own size, to which the intrinsics refer.
            ("SanaWMPipeline", "image", image(48, 40)),
            ("Kandinsky6TI2VAPipeline", "image", image(16, 16)),
            ("Cosmos3OmniPipeline", "image", image(16, 16)),
            # Continued: shorter and longer than the clip.
            ("Cosmos3OmniPipeline", "video", video(3, 16, 16)),
            ("Cosmos2_5_PredictBasePipeline", "video", video(5)),
            ("Cosmos2_5_PredictBasePipeline", "video", video(12)),
            ("Cosmos2VideoToWorldPipeline", "video", video(5)),
            ("CosmosVideoToWorldPipeline", "video", video(12)),
            ("SkyReelsV2DiffusionForcingVideoToVideoPipeline", "video", video(9, 16, 16)),
        )
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_clip_with_inputs_has_the_pixels_of_a_plain_call(case):
    name, inputs, own = CASES[case]
    model = wrapped(name)
    arguments = {
        n: v for n, v in shot_arguments(name, model).items() if n not in ("image", "video")
    }
    given = {n: v if isinstance(v, dict) else bc.read_media(v) for n, v in inputs.items()}
    shot = model.resolve(bc.shot("a bee", seed=3, **arguments, **given))
    assert not list(model.check(shot))
    without = {"image": None} if "image" in SHAPES[name] else {}
    expected = frames_of(plain(model, "a bee", 3, **{**without, **own}))
    assert difference(generate_frames(model, [shot])[0], expected) <= 1


def problems(model, **arguments):
    """Return the messages of what is wrong with a shot, by argument."""
    known = shot_arguments(model.name, model)
    shot = model.resolve(bc.shot("a bee", **{**known, **arguments}))
    return {problem.argument: problem.message for problem in model.check(shot)}


NEEDS = {
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": {"overlap_history": None},
    "SanaWMPipeline": {"action": None, "intrinsics": None},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_what_a_pipeline_needs_although_its_call_has_a_default_is_told(name):
    model = wrapped(name)
    assert not problems(model)
    found = problems(model, **NEEDS[name])
    assert set(found) == set(NEEDS[name])
    assert all("needs it, as in" in message for message in found.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "argument"),
    [
        ("HeliosPyramidPipeline", 3, "pyramid_num_inference_steps_list"),
        ("LTX2DFRPipeline", 2, "sigmas"),
    ],
)
def test_the_steps_of_a_pipeline_that_takes_no_number_of_them(name, steps, argument):
    model = wrapped(name)
    shot = model.resolve(bc.shot("a bee", **shot_arguments(name, model)))
    assert shot.num_inference_steps == steps
    assert not problems(model, num_inference_steps=steps)
    message = problems(model, num_inference_steps=7)["num_inference_steps"]
    assert f"takes {steps} steps; set {argument}= instead" in message
    seen = []
    model.generate([shot], lambda step: seen.append((step.step, step.steps)))
    assert [step for step, _ in seen] == list(range(1, steps + 1))


@pytest.mark.slow
def test_chunks_that_do_not_have_the_frames_of_a_clip_are_refused():
    model = wrapped("AnyFlowFARPipeline")
    assert "nearest is 9" in problems(model, num_frames=13)["num_frames"]
    assert not problems(model, num_frames=13, chunk_partition=(2, 1, 1))
    assert "video" in problems(model, video=bc.read_media(video(5, 16, 16)))


@pytest.mark.slow
def test_a_keyframe_is_where_a_latent_frame_begins():
    pipe = make("LTX2ConditionPipeline")
    pipe.vae_temporal_compression_ratio = 8
    model = bc.wrap(pipe, name="LTX2ConditionPipeline")
    for frame in (0, 1, 9, 16, -1):
        assert not problems(model, num_frames=17, keyframes={frame: FIRST})
    message = problems(model, num_frames=17, keyframes={12: FIRST})["keyframes"]
    assert "nearest are 9 and 16" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "frames", "least"),
    [("Cosmos2_5_PredictBasePipeline", 4, 5), ("HeliosPipeline", 32, 33)],
)
def test_a_video_that_is_too_short_to_be_continued_is_refused(name, frames, least):
    model = wrapped(name)
    given = bc.read_media(video(frames, 16, 16))
    assert f"continues a video of {least} or more" in problems(model, video=given)["video"]
    given = bc.read_media(video(least, 16, 16))
    default = model.resolve(bc.shot("a bee")).num_frames
    shot = model.resolve(bc.shot("a bee", video=given))
    assert shot.num_frames == default
    assert not list(model.check(shot))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "x-8"}, "action='x-8': "),
        ({"action": "w"}, "Invalid action segment"),
        ({"intrinsics": (30.0, 30.0)}, "four numbers are needed"),
        ({"num_frames": 17}, "the path of the camera has 9 frames; nearest is 9, or"),
        ({"action": "w-3", "num_frames": 9}, "the path of the camera has 4 frames; nearest is"),
    ],
)
def test_a_path_of_the_camera_that_does_not_fit_is_refused(arguments, message):
    assert message in " ".join(problems(wrapped("SanaWMPipeline"), **arguments).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "nearest"),
    [
        # Their own checks know better than the sizes of their networks.
        ("HunyuanSkyreelsImageToVideoPipeline", {"width": 24}, "nearest are 16 and 32"),
        ("TextToVideoSDPipeline", {"height": 18}, "nearest are 16 and 24"),
        ("HeliosPyramidPipeline", {"width": 80}, "nearest are 64 and 128"),
        ("Cosmos2_5_PredictBasePipeline", {"num_frames": 521}, "the nearest is 509"),
        (
            "SkyReelsV2DiffusionForcingVideoToVideoPipeline",
            {"num_frames": 5},
            "begins with 5 of the video; nearest is 9",
        ),
    ],
)
def test_a_size_or_length_that_a_run_would_refuse_is_refused(name, arguments, nearest):
    found = problems(wrapped(name), **arguments)
    assert set(found) == set(arguments)
    assert nearest in " ".join(found.values())


@pytest.mark.slow
def test_an_image_editor_has_its_number_of_frames_unless_it_reasons():
    model = wrapped("ChronoEditPipeline")
    assert model.resolve(bc.shot("a bee")).num_frames == 5
    assert "makes 5, unless it reasons" in problems(model, num_frames=9)["num_frames"]
    assert not problems(model, num_frames=9, enable_temporal_reasoning=True)


@pytest.mark.slow
def test_layers_that_cannot_be_skipped_are_told_where_that_is_the_default():
    model = wrapped("I2VGenXLPipeline")
    assert not problems(model)
    assert "set clip_skip=[None]" in problems(model, clip_skip=1)["clip_skip"]
    shot = bc.shot("a bee", image=bc.read_media(FIRST))
    assert [problem.argument for problem in model.check(shot)] == ["clip_skip"]


@pytest.mark.slow
def test_what_a_pipeline_refuses_of_its_own_defaults_is_told():
    pipe = make("Kandinsky6TI2VAPipeline")
    pipe.vocoder = None
    model = bc.wrap(pipe, name="Kandinsky6TI2VAPipeline")
    message = problems(model)["sample_audio"]
    assert "refuses its default here: `sample_audio=True` requires" in message
    assert not problems(model, sample_audio=False)


@pytest.mark.slow
def test_a_package_that_a_run_would_miss_is_named(monkeypatch):
    pipe = make("WanImageToVideoPipeline")
    module = inspect.getmodule(type(pipe))
    if hasattr(module, "ftfy"):
        monkeypatch.delattr(module, "ftfy")
    assert "pip install ftfy" in problems(bc.wrap(pipe, name="WanImageToVideoPipeline"))["prompt"]
    assert not problems(wrapped("WanPipeline"))
    if importlib.util.find_spec("torchvision") is None:
        model = wrapped("Cosmos2_5_PredictBasePipeline")
        found = problems(model, image=bc.read_media(FIRST))
        assert "pip install torchvision" in found["image"]
        pipe = make("CosmosTextToWorldPipeline")
        pipe.transformer.register_to_config(concat_padding_mask=True)
        found = problems(bc.wrap(pipe, name="CosmosTextToWorldPipeline"))
        assert "pip install torchvision" in found["model"]


def test_a_bar_has_what_every_bar_of_tqdm_has():
    loop = DenoisingLoop(generators=[])
    bar = _Bar(loop, [1, 2], total=2)
    assert not [name for name in dir(tqdm(disable=True)) if not hasattr(bar, name)]
    bar.set_description("steps")
    bar.close()


@pytest.mark.parametrize("use", ["context", "iterator", "methods"])
def test_each_step_is_reported_however_a_pipeline_uses_its_bar(use):
    loop, seen = DenoisingLoop(generators=[]), []
    loop._on_step = lambda step: seen.append(step.step)
    if use == "iterator":
        assert list(_Bar(loop, [5, 6])) == [5, 6]
    elif use == "context":
        with _Bar(loop, total=2) as bar:
            bar.update()
            bar.update()
    else:
        bar = _Bar(loop, total=2)
        bar.update()
        bar.update()
        bar.close()
    assert seen == [1, 2]
