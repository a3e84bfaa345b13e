"""What a pipeline would refuse during a run is refused when a sweep is checked."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import beecam as bc
from beecam._util.checks import raise_problems
from beecam.errors import CheckError
from beecam.models.batching.threads import WorkerPool
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.diffusers.introspection import call_parameters, missing_parts
from beecam.shots.shot import SHOT_ARGUMENTS
from beecam.sweeps.layout import shot_from
from helpers import error_message, generate_frames
from kit.test_families import ALL
from tiny import NAMES, SHAPES, make

pytestmark = pytest.mark.slow

SCHEDULED = ("LTXPipeline", "CogVideoXPipeline", "MochiPipeline", "AnimateDiffPipeline")


def model_of(name):
    model = bc.wrap(make(name, short_texts=True), name=name)
    model._workers = WorkerPool()
    return model


def shape_of(model):
    info = model.tasks[0].info
    ours = {info.frames_argument: "num_frames", info.fps_argument: "fps"}
    shape = {ours.get(n, n): v for n, v in SHAPES[model.name].items()}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in shape.items()}


@pytest.fixture(scope="module", params=SCHEDULED)
def scheduled(request):
    return model_of(request.param)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_passes_the_check_does_not_fail_in_the_run(scheduled, data):
    arguments = {
        "num_inference_steps": data.draw(st.integers(1, 4)),
        "scheduler": data.draw(st.sampled_from(scheduled.schedulers)),
        "draft_steps": data.draw(st.sampled_from([None, 1, 2, 3])),
    }
    if "max_sequence_length" in scheduled.arguments:
        arguments["max_sequence_length"] = data.draw(st.sampled_from([16, 77, 500, 3000, 0, -1]))
    for name in {"sigmas", "timesteps"} & scheduled.arguments.keys():
        values = [None, (999, 500, 20), (1.0, 0.5), ()]
        arguments[name] = data.draw(st.sampled_from(values))
    arguments = {name: value for name, value in arguments.items() if value is not None}
    shot = scheduled.resolve(shot_from("a bee", {**shape_of(scheduled), **arguments}))
    if not list(scheduled.check(shot)):
        steps = []
        generate_frames(scheduled, [shot], lambda step: steps.append(step.steps))
        own = {"HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"}
        expected = shot.draft_steps or scheduled.steps(shot)
        assert steps[-1] == expected or shot.scheduler in own, "they are recorded as they run"


ODD = (0, -1, 2, 3.7, 2**70, True, "x", (), (0.5,), (1, 2), (1.0, 0.5), ("x",))
# They change how long a clip takes, or what the tiny models are made for.
NOT_TRIED = ("max_sequence_length", "use_resolution_binning", "addnoise_condition")


@pytest.mark.parametrize(
    "name",
    [
        "AnimateDiffSDXLPipeline",
        *(pytest.param(n, marks=pytest.mark.slow) for n in NAMES if n != "AnimateDiffSDXLPipeline"),
    ],
)
def test_an_odd_value_is_refused_before_the_run_or_makes_a_clip(name):
    pipe = make(name)
    model = bc.wrap(pipe, name=name)
    shape = shape_of(model)
    shape |= {key: bc.read_media(shape[key]) for key in ("image", "video") if key in shape}
    prompt = "a bee" if "prompt" in model.tasks[0].info.parameters else ""
    for argument in model.arguments:
        for value in () if argument in NOT_TRIED else ODD:
            try:
                shot = bc.shot(prompt, seed=1, **{**shape, argument: value})
                raise_problems(model.check(shot))
            except CheckError as error:
                refused = str(error)
            else:
                refused = ""
            if refused:
                assert argument in refused, (argument, value)
                continue
            (clip,) = model.generate([model.resolve(shot)])
            assert clip.broken is None, (argument, value)


def test_sizes_of_sdxl_are_tuples_and_act_together():
    name = "AnimateDiffSDXLPipeline"
    pipe = make(name)
    model = bc.wrap(pipe, name=name, batch_size=1)

    def clip(**more):
        (found,) = model.generate([model.resolve(bc.shot("a bee", **SHAPES[name], **more))])
        return found.frames

    sizes = {"original_size": (512, 256), "target_size": (64, 64), "crops_coords_top_left": (8, 0)}
    plain = pipe(
        prompt="a bee",
        generator=torch.Generator().manual_seed(0),
        output_type="np",
        **SHAPES[name],
        **sizes,
    ).frames[0]
    assert np.abs(clip(**sizes) - np.round(plain * 255)).max() <= 1
    negative = {"negative_original_size": [(512, 256)], "guidance_scale": 3}
    (note,) = bc.sweep("a bee", **SHAPES[name], **negative).check(model)
    assert "set negative_target_size, too" in str(note)
    both = {**negative, "negative_target_size": [(64, 64)]}
    assert not bc.sweep("a bee", **SHAPES[name], **both).check(model)


@pytest.mark.parametrize("name", ["denoising_end", "denoising_start"])
def test_a_part_of_the_steps_is_a_draft(name):
    pipe = make("AnimateDiffSDXLPipeline")
    if name not in call_parameters(type(pipe)):
        pytest.skip("this version has no such argument")
    with pytest.raises(CheckError, match=f"{name}: set by beecam.*draft=0.5"):
        bc.sweep("a bee", **{name: 0.5}).check(bc.wrap(pipe, name="model"))


@pytest.mark.parametrize("name", ["HunyuanVideoPipeline", "LTX2Pipeline"])
def test_custom_sigmas_set_the_number_of_steps(name):
    model = model_of(name)
    shape = {n: v for n, v in shape_of(model).items() if n != "num_inference_steps"}
    shot = model.resolve(shot_from("a bee", {**shape, "sigmas": (1.0, 0.6, 0.3)}))
    assert (shot.num_inference_steps, model.steps(shot)) == (3, 3)
    assert not list(model.check(shot))
    wrong = model.resolve(shot.replace(num_inference_steps=50, revision=None, model=None))
    (problem,) = model.check(wrong)
    assert "num_inference_steps=50: sigmas has 3 steps" in problem.message
    longer = shot.replace(draft_steps=10)
    assert [problem.argument for problem in model.check(longer)] == ["draft_steps"]


def test_drafts_are_refused_where_no_step_predicts_the_clip(cog):
    shape = {"width": 32, "height": 32, "num_frames": 9, "max_sequence_length": 16}
    sweep = bc.sweep("a bee", scheduler="DEISMultistepScheduler", **shape)
    sweep.check(cog)
    message = error_message(lambda: bc.run(sweep, cog, draft=0.5))
    assert "draft: no step of DEISMultistepScheduler predicts the clip" in message
    assert "those of CogVideoXDDIMScheduler do" in message


@pytest.mark.parametrize("kind", [AssertionError, ImportError, RuntimeError, ZeroDivisionError])
def test_whatever_a_pipelines_own_check_raises_fails_no_sweep(kind, monkeypatch):
    pipe = make("WanPipeline")

    def check_inputs(self, prompt, negative_prompt, height, width, **more):
        if height == 32:
            raise kind("no")

    monkeypatch.setattr(type(pipe), "check_inputs", check_inputs)
    model = bc.wrap(pipe)
    for height in (32, 16):
        assert not list(model.check(bc.shot("a bee", **SHAPES["WanPipeline"] | {"height": height})))


def test_a_pipeline_with_free_noise_is_refused_by_name():
    model = model_of("AnimateDiffPipeline")
    model.pipe.enable_free_noise(context_length=4, context_stride=2)
    message = error_message(lambda: bc.sweep("a bee").check(model))
    assert "switch it off with pipe.disable_free_noise()" in message
    model.pipe.disable_free_noise()
    bc.sweep("a bee").check(model)


@pytest.mark.parametrize("part", ["text_encoder", "tokenizer", "vae"])
@pytest.mark.parametrize("name", ["WanPipeline", "LTXPipeline", "AnimateDiffPipeline"])
def test_a_part_that_a_pipeline_was_loaded_without_is_named(name, part):
    model = model_of(name)
    setattr(model.pipe, part, None)
    message = error_message(lambda: bc.run(bc.sweep("a bee", **SHAPES[name]), model))
    assert f"its {part} is None, without which {name} can't run" in message


def test_a_pipeline_may_have_the_second_of_two_networks_alone():
    pipe, shape = make("WanPipeline"), SHAPES["WanPipeline"]
    pipe.transformer_2, pipe.transformer = pipe.transformer, None
    pipe.register_to_config(boundary_ratio=1.01)  # every step is below it
    model = bc.wrap(pipe, name="tiny")
    found = generate_frames(model, [model.resolve(bc.shot("a bee", **shape))])[0]
    generator = torch.Generator().manual_seed(0)
    plain = pipe("a bee", generator=generator, output_type="np", **shape).frames[0]
    assert np.abs(found.astype(int) - np.round(plain * 255)).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_no_pipeline_lacks_what_it_does_not_need(name):
    assert not missing_parts(make(name))


def test_what_is_on_for_one_thread_only_is_named(wan):
    shot = wan.resolve(bc.shot("a bee", **SHAPES["WanPipeline"]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for use in (lambda: bc.run(shot, wan), lambda: wan.generate([shot])):
            assert "cast the pipeline, as in pipe.to(torch.bfloat16)" in error_message(use)


def test_the_pipelines_own_checks_are_asked_before(wan):
    message = error_message(lambda: bc.sweep("a bee", guidance_scale_2=[2.0]).check(wan))
    assert message.startswith("guidance_scale_2=2.0: WanPipeline refuses it: `guidance_scale_2`")


@pytest.mark.parametrize("name", ALL)
def test_each_argument_of_a_pipeline_is_ours_or_points_to_ours(name):
    model = model_of(name)
    assert isinstance(model, DiffusersModel)
    theirs = model.tasks[0].info.parameters
    reached = 0
    for argument, parameter in theirs.items():
        if parameter.kind is parameter.VAR_KEYWORD or argument in (
            "self",
            "prompt",
            *SHOT_ARGUMENTS,
            *model.arguments,
        ):
            continue
        message = error_message(lambda n=argument: bc.sweep("a bee", **{n: 2}).check(model))
        assert f"{argument}: set by beecam, not by a sweep; " in message
        reached += 1
    assert reached


def test_no_alarming_warning_of_a_long_text(ltx, caplog):
    caplog.set_level(logging.WARNING)
    ltx.pipe.tokenizer.model_max_length = 20
    loggers = ["transformers", "diffusers"]
    before = [logging.getLogger(name).propagate for name in loggers]
    for name in loggers:
        logging.getLogger(name).propagate = True
    sweep = bc.sweep("a bee " * 90, num_inference_steps=1)
    assert sweep.check(ltx)[0].words
    generate_frames(ltx, sweep.resolve(ltx))
    for name, value in zip(loggers, before, strict=True):
        logging.getLogger(name).propagate = value
    assert "sequence length" not in caplog.text
    assert "truncated" not in caplog.text
