"""Each argument that a sweep may vary changes the pixels, or is named before any compute."""

import functools
import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import CheckError
from beecam.models.batching.threads import WorkerPool
from beecam.shots.conditions import CONDITIONS
from beecam.sweeps.layout import shot_from
from helpers import generate_frames
from kit.test_families import ALL, INPUTS
from tiny import SHAPES, make

pytestmark = pytest.mark.slow

# Values of arguments for which a number near the default says little.
VALUES = {
    "guidance_scale": [1.0, 0.5, 4.0],
    "negative_prompt": ["ugly sea"],
    "num_inference_steps": [1, 3],
    "max_sequence_length": [77, 500, 2000],
    "guidance_scale_2": [2.0],
    "timesteps": [(999, 500, 20)],
    "sigmas": [(1.0, 0.6, 0.3)],
    "eta": [0.5],
    "strength": [0.5],
    "denoise_strength": [0.5],
    "true_cfg_scale": [3.0],
    "prompt_2": ["a moth"],
    "negative_prompt_2": ["a moth"],
    "decode_chunk_size": [1],
    "image_embed_interleave": [3],
    "ar_step": [2],
    "overlap_history": [1],
    "clip_skip": [1],
    "spatio_temporal_guidance_blocks": [(0,)],
    "prompt_max_new_tokens": [3],
    "complex_human_instruction": [("do it",)],
    "system_prompt": ["be brief"],
    "image_crf": [30],
    "base_num_frames": [1000],
    "motion_scale": [2],
    "skip_steps_sigma_threshold": [0.6],
}
BASES = ({}, {"guidance_scale": 1.0}, {"guidance_scale": 3.0, "negative_prompt": "sun"})


def values_of(name, default):
    if name in VALUES:
        return VALUES[name]
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, (int, float)):
        return [default + 3 if isinstance(default, int) else default + 0.4]
    return []


@functools.cache
def family(name):
    """Return a model and the arguments of its shots."""
    model = bc.wrap(make(name, short_texts=True), name=name)
    model._workers = WorkerPool()
    info = model.tasks[0].info
    ours = {info.frames_argument: "num_frames", info.fps_argument: "fps"}
    shape = {ours.get(n, n): v for n, v in SHAPES[name].items() if n not in CONDITIONS}
    shape = {n: tuple(v) if isinstance(v, list) else v for n, v in shape.items()}
    inputs = INPUTS.get(name) or {n: v for n, v in SHAPES[name].items() if n in CONDITIONS}
    # Of the steps of a redrawn video a share runs.
    arguments = {**shape, **inputs, "num_inference_steps": 4 if "video" in inputs else 2}
    if "num_inference_steps" not in info.parameters:
        del arguments["num_inference_steps"]
    reads_text = "prompt" in info.parameters
    return model, {**arguments, "prompt": "a bee" if reads_text else ""}


def resolved(model, arguments):
    others = {name: value for name, value in arguments.items() if name != "prompt"}
    return model.resolve(shot_from(arguments["prompt"], others))


def texts_and_settings(model):
    reads_text = "prompt" in model.tasks[0].info.parameters
    return {"guidance_scale", *(["negative_prompt"] if reads_text else [])}


def outcome(model, arguments):
    """Return a digest of the clip; the problems where the shot is refused."""
    shot = resolved(model, arguments)
    problems = list(model.check(shot))
    if problems:
        return None, {problem.argument for problem in problems}
    frames = generate_frames(model, [shot])[0]
    return hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest(), set()


def notes(model, *each):
    return list(model.notes([resolved(model, arguments) for arguments in each]))


def idle(found):
    return {note.argument for note in found if "it has no effect here" in note.message}


def says_equal(found):
    return any("will be equal to another" in note.message for note in found)


# The default alone, of those whose arguments have rules of their own.
RARER = (
    "LTX2DFRPipeline",
    "LTXI2VLongMultiPromptPipeline",
    "EasyAnimatePipeline",
    "Cosmos2_5_PredictBasePipeline",
    "Cosmos3OmniPipeline",
    "HunyuanSkyreelsImageToVideoPipeline",
    "ChronoEditPipeline",
    "MotifVideoPipeline",
    "PIAPipeline",
    "TextToVideoSDPipeline",
)


@pytest.mark.parametrize("base", BASES, ids=["default", "unguided", "guided"])
@pytest.mark.parametrize("name", ALL)
def test_an_argument_changes_the_pixels_or_is_named(name, base):
    check_arguments(name, base)


@pytest.mark.slow
@pytest.mark.parametrize("name", RARER)
def test_an_argument_of_a_rarer_pipeline_changes_the_pixels_or_is_named(name):
    check_arguments(name, {})


def check_arguments(name, base):
    """Vary each argument of a model, and compare what is reported with what changes."""
    model, arguments = family(name)
    arguments = {**arguments, **{n: base[n] for n in base if n in texts_and_settings(model)}}
    reference, problems = outcome(model, arguments)
    assert not problems
    tried = {
        "guidance_scale": None,
        "negative_prompt": "",
        "num_inference_steps": 2,
        **model.tasks[0].arguments,
    }
    full = model.resolve(bc.shot("", **{n: arguments[n] for n in CONDITIONS if n in arguments}))
    for argument, default in tried.items():
        for value in values_of(argument, default):
            changed = {**arguments, argument: value}
            if changed.get(argument) == arguments.get(argument, getattr(full, argument, default)):
                continue
            if argument in ("sigmas", "timesteps"):
                changed.pop("num_inference_steps", None)
            found, problems = outcome(model, changed)
            context = f"{argument}={value!r} with {base}: {problems}"
            if problems == {"prompt"}:
                continue  # the negative prompt of a pipeline without prompts
            if found is None:
                assert problems & {argument, "strength", "denoise_strength"}, context
                continue
            named = notes(model, arguments, changed)
            if argument == "max_sequence_length" and says_equal(named):
                continue  # equal but for rounding: other numbers are added up
            assert (found == reference) == says_equal(named), context
            if found == reference:
                assert argument in {note.argument for note in named}, context
            elif value != full.arguments.get(argument):
                assert argument not in idle(notes(model, changed)), context


COMBINED = {
    "guidance_scale": st.sampled_from([0.5, 1.0, 3.0]),
    "negative_prompt": st.sampled_from(["", "ugly sea"]),
    "num_inference_steps": st.sampled_from([2, 3]),
    "true_cfg_scale": st.sampled_from([1.0, 2.0]),
    "guidance_rescale": st.sampled_from([0.0, 0.5]),
    "eta": st.sampled_from([0.0, 0.5]),
    "use_dynamic_cfg": st.booleans(),
    "prompt": st.sampled_from(["a bee", "a bee " * 60 + "x", "a bee " * 60 + "y"]),
    "scheduler": st.sampled_from(["DDIMScheduler", "DPMSolverMultistepScheduler"]),
}


@pytest.mark.parametrize("name", ["LTXPipeline", "HunyuanVideoPipeline", "CogVideoXPipeline"])
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_two_shots_make_equal_clips_if_and_only_if_a_note_says_so(name, data):
    model, arguments = family(name)
    allowed = {"prompt", "guidance_scale", "negative_prompt", *model.tasks[0].arguments}
    allowed |= {"scheduler"} if name == "CogVideoXPipeline" else set()
    names = sorted(allowed & COMBINED.keys())
    draw = st.fixed_dictionaries({n: COMBINED[n] for n in names})
    one = {**arguments, "max_sequence_length": 16, **data.draw(draw)}
    changed = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2))
    other = {**one, **{n: data.draw(COMBINED[n]) for n in sorted(changed)}}
    if one == other:
        return
    clips = [outcome(model, each)[0] for each in (one, other)]
    assert None not in clips
    assert (clips[0] == clips[1]) == says_equal(notes(model, one, other))


@pytest.mark.parametrize(("steps", "acts"), [(1, False), (4, True)])
def test_a_second_guidance_acts_only_below_the_boundary(steps, acts):
    pipe = make("WanPipeline")
    pipe.transformer_2 = pipe.transformer
    pipe.register_to_config(boundary_ratio=0.9)
    model = bc.wrap(pipe, name="two")
    one = {**SHAPES["WanPipeline"], "prompt": "a bee", "num_inference_steps": steps}
    other = {**one, "guidance_scale_2": 2.0}
    (first, _), (second, _) = outcome(model, one), outcome(model, other)
    assert (first != second) == acts
    found = notes(model, one, other)
    assert (idle(found) == {"guidance_scale_2"}) == says_equal(found) == (not acts)


def test_the_notes_of_a_sweep_say_what_would_act(wan, ltx):
    found = bc.sweep("a bee", negative_prompt=["", "sea"], guidance_scale=1.0).check(wan)
    assert [note.argument for note in found] == ["negative_prompt", "negative_prompt"]
    assert "set guidance_scale=5, too" in found[0].message
    assert found[1].message == (
        "negative_prompt: of the cells with one seed, 1 clip will be equal to another, since what "
        "differs in negative_prompt doesn't reach the model, such as '' and 'sea'."
    )
    assert not bc.sweep("a bee", negative_prompt=["", "sea"]).check(wan)
    found = bc.sweep("a bee", decode_timestep=[0.1, 0.2]).check(ltx)
    assert "decode_timestep=0.1 and 0.2: it has no effect here" in found[0].message


def test_texts_that_differ_beyond_the_limit_are_said_to_make_equal_clips(ltx):
    texts = ["a bee " * 40 + end for end in ("red", "blue")]
    found = bc.sweep(texts, seed=[1, 2], max_sequence_length=16, num_frames=9).check(ltx)
    assert found[0].words
    assert "will be equal to another" in found[1].message
    apart = bc.sweep(["red " + texts[0], texts[1]], max_sequence_length=16).check(ltx)
    assert not says_equal(apart)


def test_unknown_words_that_make_equal_clips_are_told():
    found = bc.sweep("a {animal}", animal=["zebra", "giraffe"]).check(bc.load())
    assert says_equal(found)


def test_steps_that_a_pipeline_refuses_are_refused_before(ltx):
    with pytest.raises(CheckError, match="sigmas"):
        bc.sweep("a bee", sigmas=[(1.0, 0.5)]).check(ltx)
